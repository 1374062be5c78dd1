//! A bucket in this process: what Remold asks of S3, for tests. It holds objects in memory, counts
//! what it is asked, and can be away for a while.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Requests of each method, and octets.
type Asked = BTreeMap<String, u64>;

/// What an object holds, and when it was written.
type Objects = BTreeMap<String, (Vec<u8>, jiff::Timestamp)>;

#[derive(Default)]
struct State {
    objects: Mutex<Objects>,
    asked: Mutex<Asked>,
    away: AtomicBool,
}

/// A bucket named `mms` that lasts as long as this.
pub(crate) struct Double {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

/// Objects that a listing shows at once: few, so that listings go on.
const PAGE: usize = 3;

impl Double {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<State>::default();
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = shared.clone();
                std::thread::spawn(move || state.serve(stream));
            }
        });
        Self { address, state }
    }

    /// Puts an object there.
    pub(crate) fn put(&self, name: &str, octets: &[u8]) {
        let object = (octets.to_vec(), jiff::Timestamp::now());
        let mut objects = self.state.objects.lock().unwrap();
        objects.insert(name.to_owned(), object);
    }

    /// Names of the objects that are there.
    pub(crate) fn names(&self) -> Vec<String> {
        self.state.objects.lock().unwrap().keys().cloned().collect()
    }

    /// How many requests of a method came.
    pub(crate) fn asked(&self, method: &str) -> u64 {
        let asked = self.state.asked.lock().unwrap();
        asked.get(method).copied().unwrap_or_default()
    }

    /// Answers every request that it cannot do it now, or no more.
    pub(crate) fn be_away(&self, away: bool) {
        self.state.away.store(away, Ordering::Relaxed);
    }
}

impl State {
    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut writer = stream;
        while let Some((method, target, headers, body)) = request(&mut reader) {
            *self
                .asked
                .lock()
                .unwrap()
                .entry(method.clone())
                .or_default() += 1;
            let signed = headers
                .get("authorization")
                .is_some_and(|value| value.starts_with("AWS4-HMAC-SHA256"));
            let written = self.written(&target);
            let (status, answer) = match (signed, self.away.load(Ordering::Relaxed)) {
                (false, _) => ("403 Forbidden", Vec::new()),
                (_, true) => ("503 Slow Down", Vec::new()),
                _ => self.answer(&method, &target, &headers, body),
            };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: \"e\"\r\n\
                 Last-Modified: {}\r\n\r\n",
                answer.len(),
                written.strftime("%a, %d %b %Y %H:%M:%S GMT")
            );
            let body: &[u8] = if method == "HEAD" { &[] } else { &answer };
            if writer.write_all(&[head.as_bytes(), body].concat()).is_err() {
                return;
            }
        }
    }

    /// When an object was written, or now.
    fn written(&self, target: &str) -> jiff::Timestamp {
        let objects = self.objects.lock().unwrap();
        let object = objects.get(name(target));
        object.map_or_else(jiff::Timestamp::now, |(_, written)| *written)
    }

    fn answer(
        &self,
        method: &str,
        target: &str,
        headers: &BTreeMap<String, String>,
        body: Vec<u8>,
    ) -> (&'static str, Vec<u8>) {
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let name = name(target);
        let mut objects = self.objects.lock().unwrap();
        match method {
            "PUT" if headers.get("if-none-match").is_some() && objects.contains_key(name) => {
                ("412 Precondition Failed", Vec::new())
            }
            "PUT" => {
                assert!(headers.contains_key("x-amz-checksum-sha256"), "{headers:?}");
                objects.insert(name.to_owned(), (body, jiff::Timestamp::now()));
                ("200 OK", Vec::new())
            }
            "DELETE" => {
                objects.remove(name);
                ("204 No Content", Vec::new())
            }
            "GET" if query.contains("list-type") => ("200 OK", listing(&objects, query)),
            "GET" | "HEAD" => match objects.get(name) {
                Some((octets, _)) => ("200 OK", octets.clone()),
                None => ("404 Not Found", Vec::new()),
            },
            _ => ("405 Method Not Allowed", Vec::new()),
        }
    }
}

/// The key of a target.
fn name(target: &str) -> &str {
    let path = target.split('?').next().unwrap_or_default();
    path.trim_start_matches("/mms").trim_start_matches('/')
}

fn listing(objects: &Objects, query: &str) -> Vec<u8> {
    let value = |name: &str| -> String {
        let pair = query.split('&').find_map(|pair| pair.strip_prefix(name));
        pair.unwrap_or_default().replace("%2F", "/")
    };
    let after = value("start-after=").max(value("continuation-token="));
    let prefix = value("prefix=");
    let mut found = objects
        .iter()
        .filter(|(name, _)| name.starts_with(&prefix) && **name > after);
    let mut text = "<ListBucketResult>".to_owned();
    let mut last = None;
    for (name, (octets, written)) in found.by_ref().take(PAGE) {
        text += &format!(
            "<Contents><Key>{name}</Key><LastModified>{written:.3}</LastModified>\
             <ETag>\"e\"</ETag><Size>{}</Size></Contents>",
            octets.len()
        );
        last = Some(name);
    }
    if let (Some(last), Some(_)) = (last, found.next()) {
        text += &format!("<NextContinuationToken>{last}</NextContinuationToken>");
    }
    (text + "</ListBucketResult>").into_bytes()
}

/// Method, target, headers and body of the next request.
type Request = (String, String, BTreeMap<String, String>, Vec<u8>);

fn request(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else {
            break;
        };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length");
    let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((method, target, headers, body))
}
