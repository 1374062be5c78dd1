//! PDUs of SMPP on a stream (SMPP 3.4 section 3.2).

use bytes::{Buf, BytesMut};
use rusmpp::decode::DecodeWithLength;
use rusmpp::encode::Length;
use rusmpp::encode::owned::Encode;
use rusmpp::{Command, CommandStatus, Pdu};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Octets of a PDU: its header alone.
const SHORTEST: usize = 16;
/// Octets of a PDU at most: a message_payload of 64 KiB has no business here.
const LONGEST: usize = 16 << 10;
/// Set in the ids of answers.
pub(super) const ANSWER: u32 = 0x8000_0000;

pub(super) const SUBMIT_SM: u32 = 0x0000_0004;
pub(super) const DELIVER_SM: u32 = 0x0000_0005;
pub(super) const UNBIND: u32 = 0x0000_0006;
pub(super) const ENQUIRE_LINK: u32 = 0x0000_0015;
pub(super) const ALERT_NOTIFICATION: u32 = 0x0000_0102;
pub(super) const DATA_SM: u32 = 0x0000_0103;
pub(super) const GENERIC_NACK: u32 = 0x8000_0000;

/// One PDU that was read. The header is taken apart here; the body is decoded when somebody wants
/// it, so that a body that cannot be decoded costs no answer its status.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) id: u32,
    pub(super) status: u32,
    pub(super) sequence: u32,
    octets: BytesMut,
}

impl Frame {
    /// The whole PDU, where it has a body that can be decoded.
    pub(super) fn pdu(&self) -> Option<Pdu> {
        let mut octets = self.octets.clone();
        let len = octets.len();
        let (command, _) = Command::decode(&mut octets, len).ok()?;
        command.pdu().cloned()
    }
}

/// Reads the next PDU. What was read of it stays in `buffer` where this is dropped before its end.
pub(super) async fn read(
    stream: &mut (impl AsyncRead + Unpin + ?Sized),
    buffer: &mut BytesMut,
) -> std::io::Result<Frame> {
    loop {
        if let Some(frame) = take(buffer)? {
            return Ok(frame);
        }
        if stream.read_buf(buffer).await? == 0 {
            return Err(std::io::Error::other("the service centre hung up"));
        }
    }
}

/// Writes one PDU.
pub(super) async fn write(
    stream: &mut (impl AsyncWrite + Unpin + ?Sized),
    command: &Command,
) -> std::io::Result<()> {
    let len = command.length().saturating_add(4);
    let mut octets = BytesMut::with_capacity(len);
    let length = u32::try_from(len).map_err(std::io::Error::other)?;
    octets.extend_from_slice(&length.to_be_bytes());
    command.encode(&mut octets);
    stream.write_all(&octets).await?;
    stream.flush().await
}

/// A PDU that is no answer to a failure.
pub(super) fn command(sequence: u32, pdu: impl Into<Pdu>) -> Command {
    Command::new(CommandStatus::EsmeRok, sequence, pdu)
}

fn take(buffer: &mut BytesMut) -> std::io::Result<Option<Frame>> {
    let Some(length) = buffer.first_chunk().map(|four| u32::from_be_bytes(*four)) else {
        return Ok(None);
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if !(SHORTEST..=LONGEST).contains(&length) {
        let what = format!("a PDU of {length} octets from the service centre");
        return Err(std::io::Error::other(what));
    }
    if buffer.len() < length {
        return Ok(None);
    }
    let mut octets = buffer.split_to(length);
    octets.advance(4);
    let mut header = octets.clone();
    Ok(Some(Frame {
        id: header.get_u32(),
        status: header.get_u32(),
        sequence: header.get_u32(),
        octets,
    }))
}

#[cfg(test)]
mod tests {
    use rusmpp::pdus::SubmitSmResp;
    use rusmpp::types::COctetString;

    use super::*;

    fn octets(command: &Command) -> Vec<u8> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let mut written = Vec::new();
        runtime.block_on(write(&mut written, command)).unwrap();
        written
    }

    #[test]
    fn a_pdu_is_read_however_it_is_cut() {
        let resp = SubmitSmResp::builder()
            .message_id(COctetString::from_slice(b"abc\0").unwrap())
            .build();
        let written = [
            octets(&command(7, resp)),
            octets(&command(8, Pdu::EnquireLink)),
        ]
        .concat();
        let mut buffer = BytesMut::new();
        let mut frames = Vec::new();
        for octet in written {
            buffer.extend_from_slice(&[octet]);
            frames.extend(take(&mut buffer).unwrap());
        }
        let heads: Vec<_> = frames
            .iter()
            .map(|f| (f.id, f.status, f.sequence))
            .collect();
        assert_eq!(heads, [(SUBMIT_SM | ANSWER, 0, 7), (ENQUIRE_LINK, 0, 8)]);
        let Some(Pdu::SubmitSmResp(resp)) = frames[0].pdu() else {
            panic!("{frames:?}");
        };
        assert_eq!(resp.message_id().as_str(), "abc");
    }

    #[test]
    fn a_length_is_believed_between_its_bounds() {
        for (length, good) in [
            (15, false),
            (16, true),
            (LONGEST, true),
            (LONGEST + 1, false),
        ] {
            let length = u32::try_from(length).unwrap();
            let mut buffer = BytesMut::from(&length.to_be_bytes()[..]);
            assert_eq!(take(&mut buffer).is_ok(), good, "{length}");
        }
    }

    #[test]
    fn the_header_counts_where_the_body_is_broken() {
        let mut pdu = vec![0, 0, 0, 18, 0x80, 0, 0, 4, 0, 0, 0, 0x58, 0, 0, 0, 9];
        pdu.extend_from_slice(&[0xFF, 0xFF]);
        let frame = take(&mut BytesMut::from(&pdu[..])).unwrap().unwrap();
        assert_eq!((frame.status, frame.sequence), (0x58, 9));
        assert!(frame.pdu().is_none());
    }

    proptest::proptest! {
        #[test]
        fn no_octets_of_a_service_centre_end_a_session_by_a_panic(
            id in proptest::sample::select(vec![SUBMIT_SM | ANSWER, DELIVER_SM, DATA_SM, 0x09 | ANSWER]),
            body in proptest::collection::vec(proptest::num::u8::ANY, 0..300),
        ) {
            let length = u32::try_from(body.len() + SHORTEST).unwrap();
            let head = [length, id, 0, 1].map(u32::to_be_bytes).concat();
            let mut buffer = BytesMut::from(&[head, body].concat()[..]);
            let frame = take(&mut buffer).unwrap().unwrap();
            if let Some(Pdu::DeliverSm(pdu)) = frame.pdu() {
                let _ = super::super::receipt::Receipt::read(&pdu);
            }
            assert!(buffer.is_empty());
        }
    }
}
