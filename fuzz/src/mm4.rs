//! MM4: sessions cut into pieces, and envelopes.

use std::sync::Arc;

use bytes::Bytes;
use remold::Limits;
use remold::mm4::envelope::{Addressing, Id, Mailbox};
use remold::mm4::peers::Recipient;
use remold::mm4::session::{self, Channel, Mail, Next, Session, Verdict};
use remold::mm4::{Envelope, Gate, Peer, TlsPolicy};
use remold::relay::{Numbering, Routes};

/// Bounds that a short input can reach.
const LIMITS: session::Limits = session::Limits {
    mail_bytes: 1_000,
    line_bytes: 100,
    command_bytes: 80,
    recipients: 3,
    errors: 5,
    commands: 40,
};

/// A session of SMTP: how the input is cut makes no difference, and no mail comes out of it that is
/// not for a number of ours.
pub fn smtp(data: &[u8]) {
    let Some((cut, input)) = data.split_first() else {
        return;
    };
    let whole = play(&[input]);
    for mail in &whole.1 {
        assert!(!mail.recipients.is_empty() && mail.recipients.len() <= LIMITS.recipients);
        for recipient in &mail.recipients {
            if let Recipient::Subscriber(number) = recipient {
                assert!(number.as_str().starts_with("+1555"));
            }
        }
        assert!(mail.octets.len() <= LIMITS.mail_bytes);
        let text = String::from_utf8_lossy(&mail.octets).replace("\r\n", "");
        assert!(!text.contains(['\r', '\n', '\0']));
    }
    let pieces: Vec<&[u8]> = input.chunks(usize::from(*cut) + 1).collect();
    assert_eq!(play(&pieces), whole);
    let single: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(play(&single), whole);
}

fn play(pieces: &[&[u8]]) -> (Vec<u8>, Vec<Mail>, bool) {
    let peer = Arc::new(Peer {
        name: "peer".to_owned(),
        from: Vec::new(),
        host: None,
        domain: "far.example".to_owned(),
        ack: true,
        tls: TlsPolicy::Opportunistic,
        per_second: 0,
        connections: 1,
    });
    let gate = Arc::new(Gate {
        peers: vec![peer.clone()],
        domains: vec!["us.example".to_owned()],
        numbering: Numbering {
            country: None,
            local: vec!["+1555".to_owned()],
        },
        routes: Routes::default(),
    });
    let (mut session, mut out) = Session::new(gate, peer, "us.example", LIMITS, Channel::Offered);
    let mut mails = Vec::new();
    for piece in pieces {
        let mut input = *piece;
        loop {
            match session.feed(&mut input, &mut out) {
                Next::More => break,
                Next::Room(octets) => session.go_ahead(octets % 2 == 0, &mut out),
                Next::Mail(mail) => {
                    let verdict = match mail.octets.len() % 3 {
                        0 => Verdict::Taken("Ok".to_owned()),
                        1 => Verdict::Later("Later".to_owned()),
                        _ => Verdict::Never("Never".to_owned()),
                    };
                    mails.push(mail);
                    session.answer(&verdict, &mut out);
                }
                Next::StartTls | Next::Close => return (out, mails, true),
            }
        }
    }
    (out, mails, false)
}

/// An envelope of MM4: what was read can be written and reads the same.
pub fn mm4_envelope(data: &[u8]) {
    let limits = Limits::default();
    let Ok(mut first) = Envelope::read(&Bytes::copy_from_slice(data), &limits) else {
        return;
    };
    let mailbox = |text| Mailbox::parse(text).unwrap();
    let addressing = Addressing {
        from: mailbox("+12025550100/TYPE=PLMN@us.example"),
        to: mailbox("system-user@far.example"),
        sender: mailbox("system-user@us.example"),
        mail_id: Id::parse("m1@us.example").unwrap(),
    };
    first.received = 0;
    let Ok(written) = first.write(&addressing) else {
        return;
    };
    assert!(
        written
            .split(|octet| *octet == b'\n')
            .all(|line| line.len() <= 999)
    );
    let second = Envelope::read(&written.into(), &limits).unwrap();
    assert_eq!(second.transaction_id, first.transaction_id);
    assert_eq!(second.message_id, first.message_id);
    assert_eq!(second.content.name(), first.content.name());
    let again = second.write(&addressing).unwrap();
    let third = Envelope::read(&again.into(), &limits).unwrap();
    assert_eq!(second, third);
}
