//! Where a domain takes its mail: MX records (RFC 1035, RFC 5321 section 5.1, RFC 7505).
//!
//! Asked by the thread that is about to connect to a peer, so that nobody else waits for the answer.
//! The same name servers say to which network a number belongs; [`super::Enum`] asks them.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use super::dns::{Pointer, Question, Reply};
use super::peers::Host;

/// Port of name servers.
const DNS: u16 = 53;
/// Port of mail servers.
const SMTP: u16 = 25;
/// Octets of an answer by UDP; longer ones come by TCP (RFC 1035 section 4.2.1).
const DATAGRAM: usize = 512;
/// Name servers of a list that are asked.
const SERVERS: usize = 3;
/// Hosts that are tried for one domain.
const MOST: usize = 8;
/// Response codes (RFC 1035 section 4.1.1).
const NO_ERROR: u8 = 0;
const NO_DOMAIN: u8 = 3;
/// Times that each name server is asked.
const ROUNDS: usize = 2;

/// Asks name servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolver {
    servers: Vec<SocketAddr>,
    timeout: Duration,
}

/// Why it is not known where a domain takes its mail.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangerError {
    /// It says that it takes none.
    #[error("{0} takes no mail")]
    NoMail(String),
    /// It does not exist.
    #[error("there is no domain {0}")]
    NoDomain(String),
    /// It is no name that can be asked for.
    #[error("{0:?} is no domain")]
    NotADomain(String),
    /// No name server gave an answer.
    #[error("no name server says where {domain} takes its mail: {why}")]
    Unanswered {
        /// The domain.
        domain: String,
        /// What the last of them said.
        why: String,
    },
}

/// A name server's word.
enum Answer {
    /// There is such a domain, with these records or without any.
    Records(Reply),
    NoDomain,
}

impl Resolver {
    /// Asks `servers`, each of which may take `timeout`.
    #[must_use]
    pub fn new(servers: Vec<SocketAddr>, timeout: Duration) -> Self {
        Self { servers, timeout }
    }

    /// Asks those of the system, from the text of its `/etc/resolv.conf`; one on this machine
    /// where there are none (resolv.conf(5)).
    #[must_use]
    pub fn of_system(resolv_conf: &str) -> Self {
        let mut servers: Vec<SocketAddr> = resolv_conf
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("nameserver"))
            .filter_map(|rest| {
                let address = rest.split_whitespace().next()?;
                Some(SocketAddr::new(address.parse().ok()?, DNS))
            })
            .take(SERVERS)
            .collect();
        if servers.is_empty() {
            servers.push(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), DNS));
        }
        Self::new(servers, Duration::from_secs(3))
    }

    /// The hosts that take mail for a domain, in the order in which they are to be tried: by
    /// preference, of equals in an order of chance. A domain without an MX record takes its mail
    /// itself.
    ///
    /// # Errors
    /// Where nobody knows, or the domain takes none.
    pub fn exchangers(&self, domain: &str) -> Result<Vec<Host>, ExchangerError> {
        let unanswered = |error: &io::Error| ExchangerError::Unanswered {
            domain: domain.to_owned(),
            why: error.to_string(),
        };
        let question = Question::mx(id().map_err(|error| unanswered(&error))?, domain)
            .ok_or_else(|| ExchangerError::NotADomain(domain.to_owned()))?;
        let mut found = match self.ask(&question) {
            Ok(Answer::Records(reply)) => reply.exchangers,
            Ok(Answer::NoDomain) => return Err(ExchangerError::NoDomain(domain.to_owned())),
            Err(error) => return Err(unanswered(&error)),
        };
        if found.is_empty() {
            found.push((0, domain.to_owned()));
        }
        if found.iter().all(|(_, host)| host.is_empty()) {
            return Err(ExchangerError::NoMail(domain.to_owned()));
        }
        // RFC 5321 section 5.1: equal preferences share the load.
        let mut keyed: Vec<_> = found
            .into_iter()
            .filter(|(_, host)| !host.is_empty())
            .map(|(preference, host)| (preference, chance(), host))
            .collect();
        keyed.sort();
        let host = |(_, _, name)| Host { name, port: SMTP };
        Ok(keyed.into_iter().map(host).take(MOST).collect())
    }

    /// The naming authority pointers of a domain, none where there is no such domain.
    ///
    /// # Errors
    /// Where no name server answers, or it is no domain.
    pub(super) fn pointers(&self, domain: &str) -> io::Result<Vec<Pointer>> {
        let question = Question::naptr(id()?, domain).ok_or(io::ErrorKind::InvalidInput)?;
        match self.ask(&question)? {
            Answer::Records(reply) => Ok(reply.pointers),
            Answer::NoDomain => Ok(Vec::new()),
        }
    }

    fn ask(&self, question: &Question) -> io::Result<Answer> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for _ in 0..ROUNDS {
            for server in &self.servers {
                match self.ask_one(*server, question) {
                    Ok(answer) => return Ok(answer),
                    Err(error) => last = error,
                }
            }
        }
        Err(last)
    }

    fn ask_one(&self, server: SocketAddr, question: &Question) -> io::Result<Answer> {
        let mut reply = self.by_datagram(server, question)?;
        if reply.is_cut {
            reply = self.by_stream(server, question)?;
        }
        match reply.code {
            NO_ERROR => Ok(Answer::Records(reply)),
            NO_DOMAIN => Ok(Answer::NoDomain),
            code => Err(io::Error::other(format!(
                "{server} answers with code {code}"
            ))),
        }
    }

    fn by_datagram(&self, server: SocketAddr, question: &Question) -> io::Result<Reply> {
        let any: IpAddr = match server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        // A new port for each question: with the id, what a forger has to guess.
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(server)?;
        socket.set_read_timeout(Some(self.timeout))?;
        socket.send(question.octets())?;
        let begun = std::time::Instant::now();
        let mut octets = [0; DATAGRAM];
        while begun.elapsed() < self.timeout {
            let length = socket.recv(&mut octets)?;
            // Whatever does not answer this very question is not ours.
            if let Some(reply) = Reply::read(octets.get(..length).unwrap_or_default(), question) {
                return Ok(reply);
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    fn by_stream(&self, server: SocketAddr, question: &Question) -> io::Result<Reply> {
        let mut stream = TcpStream::connect_timeout(&server, self.timeout)?;
        stream.set_read_timeout(Some(self.timeout))?;
        stream.set_write_timeout(Some(self.timeout))?;
        let length = u16::try_from(question.octets().len()).map_err(io::Error::other)?;
        stream.write_all(&[&length.to_be_bytes(), question.octets()].concat())?;
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut octets = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut octets)?;
        Reply::read(&octets, question)
            .ok_or_else(|| io::Error::other(format!("{server} answers something else")))
    }
}

/// The id of a question, which nobody can guess.
fn id() -> io::Result<u16> {
    let mut octets = [0; 2];
    getrandom::fill(&mut octets).map_err(io::Error::other)?;
    Ok(u16::from_be_bytes(octets))
}

/// A number of chance; where the system has none, the order of the answer stays.
fn chance() -> u32 {
    let mut octets = [0; 4];
    match getrandom::fill(&mut octets) {
        Ok(()) => u32::from_be_bytes(octets),
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// What a name server answers: the octets behind the question, made by hand after RFC 1035.
    struct Canned {
        flags: [u8; 2],
        answers: Vec<Vec<u8>>,
    }

    impl Canned {
        fn of(answers: Vec<Vec<u8>>) -> Self {
            let flags = [0x81, 0x80];
            Self { flags, answers }
        }

        fn to(&self, query: &[u8]) -> Vec<u8> {
            let mut octets = query[..2].to_vec();
            octets.extend(self.flags);
            octets.extend([0, 1, 0, u8::try_from(self.answers.len()).unwrap()]);
            octets.extend([0; 4]);
            octets.extend(&query[12..]);
            octets.extend(self.answers.concat());
            octets
        }
    }

    fn mx(preference: u8, labels: &[&str]) -> Vec<u8> {
        let mut name = Vec::new();
        for label in labels {
            name.push(u8::try_from(label.len()).unwrap());
            name.extend(label.as_bytes());
        }
        name.push(0);
        // A pointer to the question's name, MX, IN, an hour, the length, the preference.
        let mut record = vec![0xC0, 12, 0, 15, 0, 1, 0, 0, 14, 16, 0];
        record.push(u8::try_from(name.len() + 2).unwrap());
        record.extend([0, preference]);
        record.extend(name);
        record
    }

    /// A name server that answers every question so: by UDP, and by TCP where `long` is given.
    fn server(short: Canned, long: Option<Canned>) -> Resolver {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        if let Some(long) = long {
            let listener = TcpListener::bind(address).unwrap();
            std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut length = [0; 2];
                stream.read_exact(&mut length).unwrap();
                let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
                stream.read_exact(&mut query).unwrap();
                let reply = long.to(&query);
                let length = u16::try_from(reply.len()).unwrap().to_be_bytes();
                stream.write_all(&[&length[..], &reply].concat()).unwrap();
            });
        }
        std::thread::spawn(move || {
            let mut octets = [0; DATAGRAM];
            while let Ok((length, peer)) = socket.recv_from(&mut octets) {
                let mut forged = short.to(&octets[..length]);
                forged[0] ^= 1;
                socket.send_to(&forged, peer).unwrap();
                socket.send_to(&short.to(&octets[..length]), peer).unwrap();
            }
        });
        Resolver::new(vec![address], Duration::from_millis(500))
    }

    fn names(resolver: &Resolver) -> Vec<String> {
        let hosts = resolver.exchangers("far.example").unwrap();
        hosts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn exchangers_come_by_preference_and_forged_answers_are_passed_over() {
        let records = vec![mx(20, &["b", "far", "example"]), mx(10, &["a", "example"])];
        let resolver = server(Canned::of(records), None);
        assert_eq!(names(&resolver), ["a.example:25", "b.far.example:25"]);
    }

    #[test]
    fn equals_share_the_load() {
        let records = || vec![mx(5, &["a"]), mx(5, &["b"])];
        let resolver = server(Canned::of(records()), None);
        let firsts: std::collections::HashSet<_> =
            (0..40).map(|_| names(&resolver).swap_remove(0)).collect();
        assert_eq!(firsts.len(), 2);
    }

    #[test]
    fn an_answer_that_is_cut_comes_whole_by_tcp() {
        let cut = Canned {
            flags: [0x83, 0x80],
            answers: Vec::new(),
        };
        let whole = Canned::of(vec![mx(1, &["mail", "example"])]);
        assert_eq!(names(&server(cut, Some(whole))), ["mail.example:25"]);
    }

    #[test]
    fn a_domain_without_records_is_its_own_exchanger_and_a_null_record_takes_nothing() {
        assert_eq!(
            names(&server(Canned::of(Vec::new()), None)),
            ["far.example:25"]
        );
        let null = server(Canned::of(vec![mx(0, &[])]), None);
        let error = null.exchangers("far.example").unwrap_err();
        assert!(matches!(error, ExchangerError::NoMail(_)), "{error}");
    }

    #[test]
    fn what_does_not_exist_or_does_not_answer_is_told_apart() {
        let nothing = Canned {
            flags: [0x81, 0x83],
            answers: Vec::new(),
        };
        let error = server(nothing, None).exchangers("far.example").unwrap_err();
        assert!(matches!(error, ExchangerError::NoDomain(_)), "{error}");
        let broken = Canned {
            flags: [0x81, 0x82],
            answers: Vec::new(),
        };
        let error = server(broken, None).exchangers("far.example").unwrap_err();
        assert!(error.to_string().contains("code 2"), "{error}");
        let nobody = UdpSocket::bind("127.0.0.1:0").unwrap();
        let silent = vec![nobody.local_addr().unwrap()];
        let resolver = Resolver::new(silent, Duration::from_millis(20));
        let error = resolver.exchangers("far.example").unwrap_err();
        assert!(matches!(error, ExchangerError::Unanswered { .. }));
        let error = resolver.exchangers("a..b").unwrap_err();
        assert!(matches!(error, ExchangerError::NotADomain(_)), "{error}");
    }

    #[test]
    fn the_servers_of_the_system_are_read() {
        let text = "# a comment\nsearch example\nnameserver 192.0.2.1\n nameserver ::1 # local\n\
                    nameserver fe80::x\n";
        let resolver = Resolver::of_system(text);
        let shown: Vec<_> = resolver.servers.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["192.0.2.1:53", "[::1]:53"]);
        let none = Resolver::of_system("");
        assert_eq!(none.servers, ["127.0.0.1:53".parse().unwrap()]);
    }
}
