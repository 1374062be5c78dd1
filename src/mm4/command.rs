//! Commands of SMTP (RFC 5321 section 4.1), each from a whole line.

use smtp_proto::{Error, MAIL_BODY_BINARYMIME, MAIL_SMTPUTF8, Request};

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    Helo,
    Ehlo,
    Mail {
        from: String,
        /// Octets, where the client says.
        size: Option<u64>,
    },
    Rcpt {
        to: String,
    },
    Data,
    Rset,
    Noop,
    Quit,
    StartTls,
    /// VRFY, EXPN, HELP: known, and told nothing by.
    Curious,
}

/// Why a line is no command, as a reply.
pub(super) type Wrong = (u16, &'static str);

/// Reads a line without its CR LF.
///
/// `smtp-proto` reads it, but for addresses without a domain, which MMSCs write and it does not
/// take.
pub(super) fn read(line: &str) -> Result<Command, Wrong> {
    const SYNTAX: Wrong = (501, "5.5.4 Syntax error in parameters");
    const UNKNOWN: Wrong = (500, "5.5.1 No such command");
    if !line
        .bytes()
        .all(|octet| octet.is_ascii_graphic() || octet == b' ')
    {
        return Err((500, "5.5.2 Commands are ASCII"));
    }
    let whole = format!("{line}\r\n");
    match Request::parse(&mut whole.as_bytes().iter()) {
        Ok(Request::Ehlo { .. }) => Ok(Command::Ehlo),
        Ok(Request::Helo { .. }) => Ok(Command::Helo),
        Ok(Request::Mail { from }) => {
            if from.flags & (MAIL_BODY_BINARYMIME | MAIL_SMTPUTF8) != 0 {
                return Err((555, "5.5.4 BINARYMIME and SMTPUTF8 are not offered"));
            }
            Ok(Command::Mail {
                from: from.address.into_owned(),
                size: u64::try_from(from.size).ok().filter(|size| *size > 0),
            })
        }
        // A source route says to relay.
        Ok(Request::Rcpt { .. }) if line.contains("<@") => {
            Err((553, "5.1.3 Source routes are not taken"))
        }
        Ok(Request::Rcpt { to }) => {
            let address = to.address.into_owned();
            if address.is_empty() {
                // It gives the same for <postmaster> and for <>.
                return bare(line).map_or(Err(SYNTAX), |to| Ok(Command::Rcpt { to }));
            }
            Ok(Command::Rcpt { to: address })
        }
        Ok(Request::Data) if line.trim().len() == 4 => Ok(Command::Data),
        Ok(Request::Rset) => Ok(Command::Rset),
        Ok(Request::Noop { .. }) => Ok(Command::Noop),
        Ok(Request::Quit) => Ok(Command::Quit),
        Ok(Request::StartTls) if line.trim().len() == 8 => Ok(Command::StartTls),
        Ok(Request::Vrfy { .. } | Request::Expn { .. } | Request::Help { .. }) => {
            Ok(Command::Curious)
        }
        Ok(Request::Data | Request::StartTls) => Err(SYNTAX),
        Ok(_) => Err((502, "5.5.1 Not offered")),
        Err(Error::UnsupportedParameter { .. }) => Err((555, "5.5.4 No such parameter")),
        Err(Error::InvalidSenderAddress) => match bare(line) {
            Some(from) => Ok(Command::Mail { from, size: None }),
            None => Err((553, "5.1.7 The sender is no address")),
        },
        Err(Error::InvalidRecipientAddress) => match bare(line) {
            Some(to) => Ok(Command::Rcpt { to }),
            None => Err((553, "5.1.3 The recipient is no address")),
        },
        Err(Error::UnknownCommand) => Err(UNKNOWN),
        Err(_) => {
            let verb = line.split([' ', ':']).next().unwrap_or("");
            let known = ["MAIL", "RCPT", "EHLO", "HELO"];
            if known.iter().any(|known| known.eq_ignore_ascii_case(verb)) {
                Err(SYNTAX)
            } else {
                Err(UNKNOWN)
            }
        }
    }
}

/// The address of a MAIL or RCPT that has no domain and no parameters.
fn bare(line: &str) -> Option<String> {
    let inner = line.split_once(":")?.1.trim();
    let inner = inner.strip_prefix('<')?.strip_suffix('>')?;
    let plain = inner
        .bytes()
        .all(|octet| octet.is_ascii_alphanumeric() || b"+-_./=".contains(&octet));
    (plain && (1..=254).contains(&inner.len())).then(|| inner.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        let mail = |from: &str, size| Command::Mail {
            from: from.to_owned(),
            size,
        };
        let rcpt = |to: &str| Command::Rcpt { to: to.to_owned() };
        for (line, want) in [
            ("EHLO mmsc.example", Command::Ehlo),
            ("helo x", Command::Helo),
            (
                "MAIL FROM:<+123/TYPE=PLMN@a.example> SIZE=1234 BODY=8BITMIME",
                mail("+123/TYPE=PLMN@a.example", Some(1_234)),
            ),
            ("mail from:<>", mail("", None)),
            ("MAIL FROM:<system-user>", mail("system-user", None)),
            (
                "RCPT TO:<+972555000001/TYPE=PLMN@oklik.example>",
                rcpt("+972555000001/TYPE=PLMN@oklik.example"),
            ),
            ("RCPT TO:<+97255/TYPE=PLMN>", rcpt("+97255/TYPE=PLMN")),
            ("RCPT TO:<PostMaster>", rcpt("PostMaster")),
            ("DATA", Command::Data),
            ("RSET", Command::Rset),
            ("NOOP", Command::Noop),
            ("QUIT", Command::Quit),
            ("STARTTLS", Command::StartTls),
            ("VRFY root", Command::Curious),
        ] {
            assert_eq!(read(line), Ok(want), "{line}");
        }
    }

    #[test]
    fn what_is_no_command_is_told_why() {
        for (line, code) in [
            ("BDAT 10 LAST", 502),
            ("AUTH PLAIN", 502),
            ("XYZZY", 500),
            ("", 500),
            ("GET / HTTP/1.1", 500),
            ("MAIL FROM:<a@b> BODY=BINARYMIME", 555),
            ("MAIL FROM:<a@b> SMTPUTF8", 555),
            ("MAIL FROM:<a@b> XNEW=1", 555),
            ("MAIL FROM: nothing", 501),
            ("RCPT TO:<>", 501),
            ("RCPT TO:<@a,@b:c@d>", 553),
            ("RCPT TO:<a b>", 553),
            ("EHLO", 501),
            ("DATA x", 501),
            ("MAIL FROM:<\u{e9}@b>", 500),
            ("NOOP \0", 500),
        ] {
            let got = read(line).map_err(|(code, _)| code);
            assert_eq!(got, Err(code), "{line}");
        }
    }
}
