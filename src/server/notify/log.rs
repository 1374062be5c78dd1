//! Pushes as lines on stdout, for whoever tries the server out.

use std::io::Write;

use super::{hex, masked};
use crate::relay::{Notice, Notifier, NotifyError};

/// Prints each push: its message, for whom it is, and what to fetch.
#[derive(Debug, Clone, Copy, Default)]
pub struct Log {
    /// Whether the number is printed in full, and the octets of the push with it. Otherwise all
    /// but the last two digits are masked, and how many octets there are stands for them: they
    /// hold the sender's number.
    pub full: bool,
}

impl Log {
    fn line(self, notice: &Notice<'_>) -> String {
        let Notice {
            message_id,
            number,
            push,
            url,
        } = notice;
        let url = url.unwrap_or("-");
        if self.full {
            let wsp = hex(push);
            return format!("push message={message_id} to={number} url={url} wsp={wsp}");
        }
        let (to, octets) = (masked(number), push.len());
        format!("push message={message_id} to={to} url={url} octets={octets}")
    }
}

impl Notifier for Log {
    fn push(&self, notice: &Notice<'_>) -> Result<(), NotifyError> {
        writeln!(std::io::stdout().lock(), "{}", self.line(notice))
            .map_err(|error| NotifyError::Temporary(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mms::address::Msisdn;

    #[test]
    fn numbers_are_printed_only_where_the_operator_asks_for_them() {
        let number = Msisdn::parse("+15550001234").unwrap();
        let notice = Notice {
            message_id: "m1",
            number: &number,
            push: b"\0\x06+15550009999",
            url: Some("http://a.example/m/1"),
        };
        let masked = Log::default().line(&notice);
        assert_eq!(
            masked,
            "push message=m1 to=+*********34 url=http://a.example/m/1 octets=14"
        );
        let full = Log { full: true }.line(&notice);
        assert!(full.contains("to=+15550001234 "), "{full}");
        assert!(full.ends_with(&hex(b"+15550009999")), "{full}");
    }
}
