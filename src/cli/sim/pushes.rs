//! How a simulated phone, which has no radio, hears of pushes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;

use super::client::{failed, head};
use crate::cli::{CliError, io};
use crate::mms::address::Msisdn;
use crate::mms::push::read_hex;

/// Connections to a hook at one time.
const CONNECTIONS: usize = 64;
/// Octets of a request to a hook.
const POSTED: u64 = 1 << 20;
/// Octets of a file of the spool.
const SPOOLED: usize = 1 << 20;
/// Silence after which a hook closes a connection.
const IDLE: Duration = Duration::from_secs(60);
/// How often a file or folder is looked at.
const TICK: Duration = Duration::from_millis(200);
/// What the names of files that were read end with.
const DONE: &str = "done";

/// One push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Push {
    /// The message it is about, where that was told.
    pub(super) message_id: Option<String>,
    /// Whose phone it is for, as far as that was told: a log masks it.
    pub(super) to: String,
    pub(super) what: What,
}

/// What a push is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// The WSP push.
    Octets(Bytes),
    /// What to fetch: more was not told.
    Url(String),
    /// A report whose content was not told.
    Hidden,
}

/// Whose pushes are listened for.
pub(super) type Mine = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Those of one number, in full or masked as the log masks it.
pub(super) fn only(number: &Msisdn) -> Mine {
    let shown = format!("{number:?}");
    let masked = shown.trim_start_matches("Msisdn(").trim_end_matches(')');
    let digits = |text: &str| text.trim_start_matches('+').to_owned();
    let (number, masked) = (digits(number.as_str()), digits(masked));
    Arc::new(move |to| {
        let to = digits(to);
        to == number || to == masked
    })
}

/// What a hook is posted.
#[derive(Debug, Deserialize)]
struct Posted {
    message_id: String,
    number: String,
    push: String,
    encoding: String,
}

/// Listens as the hook of `[notify.http]`. Gives the address, which is of use where the port was
/// left to the system, and the pushes.
pub(super) fn hook(
    address: SocketAddr,
    mine: Mine,
) -> Result<(SocketAddr, Receiver<Push>), CliError> {
    let taken = |error: std::io::Error| failed(&format!("{address}: {error}"));
    let listener = TcpListener::bind(address).map_err(taken)?;
    let address = listener.local_addr().map_err(taken)?;
    let (pushed, pushes) = channel();
    let open = Arc::new(AtomicUsize::new(0));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS {
                open.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            let (pushed, mine, open) = (pushed.clone(), mine.clone(), open.clone());
            std::thread::spawn(move || {
                // A connection that breaks is the other side's affair: it will post again.
                let _ = serve(stream, &pushed, &mine);
                open.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
    Ok((address, pushes))
}

fn serve(stream: TcpStream, pushed: &Sender<Push>, mine: &Mine) -> std::io::Result<()> {
    stream.set_read_timeout(Some(IDLE))?;
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let (first, headers) = head(&mut stream)?;
        let header = |name: &str| headers.iter().find(|(found, _)| found == name);
        let length = header("content-length").and_then(|(_, value)| value.parse().ok());
        let length: u64 = length.unwrap_or(0);
        if length > POSTED {
            let long = b"HTTP/1.1 413 Too Long\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
            return stream.get_mut().write_all(long);
        }
        let mut body = Vec::new();
        (&mut stream).take(length).read_to_end(&mut body)?;
        let status = match read_posted(&first, &body, mine) {
            Ok(push) => match pushed.send(push) {
                Ok(()) => "204 No Content",
                Err(_) => "503 Stopping",
            },
            Err(status) => status,
        };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        stream.get_mut().write_all(answer.as_bytes())?;
    }
}

fn read_posted(first: &str, body: &[u8], mine: &Mine) -> Result<Push, &'static str> {
    if !first.starts_with("POST ") {
        return Err("405 Only POST");
    }
    let posted: Posted = serde_json::from_slice(body).map_err(|_| "400 No Push")?;
    if !mine(&posted.number) {
        // Another phone may be listening later, so this is not the end of the message.
        return Err("404 Other Number");
    }
    let octets = match posted.encoding.as_str() {
        "hex" => read_hex(posted.push.as_bytes()).ok(),
        "base64" => STANDARD.decode(&posted.push).ok().map(Bytes::from),
        _ => None,
    };
    Ok(Push {
        message_id: Some(posted.message_id),
        to: posted.number,
        what: What::Octets(octets.ok_or("400 No Push")?),
    })
}

/// Follows the output of `remold serve` with `[notify.log]`: a file, or stdin as `-`.
pub(super) fn log(path: &Path, mine: Mine) -> Result<Receiver<Push>, CliError> {
    let (pushed, pushes) = channel();
    if io::is_dash(path) {
        std::thread::spawn(move || {
            for line in std::io::stdin().lines().map_while(Result::ok) {
                if let Some(push) = read_line(&line, &mine)
                    && pushed.send(push).is_err()
                {
                    return;
                }
            }
        });
        return Ok(pushes);
    }
    let file = std::fs::File::open(path)
        .map_err(|error| failed(&error.to_string()).in_file(io::shown(path)))?;
    std::thread::spawn(move || {
        let mut file = BufReader::new(file);
        let mut line = Vec::new();
        while let Ok(read) = file.read_until(b'\n', &mut line) {
            if read == 0 {
                std::thread::sleep(TICK);
            }
            // What has no end yet is still being written.
            if line.last() != Some(&b'\n') {
                continue;
            }
            let text = String::from_utf8_lossy(&line).into_owned();
            line.clear();
            if let Some(push) = read_line(text.trim_end(), &mine)
                && pushed.send(push).is_err()
            {
                return;
            }
        }
    });
    Ok(pushes)
}

/// `push message=ID to=NUMBER url=URL wsp=HEX`, or with `octets=` where numbers are masked.
fn read_line(line: &str, mine: &Mine) -> Option<Push> {
    let rest = line.strip_prefix("push ")?;
    let field = |name: &str| rest.split(' ').find_map(|word| word.strip_prefix(name));
    let to = field("to=").filter(|to| mine(to))?;
    let octets = field("wsp=").and_then(|wsp| read_hex(wsp.as_bytes()).ok());
    let what = match (octets, field("url=")?) {
        (Some(octets), _) => What::Octets(octets),
        (None, "-") => What::Hidden,
        (None, url) => What::Url(url.to_owned()),
    };
    Some(Push {
        message_id: field("message=").map(str::to_owned),
        to: to.to_owned(),
        what,
    })
}

/// Watches a folder that a `[notify] command` writes to: each file is a push, in octets or in
/// hexadecimal, and its name begins with the number. A file that was read is renamed.
pub(super) fn spool(folder: &Path, mine: Mine) -> Result<Receiver<Push>, CliError> {
    let folder = folder.to_owned();
    let unreadable = |error: std::io::Error| failed(&error.to_string()).in_file(io::shown(&folder));
    std::fs::read_dir(&folder).map_err(unreadable)?;
    let (pushed, pushes) = channel();
    std::thread::spawn(move || {
        loop {
            for path in waiting(&folder, &mine) {
                if let Some(push) = read_spooled(&path)
                    && pushed.send(push).is_err()
                {
                    return;
                }
            }
            std::thread::sleep(TICK);
        }
    });
    Ok(pushes)
}

/// The files of a spool that are for us, in the order of their names.
fn waiting(folder: &Path, mine: &Mine) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_none_or(|extension| extension != DONE))
        .filter(|path| mine(&number_of(path)))
        .collect();
    paths.sort();
    paths
}

/// The number that the name of a file begins with.
fn number_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let rest = name.trim_start_matches(|c: char| c == '+' || c.is_ascii_digit());
    name.strip_suffix(rest).unwrap_or_default().to_owned()
}

fn read_spooled(path: &Path) -> Option<Push> {
    let octets = io::read_input(path, SPOOLED).ok()?;
    let mut done = path.as_os_str().to_owned();
    done.push(".");
    done.push(DONE);
    // One that cannot be renamed would be read for ever.
    std::fs::rename(path, done).ok()?;
    let octets = read_hex(&octets).unwrap_or(octets);
    (!octets.is_empty()).then_some(Push {
        message_id: None,
        to: number_of(path),
        what: What::Octets(octets),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bob() -> Mine {
        only(&Msisdn::parse("+15550002222").unwrap())
    }

    #[test]
    fn lines_of_the_log_are_read_masked_or_not() {
        let full = "push message=m1 to=+15550002222 url=http://a/m/1 wsp=0006be";
        assert_eq!(
            read_line(full, &bob()),
            Some(Push {
                message_id: Some("m1".to_owned()),
                to: "+15550002222".to_owned(),
                what: What::Octets(Bytes::from_static(b"\0\x06\xBE")),
            })
        );
        let masked = "push message=m1 to=+*********22 url=http://a/m/1 octets=3";
        let what = |line: &str| read_line(line, &bob()).map(|push| push.what);
        assert_eq!(what(masked), Some(What::Url("http://a/m/1".to_owned())));
        let report = "push message=m1 to=+*********22 url=- octets=3";
        assert_eq!(what(report), Some(What::Hidden));
        for other in [
            "push message=m1 to=+15550002223 url=http://a/m/1 wsp=0006be",
            "push message=m1 to=+*********23 url=http://a/m/1 octets=3",
            "mm1 http://127.0.0.1:8002",
        ] {
            assert_eq!(what(other), None, "{other}");
        }
    }

    #[test]
    fn a_hook_takes_what_is_for_it() {
        let posted = |number: &str, push: &str, encoding: &str| {
            let body = format!(
                "{{\"message_id\":\"m1\",\"number\":\"{number}\",\"push\":\"{push}\",\
                 \"encoding\":\"{encoding}\",\"url\":\"u\"}}"
            );
            read_posted("POST / HTTP/1.1", body.as_bytes(), &bob()).map(|push| push.what)
        };
        let octets = || Ok(What::Octets(Bytes::from_static(b"\0\x06\xBE")));
        assert_eq!(posted("+15550002222", "0006be", "hex"), octets());
        assert_eq!(posted("+15550002222", "AAa+", "base64"), octets());
        assert_eq!(
            posted("+15550002223", "AAa+", "base64"),
            Err("404 Other Number")
        );
        assert_eq!(posted("+15550002222", "0006b", "hex"), Err("400 No Push"));
        assert!(read_posted("GET / HTTP/1.1", b"", &bob()).is_err());
    }

    #[test]
    fn a_spool_is_read_file_by_file_and_each_once() {
        let folder = std::env::temp_dir().join(format!("remold-spool-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("+15550002222-1"), "00 06\nbe\n").unwrap();
        std::fs::write(folder.join("15550002222.push"), b"\0\x06\xBE").unwrap();
        std::fs::write(folder.join("+15550002223-1"), "0006be").unwrap();
        let paths = waiting(&folder, &bob());
        assert_eq!(paths.len(), 2, "{paths:?}");
        for path in &paths {
            let what = read_spooled(path).unwrap().what;
            assert_eq!(what, What::Octets(Bytes::from_static(b"\0\x06\xBE")));
        }
        assert!(waiting(&folder, &bob()).is_empty());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
