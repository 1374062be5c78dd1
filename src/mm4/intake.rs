//! What peers bring, given to the relay.

use std::sync::Arc;

use super::envelope::{Content, DeliveryReportReq, Envelope, ReadReplyReportReq, Res, number};
use super::peers::{Gate, Peer, Recipient};
use super::session::{Mail, Verdict};
use crate::mms::address::Msisdn;
use crate::relay::Relay;
use crate::relay::foreign::{
    Inbound, PeerRefusal, PeerReport, PeerResponse, Request, Said, StoreError,
};

/// X-Mms-Forward-Counter at most: what was forwarded more often goes round in circles.
const FORWARDS: u32 = 10;
/// Received headers at most (RFC 5321 section 6.3 asks for a hundred mail servers, of which
/// there are two or three between MMSCs).
const HOPS: usize = 30;

/// The way from mails to the relay.
#[derive(Debug)]
pub struct Intake {
    relay: Arc<Relay>,
    gate: Arc<Gate>,
}

impl Intake {
    /// A way to `relay`.
    #[must_use]
    pub fn new(relay: Arc<Relay>, gate: Arc<Gate>) -> Self {
        Self { relay, gate }
    }

    /// Who is let in.
    #[must_use]
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// Takes a mail of a peer over. When this says [`Verdict::Taken`], the store has all of it.
    /// Blocks.
    #[must_use]
    pub fn take(&self, peer: &Peer, mail: Mail) -> Verdict {
        let octets = mail.octets.into();
        // Base64 makes a mail longer than its message; the session has bounded the mail.
        let limits = crate::Limits {
            message_bytes: usize::MAX,
            ..self.relay.limits().clone()
        };
        let envelope = match Envelope::read(&octets, &limits) {
            Ok(envelope) => envelope,
            Err(error) => return Verdict::Never(error.to_string()),
        };
        if envelope.received > HOPS {
            let hops = envelope.received;
            return Verdict::Never(format!("It passed {hops} servers: a loop"));
        }
        let subscribers: Vec<Msisdn> = mail
            .recipients
            .into_iter()
            .filter_map(|recipient| match recipient {
                Recipient::Subscriber(number) => Some(number),
                Recipient::System => None,
            })
            .collect();
        let done = match &envelope.content {
            Content::ForwardReq(forward) => {
                if forward.forward_counter > FORWARDS {
                    let count = forward.forward_counter;
                    return Verdict::Never(format!("It was forwarded {count} times: a loop"));
                }
                let inbound = Inbound {
                    peer: peer.name.clone(),
                    transaction_id: envelope.transaction_id.as_str().to_owned(),
                    message_id: message_id(&envelope),
                    system: envelope.system.clone(),
                    ack: envelope.ack,
                    from: forward.from.clone(),
                    recipients: subscribers,
                    system_report: forward.system_report,
                    message: forward.message.clone(),
                };
                return match self.relay.accept_from_peer(&inbound) {
                    Ok(id) => Verdict::Taken(format!("Taken over as {id}")),
                    Err(PeerRefusal::Temporary(why)) => Verdict::Later(why),
                    Err(PeerRefusal::Permanent(why)) => Verdict::Never(why),
                };
            }
            Content::ForwardRes(res) => self.response(peer, &envelope, Request::Forward, res),
            Content::DeliveryReportRes(res) => {
                self.response(peer, &envelope, Request::DeliveryReport, res)
            }
            Content::ReadReplyReportRes(res) => {
                self.response(peer, &envelope, Request::ReadReport, res)
            }
            Content::DeliveryReportReq(DeliveryReportReq {
                recipient,
                status,
                text,
                ..
            }) => {
                let said = Said::Delivery(*status);
                self.report(peer, &envelope, recipient.as_ref(), said, text.as_ref())
            }
            Content::ReadReplyReportReq(ReadReplyReportReq {
                recipient,
                status,
                text,
            }) => {
                let said = Said::Read(*status);
                self.report(peer, &envelope, recipient.as_ref(), said, text.as_ref())
            }
        };
        match done {
            Ok(text) => Verdict::Taken(text),
            // A peer is told no details of our disks.
            Err(_) => Verdict::Later("It could not be stored; try again".to_owned()),
        }
    }

    fn response(
        &self,
        peer: &Peer,
        envelope: &Envelope,
        to: Request,
        res: &Res,
    ) -> Result<String, StoreError> {
        let known = self.relay.response_from_peer(&PeerResponse {
            peer: peer.name.clone(),
            to,
            transaction_id: self.gate.ours(&envelope.transaction_id).to_owned(),
            status: res.status,
            text: res.text.clone(),
            recipients: res
                .recipients
                .iter()
                .filter_map(|one| number(one))
                .collect(),
        })?;
        // One that nothing waits for is no error: it may have been answered before.
        Ok(if known {
            "Ok"
        } else {
            "Ok, nothing waits for it"
        }
        .to_owned())
    }

    fn report(
        &self,
        peer: &Peer,
        envelope: &Envelope,
        recipient: Option<&Msisdn>,
        said: Said,
        text: Option<&String>,
    ) -> Result<String, StoreError> {
        let ours = envelope
            .message_id
            .as_ref()
            .map_or("", |id| self.gate.ours(id));
        let status = self.relay.report_from_peer(&PeerReport {
            peer: peer.name.clone(),
            transaction_id: envelope.transaction_id.as_str().to_owned(),
            message_id: message_id(envelope),
            ours: ours.to_owned(),
            system: envelope.system.clone(),
            ack: envelope.ack,
            recipient: recipient.cloned(),
            said,
            text: text.cloned(),
        })?;
        Ok(status.name().to_owned())
    }
}

fn message_id(envelope: &Envelope) -> String {
    envelope
        .message_id
        .as_ref()
        .map_or_else(String::new, |id| id.as_str().to_owned())
}
