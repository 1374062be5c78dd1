//! Decoding and encoding of MM1 PDUs. Target: 2 µs for a notification of ten headers, and no copy
//! of a body while decoding.

use bytes::Bytes;
use divan::{Bencher, black_box};
use remold::Limits;
use remold::mms::pdu::{self, Pdu, PduType};
use remold::mms::{Body, ContentType, EncodedString, Field, HeaderValue, Part, Time};

fn main() {
    divan::main();
}

/// A notification with ten headers, X-Mms-Message-Type among them.
fn notification() -> Pdu {
    let mut pdu = Pdu::new(PduType::NotificationInd);
    let text = |text: &str| HeaderValue::Text(text.to_owned());
    pdu.headers
        .add(Field::TransactionId, text("OgQKKBabcdef0123"));
    let from = EncodedString::new("+4912345678901/TYPE=PLMN");
    pdu.headers.add(Field::From, HeaderValue::From(Some(from)));
    let subject = EncodedString {
        text: "Grüße aus Köln".to_owned(),
        charset: Some(106),
    };
    pdu.headers
        .add(Field::Subject, HeaderValue::Encoded(subject));
    pdu.headers
        .add(Field::MessageClass, HeaderValue::Token(0x80));
    pdu.headers.add(Field::Priority, HeaderValue::Token(0x81));
    pdu.headers
        .add(Field::MessageSize, HeaderValue::Integer(123_456));
    pdu.headers
        .add(Field::Expiry, HeaderValue::Time(Time::Relative(259_200)));
    let location = text("http://mmsc.example.net/mms/wapenc?id=2208161829b571c5462d688bf");
    pdu.headers.add(Field::ContentLocation, location);
    pdu
}

fn message() -> Pdu {
    let mut pdu = Pdu::new(PduType::SendReq);
    pdu.headers
        .add(Field::TransactionId, HeaderValue::Text("1".to_owned()));
    pdu.headers.add(Field::From, HeaderValue::From(None));
    pdu.headers.add(
        Field::To,
        HeaderValue::Encoded("+4912345678901/TYPE=PLMN".into()),
    );
    let mut picture = Part::new(ContentType::new("image/jpeg"), vec![0xFF; 100_000]);
    picture.content_location = Some("a.jpg".to_owned());
    let related = ContentType::new("application/vnd.wap.multipart.related")
        .with("start", "<smil>")
        .with("type", "application/smil");
    let mut smil = Part::new(ContentType::new("application/smil"), "<smil></smil>");
    smil.content_id = Some("smil".to_owned());
    pdu.body = Some(Body {
        content_type: related,
        parts: vec![smil, picture],
    });
    pdu
}

fn encoded(pdu: &Pdu) -> Bytes {
    pdu::encode(pdu).expect("the message has a coding").into()
}

#[divan::bench]
fn decode_notification(bencher: Bencher) {
    let octets = encoded(&notification());
    let limits = Limits::default();
    bencher.bench(|| pdu::decode(black_box(&octets), &limits));
}

#[divan::bench]
fn encode_notification(bencher: Bencher) {
    let pdu = notification();
    bencher.bench(|| pdu::encode(black_box(&pdu)));
}

#[divan::bench]
fn decode_message_of_100_kb(bencher: Bencher) {
    let octets = encoded(&message());
    let limits = Limits::default();
    bencher.bench(|| pdu::decode(black_box(&octets), &limits));
}

#[divan::bench]
fn encode_message_of_100_kb(bencher: Bencher) {
    let pdu = message();
    bencher.bench(|| pdu::encode(black_box(&pdu)));
}

#[divan::bench]
fn measure_message_of_100_kb(bencher: Bencher) {
    let pdu = message();
    bencher.bench(|| pdu::encoded_len(black_box(&pdu)));
}
