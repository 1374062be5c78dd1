//! The message box of a subscriber (MMBox): messages he keeps on the server, OMA-MMS-ENC sections
//! 6.10 to 6.14. Each is kept as an m-mbox-descr with its content.

use bytes::Bytes;

use super::report::seconds;
use super::retrieve::{SHOWN, TOKEN, hash};
use super::status::{Response, Version};
use super::submit::{add_text, answer, content_digest};
use super::{Content, Device, Relay, hex};
use crate::mms::address::Msisdn;
use crate::mms::pdu::{self, MEDIA_TYPE, Pdu, PduType, encode_partial};
use crate::mms::{Body, ContentType, Field, HeaderName, HeaderValue, Headers, Message, Part};
use crate::store::{BoxEntry, Quota, StoreError};

/// X-Mms-MM-State Draft.
const DRAFT: u8 = 0x80;
/// X-Mms-MM-State Sent.
pub(super) const SENT: u8 = 0x81;
/// X-Mms-MM-State New.
const NEW: u8 = 0x82;
/// Flags of one message, and characters of each.
const FLAGS: usize = 16;
/// Messages of one view, where the phone asks for no fewer.
const VIEW: u64 = 100;
/// What a phone is shown that does not say what it wants to see.
const USUAL: [Field; 9] = [
    Field::MessageId,
    Field::MmState,
    Field::MmFlags,
    Field::Date,
    Field::From,
    Field::To,
    Field::Subject,
    Field::Priority,
    Field::MessageSize,
];

/// X-Mms-Store-Status with its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    Success,
    Transient,
    Denied,
    Corrupt,
    NotFound,
    Full,
}

impl Stored {
    const fn octet(self) -> u8 {
        match self {
            Self::Success => 0x80,
            Self::Transient => 0xC0,
            Self::Denied => 0xE1,
            Self::Corrupt => 0xE2,
            Self::NotFound => 0xE3,
            Self::Full => 0xE4,
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Success => "",
            Self::Transient => "Your message box cannot be reached now; try again later",
            Self::Denied => "There is no message box for you",
            Self::Corrupt => "The message cannot be read",
            Self::NotFound => "There is no such message for you",
            Self::Full => "Your message box is full",
        }
    }
}

impl Relay {
    fn quota(&self) -> Quota {
        Quota {
            messages: self.terms().box_messages,
            octets: self.terms().box_bytes,
        }
    }

    /// Writes into the answer to a submission what became of the copy its sender asked for.
    pub(super) fn keep_copy(&self, conf: &mut Pdu, pdu: &Pdu, sender: Option<&Msisdn>, id: &str) {
        let kept = match sender {
            Some(sender) => self.keep(sender, &pdu.headers, pdu, Some(id), SENT),
            None => Err(Stored::Denied),
        };
        self.say_stored(conf, kept);
    }

    /// Takes an M-Mbox-Store.req or M-Mbox-Upload.req in. The first puts a message that waits into
    /// the box of its recipient, or changes the state and flags of one that is there; the second
    /// brings the message.
    #[must_use]
    pub fn store_in_box(&self, pdu: &Pdu, from: Option<&Msisdn>) -> Pdu {
        let kind = match pdu.pdu_type {
            PduType::MboxUploadReq => PduType::MboxUploadConf,
            _ => PduType::MboxStoreConf,
        };
        let mut conf = answer(kind, pdu, Version::of(pdu));
        let kept = match (from, pdu.pdu_type) {
            (None, _) => Err(Stored::Denied),
            (Some(from), PduType::MboxUploadReq) => self.upload(pdu, from),
            (Some(from), _) => self.store_waiting(pdu, from),
        };
        self.say_stored(&mut conf, kept);
        conf
    }

    fn say_stored(&self, conf: &mut Pdu, kept: Result<String, Stored>) {
        let (status, location) = match kept {
            Ok(token) => (Stored::Success, Some(self.box_url(&token))),
            Err(status) => (status, None),
        };
        let octet = HeaderValue::Token(status.octet());
        conf.headers.add(Field::StoreStatus, octet);
        match location {
            Some(url) => conf
                .headers
                .add(Field::ContentLocation, HeaderValue::Text(url)),
            None => add_text(conf, Field::StoreStatusText, status.text().to_owned()),
        }
    }

    fn box_url(&self, token: &str) -> String {
        format!("{}/b/{token}", self.terms().base_url)
    }

    fn upload(&self, pdu: &Pdu, from: &Msisdn) -> Result<String, Stored> {
        let body = pdu.body.as_ref().ok_or(Stored::Corrupt)?;
        let inside = match body.parts.as_slice() {
            [part] if part.content_type.is(MEDIA_TYPE) => {
                let decoded = Pdu::from_part(part, &self.limits).map_err(|_| Stored::Corrupt)?;
                Some(decoded.value)
            }
            _ => None,
        };
        self.keep(
            from,
            &pdu.headers,
            inside.as_ref().unwrap_or(pdu),
            None,
            DRAFT,
        )
    }

    fn store_waiting(&self, pdu: &Pdu, from: &Msisdn) -> Result<String, Stored> {
        let location = pdu.headers.text(Field::ContentLocation).unwrap_or("");
        let failed = |_| Stored::Transient;
        if let Some(mut entry) = self.boxed(location, from).map_err(failed)? {
            if let Some(state) = state(&pdu.headers) {
                entry.state = state;
            }
            flag(&mut entry.flags, &pdu.headers);
            let changed = self.store.box_change(&entry).map_err(failed)?;
            return if changed {
                Ok(entry.token)
            } else {
                Err(Stored::NotFound)
            };
        }
        let (row, recipient) = self
            .waiting(location, from)
            .map_err(failed)?
            .ok_or(Stored::NotFound)?;
        let copy = self
            .copy_for(&row, &recipient)
            .map_err(failed)?
            .ok_or(Stored::NotFound)?;
        let copy = Pdu::from_message(PduType::MboxDescr, copy);
        self.keep(from, &pdu.headers, &copy, Some(&row.id), NEW)
    }

    /// Puts a message into a box; `asked` says in which state and with which flags.
    fn keep(
        &self,
        owner: &Msisdn,
        asked: &Headers,
        message: &Pdu,
        message_id: Option<&str>,
        usual: u8,
    ) -> Result<String, Stored> {
        if self.terms().box_messages == 0 {
            return Err(Stored::Denied);
        }
        let own = [
            Field::TransactionId,
            Field::Store,
            Field::MmState,
            Field::MmFlags,
        ];
        let mut descr = Pdu::new(PduType::MboxDescr);
        for header in &message.headers {
            let skipped = match header.name {
                HeaderName::Field(Field::MmsVersion) => true,
                HeaderName::Field(field) => own.contains(&field),
                _ => false,
            };
            if !skipped {
                descr
                    .headers
                    .push(header.name.clone(), header.value.clone());
            }
        }
        if let Some(HeaderValue::From(None)) = descr.headers.get(Field::From) {
            let from = HeaderValue::From(Some(format!("{owner}/TYPE=PLMN").as_str().into()));
            descr.headers.set(Field::From, from);
        }
        let now = self.surroundings.now();
        if descr.headers.get(Field::Date).is_none() {
            descr
                .headers
                .add(Field::Date, HeaderValue::Date(seconds(now)));
        }
        if let Some(id) = message_id {
            descr
                .headers
                .set(Field::MessageId, HeaderValue::Text(id.to_owned()));
        }
        descr.body.clone_from(&message.body);
        let data: Bytes = encode_partial(&descr).map_err(|_| Stored::Corrupt)?.into();
        let random = self.surroundings.random().map_err(|_| Stored::Transient)?;
        let token = hex(random.first_chunk::<16>().map_or(&[][..], |octets| octets));
        let mut flags = Vec::new();
        flag(&mut flags, asked);
        let entry = BoxEntry {
            owner: owner.as_str().to_owned(),
            token,
            message_id: message_id.map(str::to_owned),
            state: state(asked).unwrap_or(usual),
            flags,
            stored_at: now,
            size: u64::try_from(data.len()).unwrap_or(u64::MAX),
        };
        match self.store.box_put(&entry, &data, self.quota()) {
            Ok(true) => Ok(entry.token),
            Ok(false) => Err(Stored::Full),
            Err(_) => Err(Stored::Transient),
        }
    }

    /// Takes an M-Mbox-View.req in: what is in a box, newest first.
    #[must_use]
    pub fn view_box(&self, pdu: &Pdu, from: Option<&Msisdn>) -> Pdu {
        let version = Version::of(pdu);
        let mut conf = answer(PduType::MboxViewConf, pdu, version);
        conf.body = Some(Body {
            content_type: ContentType::new("application/vnd.wap.multipart.mixed"),
            parts: Vec::new(),
        });
        let viewed = match from {
            Some(from) if self.terms().box_messages > 0 => self
                .view(&mut conf, pdu, from)
                .map_err(|_| Response::TransientFailure),
            _ => Err(Response::ServiceDenied),
        };
        let response = match viewed {
            Ok(()) => Response::Ok,
            Err(response) => response,
        };
        let status = HeaderValue::Token(response.octet(version));
        conf.headers.add(Field::ResponseStatus, status);
        conf
    }

    fn view(&self, conf: &mut Pdu, pdu: &Pdu, from: &Msisdn) -> Result<(), StoreError> {
        let asked = &pdu.headers;
        let entries = self.store.box_entries(from.as_str())?;
        let tokens: Vec<&str> = asked
            .all(Field::ContentLocation)
            .filter_map(|value| match value {
                HeaderValue::Text(text) => Some(text.rsplit_once("/b/").map_or("", |(_, t)| t)),
                _ => None,
            })
            .collect();
        let states: Vec<u8> = tokens_of(asked, Field::MmState);
        let wanted: Vec<&str> = asked
            .all(Field::MmFlags)
            .filter_map(|value| match value {
                HeaderValue::Flag(0x82, keyword) => Some(keyword.text.as_str()),
                _ => None,
            })
            .collect();
        let attributes: Vec<Field> = asked
            .all(Field::Attributes)
            .filter_map(|value| match value {
                HeaderValue::Attribute(HeaderName::Field(field)) => Some(*field),
                _ => None,
            })
            .collect();
        let chosen = entries.iter().filter(|entry| {
            (tokens.is_empty() || tokens.contains(&entry.token.as_str()))
                && (states.is_empty() || states.contains(&entry.state))
                && wanted
                    .iter()
                    .all(|flag| entry.flags.iter().any(|f| f == flag))
        });
        let number = |field, default| match asked.get(field) {
            Some(HeaderValue::Integer(number)) => *number,
            _ => default,
        };
        let skip = usize::try_from(number(Field::Start, 0)).unwrap_or(usize::MAX);
        let take = usize::try_from(number(Field::Limit, VIEW).min(VIEW)).unwrap_or(0);
        let mut octets: usize = 0;
        let mut parts = Vec::new();
        for entry in chosen.skip(skip).take(take) {
            let fields = if attributes.is_empty() {
                &USUAL[..]
            } else {
                &attributes
            };
            if let Some(part) = self.described(entry, fields)? {
                // A view is no way to a larger answer than a message may be.
                octets = octets.saturating_add(part.data.len());
                if octets > self.terms().message_bytes {
                    break;
                }
                parts.push(part);
            }
        }
        let count = u64::try_from(parts.len()).unwrap_or(u64::MAX);
        conf.headers
            .add(Field::MessageCount, HeaderValue::Integer(count));
        if asked.flag(Field::Totals) == Some(true) {
            let messages = u64::try_from(entries.len()).unwrap_or(u64::MAX);
            let octets = entries
                .iter()
                .fold(0, |sum: u64, entry| sum.saturating_add(entry.size));
            conf.headers
                .add(Field::MboxTotals, HeaderValue::Total(0x80, messages));
            conf.headers
                .add(Field::MboxTotals, HeaderValue::Total(0x81, octets));
        }
        if asked.flag(Field::Quotas) == Some(true) {
            let Quota { messages, octets } = self.quota();
            conf.headers
                .add(Field::MboxQuotas, HeaderValue::Total(0x80, messages));
            conf.headers
                .add(Field::MboxQuotas, HeaderValue::Total(0x81, octets));
        }
        if let Some(body) = &mut conf.body {
            body.parts = parts;
        }
        Ok(())
    }

    /// An m-mbox-descr with those fields of a message.
    fn described(&self, entry: &BoxEntry, fields: &[Field]) -> Result<Option<Part>, StoreError> {
        let Some((_, data)) = self.store.box_get(&hash(&entry.token))? else {
            return Ok(None);
        };
        let Ok(kept) = pdu::decode(&data, &self.limits) else {
            return Ok(None);
        };
        let kept = kept.value;
        let mut descr = Pdu::new(PduType::MboxDescr);
        let location = HeaderValue::Text(self.box_url(&entry.token));
        descr.headers.add(Field::ContentLocation, location);
        for field in fields {
            match field {
                Field::MmState => {
                    descr.headers.add(*field, HeaderValue::Token(entry.state));
                }
                Field::MmFlags => entry.flags.iter().for_each(|flag| {
                    let flag = HeaderValue::Flag(0x80, flag.as_str().into());
                    descr.headers.add(*field, flag);
                }),
                Field::MessageSize => {
                    descr.headers.add(*field, HeaderValue::Integer(entry.size));
                }
                Field::ContentLocation => {}
                Field::Content => descr.body.clone_from(&kept.body),
                other => kept
                    .headers
                    .all(*other)
                    .for_each(|value| descr.headers.add(*other, value.clone())),
            }
        }
        Ok(descr.to_part().ok())
    }

    /// Hands a message of a box out, fitted to the device that `headers` describe. `None` where the
    /// token is no token of a box; else M-Retrieve.conf, which may say that there is nothing.
    #[must_use]
    pub fn retrieve_boxed(&self, token: &str, headers: &[(String, String)]) -> Option<Bytes> {
        if token.len() != TOKEN {
            return None;
        }
        let conf = match self.fit_boxed(token, headers) {
            Ok(conf) => pdu::encode(&conf).unwrap_or_else(|_| self.not_found()),
            Err(Stored::NotFound) => self.not_found(),
            Err(status) => self.refusal(0xC0, status.text()),
        };
        Some(conf.into())
    }

    fn not_found(&self) -> Vec<u8> {
        self.refusal(0xE2, "The message is not here any more")
    }

    fn fit_boxed(&self, token: &str, headers: &[(String, String)]) -> Result<Pdu, Stored> {
        let found = self
            .store
            .box_get(&hash(token))
            .map_err(|_| Stored::Transient)?;
        let (entry, data) = found.ok_or(Stored::NotFound)?;
        let kept = pdu::decode(&data, &self.limits).map_err(|_| Stored::NotFound)?;
        let mut shown = Headers::new();
        shown.add(Field::MmsVersion, HeaderValue::Token(0x92));
        for header in &kept.value.headers {
            if let HeaderName::Field(field) = header.name
                && (SHOWN.contains(&field)
                    || matches!(field, Field::MessageId | Field::From | Field::Date))
            {
                shown.push(header.name.clone(), header.value.clone());
            }
        }
        let message = Message {
            headers: shown,
            body: kept.value.body.ok_or(Stored::NotFound)?,
        };
        let owner = Msisdn::parse(&entry.owner);
        let remembered = owner.and_then(|owner| self.remembered(&owner).ok());
        let device = Device {
            headers,
            remembered: remembered.as_deref().unwrap_or_default(),
        };
        let content = Content {
            message: &message,
            digest: content_digest(Some(&message.body)),
        };
        let fitted = self.fitter.fit(content, &device);
        let fitted = fitted.map_err(|_| Stored::Transient)?;
        let message = fitted.message.ok_or(Stored::NotFound)?;
        Ok(Pdu::from_message(PduType::RetrieveConf, message))
    }

    /// The entry behind a URL of this subscriber's box.
    fn boxed(&self, location: &str, owner: &Msisdn) -> Result<Option<BoxEntry>, StoreError> {
        let Some((_, token)) = location.rsplit_once("/b/") else {
            return Ok(None);
        };
        let found = self.store.box_get(&hash(token))?;
        Ok(found
            .map(|(entry, _)| entry)
            .filter(|entry| entry.owner == owner.as_str()))
    }

    /// Deletes what is behind a URL of this subscriber's box, if there is anything.
    pub(super) fn delete_from_box(
        &self,
        location: &str,
        owner: &Msisdn,
    ) -> Result<bool, StoreError> {
        match location.rsplit_once("/b/") {
            Some((_, token)) => self.store.box_delete(owner.as_str(), &hash(token)),
            None => Ok(false),
        }
    }
}

fn state(headers: &Headers) -> Option<u8> {
    headers
        .token(Field::MmState)
        .filter(|state| (0x80..=0x84).contains(state))
}

fn tokens_of(headers: &Headers, field: Field) -> Vec<u8> {
    let token = |value: &HeaderValue| match value {
        HeaderValue::Token(octet) => Some(*octet),
        _ => None,
    };
    headers.all(field).filter_map(token).collect()
}

/// Adds and removes the flags that X-Mms-MM-Flags name.
fn flag(flags: &mut Vec<String>, headers: &Headers) {
    for value in headers.all(Field::MmFlags) {
        let HeaderValue::Flag(what, keyword) = value else {
            continue;
        };
        let keyword: String = keyword
            .text
            .chars()
            .filter(|character| !character.is_control())
            .take(FLAGS)
            .collect();
        flags.retain(|flag| *flag != keyword);
        if *what == 0x80 && !keyword.is_empty() && flags.len() < FLAGS {
            flags.push(keyword);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::testing::{Bench, SENDER, send_req};
    use crate::store::Store;

    fn number(text: &str) -> Msisdn {
        Msisdn::parse(text).unwrap()
    }

    fn request(pdu_type: PduType, location: Option<&str>) -> Pdu {
        let mut pdu = Pdu::new(pdu_type);
        let id = HeaderValue::Text("b1".to_owned());
        pdu.headers.add(Field::TransactionId, id);
        if let Some(location) = location {
            let location = HeaderValue::Text(location.to_owned());
            pdu.headers.add(Field::ContentLocation, location);
        }
        pdu
    }

    fn view(bench: &Bench, pdu: &Pdu, who: &str) -> Vec<Pdu> {
        let conf = bench.relay.view_box(pdu, Some(&number(who)));
        let conf = bench.decode(bench.octets(&conf));
        assert_eq!(conf.headers.token(Field::ResponseStatus), Some(0x80));
        let parts = conf.body.unwrap().parts;
        let read = |part: &Part| Pdu::from_part(part, bench.relay.limits()).unwrap().value;
        parts.iter().map(read).collect()
    }

    #[test]
    fn a_sent_message_is_kept_seen_fetched_and_deleted() {
        let bench = Bench::new("box-sent");
        let mut pdu = send_req("t1", &["+15550000002"]);
        pdu.headers.add(Field::Store, HeaderValue::Token(0x80));
        let conf = bench.submit(&pdu);
        assert_eq!(conf.headers.token(Field::StoreStatus), Some(0x80));
        let url = conf.headers.text(Field::ContentLocation).unwrap();
        let all = request(PduType::MboxViewReq, None);
        let seen = view(&bench, &all, SENDER);
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].headers.token(Field::MmState), Some(SENT));
        assert_eq!(seen[0].headers.text(Field::ContentLocation), Some(url));
        assert!(seen[0].body.is_none(), "nobody asked for the content");
        assert!(view(&bench, &all, "+15550000002").is_empty(), "not his box");
        let mut whole = all.clone();
        let content = HeaderValue::Attribute(HeaderName::Field(Field::Content));
        whole.headers.add(Field::Attributes, content);
        let seen = view(&bench, &whole, SENDER);
        assert_eq!(seen[0].body.as_ref().unwrap().parts[0].data, "hello");
        let (_, token) = url.rsplit_once("/b/").unwrap();
        let got = bench.decode(bench.relay.retrieve_boxed(token, &[]).unwrap());
        assert_eq!(got.body.unwrap().parts[0].data, "hello");
        let delete = request(PduType::MboxDeleteReq, Some(url));
        let status = |who: &str| {
            let conf = bench.relay.delete(&delete, Some(&number(who)));
            assert_eq!(conf.pdu_type, PduType::MboxDeleteConf);
            conf.headers.get(Field::ResponseStatus).cloned()
        };
        let counted = |octet| Some(HeaderValue::Counted(0, Box::new(HeaderValue::Token(octet))));
        assert_eq!(status("+15550000002"), counted(0xE4));
        assert_eq!(status(SENDER), counted(0x80));
        assert!(view(&bench, &all, SENDER).is_empty());
        let gone = bench.decode(bench.relay.retrieve_boxed(token, &[]).unwrap());
        assert_eq!(gone.headers.token(Field::RetrieveStatus), Some(0xE2));
    }

    #[test]
    fn a_waiting_message_goes_into_the_box_and_its_flags_change() {
        let bench = Bench::new("box-store");
        let id = bench.accept(&send_req("t1", &["+15550000002"]));
        let (_, recipients) = bench.store.message(&id).unwrap().unwrap();
        let url = format!("http://mms.example/m/{}", recipients[0].token);
        let who = "+15550000002";
        let keep = request(PduType::MboxStoreReq, Some(&url));
        let conf = bench.relay.store_in_box(&keep, Some(&number(who)));
        assert_eq!(conf.headers.token(Field::StoreStatus), Some(0x80));
        let boxed = conf.headers.text(Field::ContentLocation).unwrap();
        let stranger = bench
            .relay
            .store_in_box(&keep, Some(&number("+15550000003")));
        assert_eq!(stranger.headers.token(Field::StoreStatus), Some(0xE3));
        let mut change = request(PduType::MboxStoreReq, Some(boxed));
        change.headers.add(Field::MmState, HeaderValue::Token(0x83));
        let add = HeaderValue::Flag(0x80, "holiday".into());
        change.headers.add(Field::MmFlags, add);
        let conf = bench.relay.store_in_box(&change, Some(&number(who)));
        assert_eq!(conf.headers.token(Field::StoreStatus), Some(0x80));
        let filtered = |flag: &str| {
            let mut pdu = request(PduType::MboxViewReq, None);
            let filter = HeaderValue::Flag(0x82, flag.into());
            pdu.headers.add(Field::MmFlags, filter);
            view(&bench, &pdu, who)
        };
        assert_eq!(
            filtered("holiday")[0].headers.token(Field::MmState),
            Some(0x83)
        );
        assert!(filtered("work").is_empty());
    }

    #[test]
    fn a_full_box_says_so_and_one_that_is_not_offered_too() {
        let bench = Bench::new("box-full");
        bench.relay.change_terms(|terms| terms.box_messages = 1);
        let mut upload = request(PduType::MboxUploadReq, None);
        upload.body = send_req("x", &["+1"]).body;
        let owner = number(SENDER);
        let status = |bench: &Bench| {
            let conf = bench.relay.store_in_box(&upload, Some(&owner));
            bench.octets(&conf);
            conf.headers.token(Field::StoreStatus)
        };
        assert_eq!(status(&bench), Some(0x80));
        assert_eq!(status(&bench), Some(0xE4));
        bench.relay.change_terms(|terms| terms.box_messages = 9);
        bench.relay.change_terms(|terms| terms.box_bytes = 1);
        assert_eq!(status(&bench), Some(0xE4), "octets count as well");
        let all = request(PduType::MboxViewReq, None);
        let seen = view(&bench, &all, SENDER);
        assert_eq!(seen[0].headers.token(Field::MmState), Some(DRAFT));
        bench.relay.change_terms(|terms| terms.box_messages = 0);
        assert_eq!(status(&bench), Some(0xE1));
        let conf = bench.relay.view_box(&all, Some(&owner));
        assert_eq!(conf.headers.token(Field::ResponseStatus), Some(0xE1));
    }
}
