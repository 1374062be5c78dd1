//! What is promised, tried.

use proptest::prelude::*;

use super::*;
use crate::mm4::peers::tests::gate;
use crate::mms::address::Msisdn;

const RCPT: &str = "RCPT TO:<+972555000001/TYPE=PLMN@mms.example>\r\n";

fn session(limits: Limits, channel: Channel) -> Session {
    let gate = Arc::new(gate());
    let peer = gate.named("hub").unwrap().clone();
    Session::new(gate, peer, "mmsc.example", limits, channel).0
}

fn with_tls(policy: TlsPolicy) -> Session {
    let mut session = session(Limits::default(), Channel::Offered);
    let mut peer = (*session.peer).clone();
    peer.tls = policy;
    session.peer = Arc::new(peer);
    session
}

/// Plays a client that sends `pieces`; gives all replies, the mails, and whether the session
/// was closed.
fn play(session: &mut Session, pieces: &[&[u8]]) -> (String, Vec<Mail>, bool) {
    let (mut out, mut mails) = (Vec::new(), Vec::new());
    for piece in pieces {
        let mut input = *piece;
        loop {
            match session.feed(&mut input, &mut out) {
                Next::More => break,
                Next::Room(_) => session.go_ahead(true, &mut out),
                Next::Mail(mail) => {
                    mails.push(mail);
                    session.answer(&Verdict::Taken("Ok".to_owned()), &mut out);
                }
                Next::StartTls | Next::Close => {
                    return (String::from_utf8(out).unwrap(), mails, true);
                }
            }
        }
    }
    (String::from_utf8(out).unwrap(), mails, false)
}

fn codes(replies: &str) -> Vec<u16> {
    replies
        .lines()
        .filter(|line| line.as_bytes().get(3) == Some(&b' '))
        .map(|line| line[..3].parse().unwrap())
        .collect()
}

fn said(text: &str) -> (Vec<u16>, Vec<Mail>, bool) {
    let mut session = session(Limits::default(), Channel::Clear);
    let (replies, mails, closed) = play(&mut session, &[text.as_bytes()]);
    (codes(&replies), mails, closed)
}

#[test]
fn a_mail_comes_through_in_one_go() {
    let text = format!(
        "EHLO a\r\nMAIL FROM:<x@hub.example> SIZE=9\r\n{RCPT}{RCPT}RCPT TO:<postmaster>\r\n\
         DATA\r\n..a\r\n.\r\nQUIT\r\n"
    );
    let (codes, mails, closed) = said(&text);
    assert_eq!(codes, [250, 250, 250, 250, 250, 354, 250, 221]);
    assert!(closed);
    let number = Msisdn::parse("+972555000001").unwrap();
    assert_eq!(
        mails,
        [Mail {
            from: "x@hub.example".to_owned(),
            recipients: vec![Recipient::Subscriber(number), Recipient::System],
            octets: b".a\r\n".to_vec(),
        }]
    );
}

#[test]
fn an_order_that_makes_no_sense_is_refused() {
    for (text, want) in [
        ("MAIL FROM:<a@b>\r\n", vec![503]),
        ("EHLO a\r\nDATA\r\n", vec![250, 503]),
        ("EHLO a\r\nRCPT TO:<postmaster>\r\n", vec![250, 503]),
        (
            "EHLO a\r\nMAIL FROM:<a@b>\r\nDATA\r\nMAIL FROM:<a@b>\r\n",
            vec![250, 250, 554, 503],
        ),
        (
            "EHLO a\r\nMAIL FROM:<a@b>\r\nRSET\r\nRCPT TO:<postmaster>\r\n",
            vec![250, 250, 250, 503],
        ),
        ("EHLO a\r\nSTARTTLS\r\nBDAT 1 LAST\r\n", vec![250, 502, 502]),
        (
            "NOOP\r\nVRFY x\r\nRSET\r\nMAIL FROM:<a@b>\r\n",
            vec![250, 252, 250, 503],
        ),
    ] {
        assert_eq!(said(text).0, want, "{text}");
    }
    let large = format!("EHLO a\r\nMAIL FROM:<a@b> SIZE=99999999\r\n{RCPT}");
    assert_eq!(said(&large).0, [250, 552, 503]);
}

#[test]
fn nobody_is_relayed_for() {
    let paths = [
        "<a@evil.example>",
        "<+441632960001/TYPE=PLMN@mms.example>",
        "<+972555000901/TYPE=PLMN@mms.example>",
        "<+972555000001/TYPE=PLMN@evil.example>",
        "<a%evil.example@mms.example>",
        "<\"a@evil.example\"@mms.example>",
        "<evil.example!a@mms.example>",
        "<@mms.example:a@evil.example>",
        "<@mms.example,@x.example:+972555000001@evil.example>",
        "<a@evil.example@mms.example>",
        "<a@[127.0.0.1]>",
        "<\"postmaster\"@evil.example>",
        "<7700@mms.example>",
        "<>",
    ];
    for from in ["<x@hub.example>", "<>", "<+972555000001@mms.example>"] {
        for path in paths {
            let text = format!("EHLO a\r\nMAIL FROM:{from}\r\nRCPT TO:{path}\r\nDATA\r\n");
            let (codes, mails, _) = said(&text);
            let [_, mail, rcpt, data] = codes[..] else {
                panic!("{path}: {codes:?}");
            };
            assert_eq!(mail, 250, "{from}");
            assert!(matches!(rcpt, 501 | 550 | 553), "{path}: {rcpt}");
            assert_eq!(data, 554, "{path}");
            assert!(mails.is_empty());
        }
    }
}

#[test]
fn no_second_message_comes_out_of_one() {
    for end in [
        "\n.\n",
        "\n.\r\n",
        "\r.\r",
        "\r.\r\n",
        "\r\n.\n",
        "\r\n.\r",
        "\r\r\n.\r\r\n",
        "\n\n.\n\n",
        "\0\r\n.\0\r\n",
        "\r\n.\r\r\n",
    ] {
        let smuggled = format!("MAIL FROM:<evil@x>\r\n{RCPT}DATA\r\nevil\r\n.\r\n");
        let text =
            format!("EHLO a\r\nMAIL FROM:<x@hub.example>\r\n{RCPT}DATA\r\nhello{end}{smuggled}");
        let (codes, mails, _) = said(&text);
        assert!(mails.is_empty(), "{end:?}: {mails:?}");
        assert_eq!(codes, [250, 250, 250, 354, 554], "{end:?}");
    }
    for line in ["NOOP\nQUIT\r\n", "NOOP\rQUIT\r\n", "NOOP\r\r\n", "\n"] {
        let (codes, _, closed) = said(line);
        assert_eq!((codes, closed), (vec![500], true), "{line:?}");
    }
}

#[test]
fn every_bound_holds_from_both_sides() {
    let limits = Limits {
        mail_bytes: 1_000,
        line_bytes: 100,
        command_bytes: 64,
        recipients: 2,
        errors: 3,
        commands: 10,
    };
    let run = |text: &str| {
        let mut session = session(limits, Channel::Clear);
        let (replies, mails, closed) = play(&mut session, &[text.as_bytes()]);
        (codes(&replies), mails.len(), closed)
    };
    assert_eq!(run(&format!("NOOP {}\r\n", "x".repeat(57))).0, [250]);
    let long = run(&format!("NOOP {}\r\n", "x".repeat(58)));
    assert_eq!(long, (vec![500], 0, true));
    let rcpts: String = (1..=3)
        .map(|n| format!("RCPT TO:<+97255500000{n}@mms.example>\r\n"))
        .collect();
    let many = format!("EHLO a\r\nMAIL FROM:<a@b>\r\n{rcpts}");
    assert_eq!(run(&many).0, [250, 250, 250, 250, 452]);
    let mail = |content: &str| {
        let text = format!("EHLO a\r\nMAIL FROM:<a@b>\r\n{RCPT}DATA\r\n{content}\r\n.\r\n");
        run(&text)
    };
    let line = "x".repeat(98) + "\r\n";
    assert_eq!(mail(line.repeat(10).trim_end()).1, 1);
    assert_eq!(mail(&line.repeat(10)).0.last(), Some(&552));
    assert_eq!(mail(&"x".repeat(100)).1, 1);
    assert_eq!(mail(&"x".repeat(101)).0.last(), Some(&554));
    let flood = mail(&line.repeat(40));
    assert_eq!((flood.0.last(), flood.2), (Some(&552), true));
    assert_eq!(run("X\r\nX\r\nNOOP\r\n"), (vec![500, 500, 250], 0, false));
    assert_eq!(run("X\r\nX\r\nX\r\n"), (vec![500, 500, 500, 421], 0, true));
    assert_eq!(run(&"NOOP\r\n".repeat(10)).0, [250; 10]);
    let last = run(&"NOOP\r\n".repeat(99_999));
    assert_eq!(
        (last.0.len(), last.0.last(), last.2),
        (11, Some(&421), true)
    );
}

#[test]
fn a_million_recipients_are_no_burden() {
    let mut session = session(Limits::default(), Channel::Clear);
    let text = format!("EHLO a\r\nMAIL FROM:<a@b>\r\n{}", RCPT.repeat(1_000));
    let (replies, _, closed) = play(&mut session, &[text.as_bytes()]);
    assert!(closed, "{}", replies.len());
    let mut rest: &[u8] = b"MAIL FROM:<a@b>\r\n";
    assert_eq!(session.feed(&mut rest, &mut Vec::new()), Next::Close);
}

#[test]
fn tls_is_asked_for_and_begins_anew() {
    let mut session = with_tls(TlsPolicy::Required);
    let text = "EHLO a\r\nMAIL FROM:<a@b>\r\nSTARTTLS\r\n";
    let (replies, _, _) = play(&mut session, &[text.as_bytes()]);
    assert_eq!(codes(&replies), [250, 530, 220]);
    assert!(replies.contains("250-STARTTLS\r\n"));
    let mut session = session.encrypted();
    let text = "MAIL FROM:<a@b>\r\nEHLO a\r\nSTARTTLS\r\nMAIL FROM:<a@b>\r\n";
    let (replies, _, _) = play(&mut session, &[text.as_bytes()]);
    assert_eq!(codes(&replies), [503, 250, 502, 250]);
    assert!(!replies.contains("STARTTLS"));
    let mut off = with_tls(TlsPolicy::Off);
    let (replies, _, _) = play(&mut off, &[b"EHLO a\r\n"]);
    assert!(!replies.contains("STARTTLS"), "{replies}");
}

#[test]
fn what_follows_starttls_in_the_clear_is_not_read() {
    let mut session = with_tls(TlsPolicy::Opportunistic);
    let mut input: &[u8] = b"EHLO a\r\nSTARTTLS\r\nMAIL FROM:<evil@x>\r\n";
    let mut out = Vec::new();
    assert_eq!(session.feed(&mut input, &mut out), Next::StartTls);
    assert_eq!(
        input, b"MAIL FROM:<evil@x>\r\n",
        "the caller throws it away"
    );
    let (replies, _, _) = play(&mut session.encrypted(), &[RCPT.as_bytes()]);
    assert_eq!(codes(&replies), [503]);
}

#[test]
fn without_room_nothing_is_received() {
    let mut session = session(Limits::default(), Channel::Clear);
    let text = format!("EHLO a\r\nMAIL FROM:<a@b> SIZE=77\r\n{RCPT}DATA\r\n");
    let (mut input, mut out) = (text.as_bytes(), Vec::new());
    assert_eq!(session.feed(&mut input, &mut out), Next::Room(77));
    session.go_ahead(false, &mut out);
    let mut input = &b"DATA\r\n"[..];
    assert_eq!(session.feed(&mut input, &mut out), Next::Room(77));
    session.go_ahead(true, &mut out);
    let replies = String::from_utf8(out).unwrap();
    assert_eq!(codes(&replies), [250, 250, 250, 452, 354]);
}

fn any_line() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("EHLO a\r\n".to_owned()),
        Just("MAIL FROM:<a@b>\r\n".to_owned()),
        Just(RCPT.to_owned()),
        Just("RCPT TO:<x@evil.example>\r\n".to_owned()),
        Just("DATA\r\n".to_owned()),
        Just("hello\r\n".to_owned()),
        Just("..\r\n".to_owned()),
        Just(".\r\n".to_owned()),
        Just("RSET\r\n".to_owned()),
        Just("QUIT\r\n".to_owned()),
        Just("\n.\r\n".to_owned()),
        "[a-z.\r\n]{0,9}",
    ]
}

proptest! {
    #[test]
    fn any_split_gives_the_same(
        lines in proptest::collection::vec(any_line(), 0..20),
        cuts in proptest::collection::vec(0..400_usize, 0..6),
    ) {
        let text = lines.concat();
        let octets = text.as_bytes();
        let whole = play(&mut session(Limits::default(), Channel::Clear), &[octets]);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| (*cut).min(octets.len())).collect();
        cuts.push(octets.len());
        cuts.sort_unstable();
        let mut start = 0;
        let mut pieces = Vec::new();
        for cut in cuts {
            pieces.push(&octets[start..cut]);
            start = cut;
        }
        let split = play(&mut session(Limits::default(), Channel::Clear), &pieces);
        prop_assert_eq!(&split, &whole);
        let single: Vec<&[u8]> = octets.chunks(1).collect();
        let single = play(&mut session(Limits::default(), Channel::Clear), &single);
        prop_assert_eq!(&single, &whole);
    }
}

#[test]
fn one_mail_knows_nothing_of_the_one_before() {
    let (codes, mails, _) = said(
        "EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<+972555000001@mms.example>\r\nDATA\r\none\r\n.\r\n\
         MAIL FROM:<c@d>\r\nRCPT TO:<postmaster>\r\nDATA\r\ntwo\r\n.\r\nDATA\r\n",
    );
    assert_eq!(codes, [250, 250, 250, 354, 250, 250, 250, 354, 250, 503]);
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[1].recipients, [Recipient::System]);
    assert_eq!(
        (mails[1].from.as_str(), &mails[1].octets[..]),
        ("c@d", &b"two\r\n"[..])
    );
}

#[test]
fn saying_hello_again_forgets_what_was_under_way() {
    let text = format!("EHLO a\r\nMAIL FROM:<a@b>\r\n{RCPT}HELO a\r\nDATA\r\n{RCPT}");
    assert_eq!(said(&text).0, [250, 250, 250, 250, 503, 503]);
}

#[test]
fn an_old_client_is_told_our_name_alone() {
    let mut session = session(Limits::default(), Channel::Clear);
    let (replies, _, _) = play(&mut session, &[b"HELO a\r\n"]);
    assert_eq!(replies, "250 mmsc.example\r\n");
    let (replies, _, _) = play(&mut session, &[b"EHLO a\r\n"]);
    for line in [
        "250-mmsc.example",
        "250-PIPELINING",
        "250-8BITMIME",
        "250 SIZE 8388608",
    ] {
        assert!(replies.lines().any(|one| one == line), "{line}: {replies}");
    }
    assert!(!replies.contains("CHUNKING") && !replies.contains("AUTH"));
}

#[test]
fn a_verdict_is_told_on_one_line_whatever_is_in_it() {
    for (verdict, want) in [
        (Verdict::Taken("as 1".to_owned()), "250 2.0.0 as 1\r\n"),
        (
            Verdict::Later("a\r\n250 b".to_owned()),
            "451 4.3.0 a  250 b\r\n",
        ),
        (Verdict::Never("gr\u{fc}n".to_owned()), "554 5.6.0 gr n\r\n"),
    ] {
        let mut session = session(Limits::default(), Channel::Clear);
        let text = format!("EHLO a\r\nMAIL FROM:<a@b>\r\n{RCPT}DATA\r\n");
        let (mut input, mut out) = (text.as_bytes(), Vec::new());
        assert!(matches!(session.feed(&mut input, &mut out), Next::Room(_)));
        session.go_ahead(true, &mut out);
        assert!(session.in_data() && !session.is_idle());
        let mut input = &b"x\r\n.\r\n"[..];
        assert!(matches!(session.feed(&mut input, &mut out), Next::Mail(_)));
        out.clear();
        session.answer(&verdict, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), want);
        assert!(session.is_idle());
    }
}
