//! A service centre of our own, made for what no real one does when asked.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rusmpp::pdus::{BindTransceiverResp, SubmitSm, SubmitSmResp};
use rusmpp::types::COctetString;
use rusmpp::{Command, CommandStatus, Pdu};
use tokio::net::TcpListener;

use super::wire::{self, Frame};
use super::*;
use crate::mms::address::Msisdn;
use crate::server::Config;

const PATIENCE: Duration = Duration::from_secs(30);

/// What the service centre saw.
#[derive(Debug)]
enum Saw {
    Bind,
    Submit(Box<SubmitSm>),
    Frame(Frame),
    HungUp,
}

/// What the service centre does with a frame: status of the answer, or nothing, or hang up.
#[derive(Debug, Clone, Copy)]
enum Does {
    Answers(u32),
    KeepsSilent,
    HangsUp,
}

/// A service centre that asks `manners` what to do with each frame but binds and unbinds.
fn centre(manners: impl FnMut(&Frame) -> Does + Send + 'static) -> (String, Receiver<Saw>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (saw, seen) = channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            let mut manners = manners;
            while let Ok((mut stream, _)) = listener.accept().await {
                attend(&mut stream, &mut manners, &saw).await;
                let _ = saw.send(Saw::HungUp);
            }
        });
    });
    (address, seen)
}

async fn attend(
    stream: &mut tokio::net::TcpStream,
    manners: &mut impl FnMut(&Frame) -> Does,
    saw: &Sender<Saw>,
) {
    let mut buffer = BytesMut::new();
    while let Ok(frame) = wire::read(stream, &mut buffer).await {
        let (what, answer, does) = match frame.pdu() {
            Some(Pdu::BindTransceiver(bind)) => {
                assert_eq!(bind.system_id.as_str(), "remold");
                let resp = BindTransceiverResp::default();
                (Saw::Bind, resp.into(), Does::Answers(0))
            }
            Some(Pdu::Unbind) => (Saw::Frame(frame.clone()), Pdu::UnbindResp, Does::Answers(0)),
            Some(Pdu::SubmitSm(pdu)) => {
                let id = format!("{:x}\0", frame.sequence);
                let id = COctetString::from_vec(id.into_bytes()).unwrap();
                let resp = SubmitSmResp::builder().message_id(id).build();
                (Saw::Submit(Box::new(pdu)), resp.into(), manners(&frame))
            }
            Some(Pdu::EnquireLink) => {
                let does = manners(&frame);
                (Saw::Frame(frame.clone()), Pdu::EnquireLinkResp, does)
            }
            _ => (
                Saw::Frame(frame.clone()),
                Pdu::GenericNack,
                Does::KeepsSilent,
            ),
        };
        let _ = saw.send(what);
        match does {
            Does::Answers(status) => {
                let status = CommandStatus::from(status);
                let command = Command::new(status, frame.sequence, answer);
                if wire::write(stream, &command).await.is_err() {
                    return;
                }
            }
            Does::KeepsSilent => {}
            Does::HangsUp => return,
        }
    }
}

fn smpp(address: &str, more: &str) -> Smpp {
    let text = format!(
        "[notify.smpp]\naddress = \"{address}\"\nsystem_id = \"remold\"\npassword = \"secret\"\n\
         {more}"
    );
    let config = Config::from_toml(&text).unwrap();
    Smpp::new(&config.notify.smpp.unwrap()).unwrap()
}

fn push(smpp: &Smpp, octets: usize) -> Result<(), NotifyError> {
    let number = Msisdn::parse("+15550002222").unwrap();
    smpp.push(&Notice {
        message_id: "m1",
        number: &number,
        push: &vec![0xBE; octets],
        url: None,
    })
}

/// Pushes until there is a connection.
fn push_when_bound(smpp: &Smpp, octets: usize) -> Result<(), NotifyError> {
    let until = Instant::now() + PATIENCE;
    loop {
        match push(smpp, octets) {
            Err(NotifyError::Unavailable(_)) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(5));
            }
            other => return other,
        }
    }
}

fn submitted(seen: &Receiver<Saw>) -> Box<SubmitSm> {
    loop {
        if let Saw::Submit(pdu) = seen.recv_timeout(PATIENCE).unwrap() {
            return pdu;
        }
    }
}

#[test]
fn a_push_is_submitted_and_the_end_is_announced() {
    let (address, seen) = centre(|_| Does::Answers(0));
    let smpp = smpp(&address, "");
    assert_eq!(push_when_bound(&smpp, 200), Ok(()));
    let lengths = [(); 2].map(|()| submitted(&seen).sm_length());
    assert_eq!(lengths, [140, 84]);
    drop(smpp);
    let last: Vec<Saw> = seen.iter().take(2).collect();
    assert!(
        matches!(&last[..], [Saw::Frame(frame), Saw::HungUp] if frame.id == wire::UNBIND),
        "{last:?}"
    );
}

#[test]
fn a_service_centre_that_throttles_is_given_time() {
    let mut times = 0;
    let (address, seen) = centre(move |_| {
        times += 1;
        Does::Answers(if times <= 2 { 0x58 } else { 0 })
    });
    let smpp = smpp(&address, "");
    let started = Instant::now();
    assert_eq!(push_when_bound(&smpp, 10), Ok(()));
    assert!(
        started.elapsed() >= Duration::from_millis(1_500),
        "half a second, then one"
    );
    for _ in 0..3 {
        submitted(&seen);
    }
}

#[test]
fn one_that_throttles_for_ever_costs_no_attempt() {
    let (address, _seen) = centre(|_| Does::Answers(0x14));
    let smpp = smpp(&address, "timeout_seconds = 1\n");
    let until = Instant::now() + PATIENCE;
    loop {
        match push(&smpp, 10) {
            Err(NotifyError::Unavailable(why)) if why.contains("takes no more") => return,
            Err(NotifyError::Unavailable(_)) if Instant::now() < until => {}
            other => panic!("{other:?}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn no_more_is_under_way_than_the_window_holds() {
    let (address, seen) = centre(|_| Does::KeepsSilent);
    let smpp = smpp(&address, "window = 2\ntimeout_seconds = 1\n");
    let silent = push_when_bound(&smpp, 600);
    assert!(
        matches!(silent, Err(NotifyError::Temporary(_))),
        "{silent:?}"
    );
    drop(smpp);
    let submits = seen
        .iter()
        .take_while(|saw| !matches!(saw, Saw::HungUp))
        .filter(|saw| matches!(saw, Saw::Submit(_)))
        .count();
    assert_eq!(submits, 2, "of five segments");
}

#[test]
fn no_more_is_submitted_in_a_second_than_was_agreed() {
    for (more, least) in [("per_second = 10\n", 400), ("", 0)] {
        let (address, seen) = centre(|_| Does::Answers(0));
        let smpp = smpp(&address, more);
        assert_eq!(push_when_bound(&smpp, 1), Ok(()));
        let started = Instant::now();
        assert_eq!(push(&smpp, 600), Ok(()));
        let took = started.elapsed();
        assert!(took >= Duration::from_millis(least), "{took:?} for five");
        assert_eq!(submitted(&seen).sm_length(), 8);
    }
}

#[test]
fn refusals_are_told_apart() {
    let mut statuses = [0x0B, 0x45, 0x0000_0400].into_iter();
    let (address, _seen) = centre(move |_| Does::Answers(statuses.next().unwrap()));
    let smpp = smpp(&address, "");
    let refused = push_when_bound(&smpp, 10);
    assert!(matches!(&refused, Err(NotifyError::Permanent(why)) if why.contains("0x0000000B")));
    for code in ["0x00000045", "0x00000400"] {
        let refused = push(&smpp, 10);
        assert!(
            matches!(&refused, Err(NotifyError::Temporary(why)) if why.contains(code)),
            "{refused:?}"
        );
    }
}

#[test]
fn a_broken_connection_is_bound_again() {
    let mut times = 0;
    let (address, seen) = centre(move |_| {
        times += 1;
        match times {
            1 => Does::HangsUp,
            _ => Does::Answers(0),
        }
    });
    let smpp = smpp(&address, "");
    let broken = push_when_bound(&smpp, 10);
    assert!(
        matches!(broken, Err(NotifyError::Temporary(_))),
        "it may have it: {broken:?}"
    );
    let away = push(&smpp, 10);
    assert!(matches!(away, Err(NotifyError::Unavailable(_))), "{away:?}");
    assert_eq!(push_when_bound(&smpp, 10), Ok(()));
    let binds = || {
        seen.try_iter()
            .filter(|saw| matches!(saw, Saw::Bind))
            .count()
    };
    assert_eq!(binds(), 2);
}

#[test]
fn silence_is_broken_by_enquire_link_and_ends_the_connection() {
    let (address, seen) = centre(|_| Does::KeepsSilent);
    let _smpp = smpp(&address, "enquire_seconds = 1\ntimeout_seconds = 1\n");
    let saw = [(); 4].map(|()| seen.recv_timeout(PATIENCE).unwrap());
    assert!(
        matches!(&saw, [Saw::Bind, Saw::Frame(frame), Saw::HungUp, Saw::Bind]
            if frame.id == wire::ENQUIRE_LINK),
        "{saw:?}"
    );
}

#[test]
fn nobody_there_and_a_refused_bind_are_away() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let smpp = smpp(&address, "");
    let until = Instant::now() + PATIENCE;
    loop {
        match push(&smpp, 10) {
            Err(NotifyError::Unavailable(why)) if why.contains("refused") => break,
            Err(NotifyError::Unavailable(_)) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(5));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn waits_are_shortened_by_at_most_half() {
    for _ in 0..100 {
        let wait = shortened(LONGEST);
        assert!((LONGEST / 2..=LONGEST).contains(&wait), "{wait:?}");
    }
}
