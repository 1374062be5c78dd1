//! Writes the seeds: small files of our own making, one folder for each target.
//!
//! `cargo run --example seeds` in `fuzz/`. The result is committed, so that the targets start from
//! the same files everywhere.

mod centre;
mod containers;
mod doors;
mod mm4;

use std::fs;
use std::io::Cursor;
use std::path::Path;

use bytes::Bytes;
use image::codecs::gif::{GifEncoder, Repeat};
use image::{DynamicImage, ImageFormat, Rgba, RgbaImage};
use remold::mms::header::{Field, HeaderName, HeaderValue, Time};
use remold::mms::pdu::{self, Pdu, PduType};
use remold::mms::{Body, ContentType, Disposition, DispositionKind, Message, Part};
use remold::mms::{mime, multipart, push};

fn main() {
    let message = message();
    let pdus = pdus(&message);
    for (name, octets) in pdus.iter().take(2) {
        for (class, size, side) in [(3, 0, 0), (9, 7, 20), (1, 30, 0)] {
            let name = format!("{name}-{class}");
            save(
                "plan",
                &name,
                &[&[class, size, side, 0], &octets[..]].concat(),
            );
        }
    }
    centre::seeds(&pdus);
    for (name, octets) in &pdus {
        save("pdu", name, octets);
        save(
            "wsp",
            name,
            &[&[12, 5, 5, 2, 5, 6, 5, 7, 3, 4, 2, 8, 1], &octets[..]].concat(),
        );
        let wrapped = push::wrap(1, octets);
        save("push", name, &wrapped);
        save("probe", name, octets);
    }
    let long = Bytes::from(push::wrap(9, &pdus[0].1));
    for (index, segment) in push::segment(&long, 77, true).unwrap().iter().enumerate() {
        save(
            "push",
            &format!("segment-{index}"),
            &[&segment.udh[..], &segment.payload].concat(),
        );
    }
    save(
        "multipart",
        "related",
        &multipart::encode(&message.body.parts).unwrap(),
    );
    save("multipart", "empty", &[0]);
    save("mime", "related", &mime::encode(&message).unwrap());
    for (name, text) in MIME {
        save("mime", name, text.replace('\n', "\r\n").as_bytes());
    }
    for (index, octets) in CONTENT_TYPES.iter().enumerate() {
        save("content_type", &index.to_string(), octets);
        save(
            "wsp",
            &format!("type-{index}"),
            &[&[2, 6, 7], *octets].concat(),
        );
    }
    for (name, text) in SMIL {
        save("smil", name, text.as_bytes());
    }
    for (name, text) in UAPROF {
        save("uaprof", name, text.as_bytes());
    }
    for (index, text) in HEADERS.iter().enumerate() {
        save("headers", &index.to_string(), text.as_bytes());
    }
    for (index, text) in ADDRESSES.iter().enumerate() {
        save("address", &index.to_string(), text.as_bytes());
    }
    save("vcard", "photo", VCARD.as_bytes());
    for mib in [3_u16, 4, 17, 39, 106, 113, 1000, 1015, 2026, 2084] {
        let text = "Grüße, мир 日本 \u{1F600}";
        save(
            "charset",
            &mib.to_string(),
            &[&mib.to_be_bytes(), text.as_bytes()].concat(),
        );
    }
    pictures();
    sounds();
    containers::write();
    doors::write();
    mm4::write();
}

fn save(target: &str, name: &str, octets: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(target);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), octets).unwrap();
}

fn message() -> Message {
    let mut picture = Part::new(ContentType::new("image/gif").with("name", "sun.gif"), gif());
    picture.content_id = Some("sun".to_owned());
    picture.content_location = Some("sun.gif".to_owned());
    picture.disposition = Some(Disposition {
        kind: DispositionKind::Attachment,
        filename: Some("sun.gif".to_owned()),
        params: Vec::new(),
    });
    let mut text = Part::new(
        ContentType::new("text/plain")
            .with("charset", "utf-8")
            .with("name", "a.txt"),
        "Grüße",
    );
    text.content_location = Some("a.txt".to_owned());
    let mut smil = Part::new(ContentType::new("application/smil"), SMIL[0].1.as_bytes());
    smil.content_id = Some("smil".to_owned());
    let mut pdu = Pdu::new(PduType::SendReq);
    let headers = &mut pdu.headers;
    headers.add(Field::TransactionId, HeaderValue::Text("T1".to_owned()));
    headers.add(Field::Date, HeaderValue::Date(1_700_000_000));
    headers.add(
        Field::From,
        HeaderValue::From(Some("+491234567/TYPE=PLMN".into())),
    );
    headers.add(
        Field::To,
        HeaderValue::Encoded("+497654321/TYPE=PLMN".into()),
    );
    headers.add(
        Field::To,
        HeaderValue::Encoded("somebody@example.org".into()),
    );
    headers.add(Field::Subject, HeaderValue::Encoded("Grüße".into()));
    headers.add(Field::Expiry, HeaderValue::Time(Time::Relative(86_400)));
    headers.add(Field::MessageClass, HeaderValue::Token(0x80));
    headers.add(Field::Priority, HeaderValue::Token(0x81));
    headers.add(Field::DeliveryReport, HeaderValue::Token(0x80));
    headers.push(
        HeaderName::Text("X-Own".to_owned()),
        HeaderValue::Text("mine".to_owned()),
    );
    Message {
        headers: pdu.headers,
        body: Body {
            content_type: ContentType::new("application/vnd.wap.multipart.related")
                .with("start", "<smil>")
                .with("type", "application/smil"),
            parts: vec![smil, picture, text],
        },
    }
}

fn pdus(message: &Message) -> Vec<(&'static str, Vec<u8>)> {
    let mut notification = Pdu::new(PduType::NotificationInd);
    let headers = &mut notification.headers;
    headers.add(Field::TransactionId, HeaderValue::Text("N1".to_owned()));
    headers.add(Field::MessageClass, HeaderValue::Token(0x80));
    headers.add(Field::MessageSize, HeaderValue::Integer(41_234));
    headers.add(
        Field::Expiry,
        HeaderValue::Time(Time::Absolute(1_800_000_000)),
    );
    headers.add(
        Field::ContentLocation,
        HeaderValue::Text("http://mms.example.org/0123456789abcdef".to_owned()),
    );
    let mut report = Pdu::new(PduType::DeliveryInd);
    let headers = &mut report.headers;
    headers.add(
        Field::MessageId,
        HeaderValue::Text("id@example.org".to_owned()),
    );
    headers.add(
        Field::To,
        HeaderValue::Encoded("+491234567/TYPE=PLMN".into()),
    );
    headers.add(Field::Date, HeaderValue::Date(1_700_000_000));
    headers.add(Field::Status, HeaderValue::Token(0x81));
    let retrieved = Pdu::from_message(PduType::RetrieveConf, message.clone());
    let sent = Pdu::from_message(PduType::SendReq, message.clone());
    [
        ("send-req", sent),
        ("retrieve-conf", retrieved),
        ("notification-ind", notification),
        ("delivery-ind", report),
    ]
    .into_iter()
    .map(|(name, pdu)| (name, pdu::encode_partial(&pdu).unwrap()))
    .collect()
}

fn gif() -> Vec<u8> {
    let mut octets = Cursor::new(Vec::new());
    let picture = RgbaImage::from_fn(40, 30, |x, y| Rgba([(x * 6) as u8, (y * 8) as u8, 9, 255]));
    DynamicImage::ImageRgba8(picture)
        .write_to(&mut octets, ImageFormat::Gif)
        .unwrap();
    octets.into_inner()
}

fn pictures() {
    let picture = DynamicImage::ImageRgba8(RgbaImage::from_fn(24, 16, |x, y| {
        let [x, y] = [x as u8, y as u8];
        Rgba([x * 10, y * 15, x ^ y, if x > 12 { 255 } else { 90 }])
    }));
    let rgb = DynamicImage::ImageRgb8(picture.to_rgb8());
    let grey = DynamicImage::ImageLuma8(picture.to_luma8());
    let deep = DynamicImage::ImageRgba16(picture.to_rgba16());
    let coded = |picture: &DynamicImage, format| {
        let mut octets = Cursor::new(Vec::new());
        picture.write_to(&mut octets, format).unwrap();
        octets.into_inner()
    };
    let mut animation = Vec::new();
    let mut encoder = GifEncoder::new(&mut animation);
    encoder.set_repeat(Repeat::Infinite).unwrap();
    for turn in [picture.clone(), picture.fliph(), picture.rotate180()] {
        encoder
            .encode_frame(image::Frame::new(turn.to_rgba8()))
            .unwrap();
    }
    drop(encoder);
    let mut wbmp = vec![0, 0, 20, 6];
    wbmp.extend((0..18).map(|row: u8| row.wrapping_mul(37)));
    let all = [
        ("image_jpeg", "rgb", coded(&rgb, ImageFormat::Jpeg)),
        ("image_jpeg", "grey", coded(&grey, ImageFormat::Jpeg)),
        (
            "image_jpeg",
            "exif",
            with_exif(&coded(&rgb, ImageFormat::Jpeg)),
        ),
        (
            "image_jpeg",
            "progressive",
            include_bytes!("../../../src/media/image/jpeg/fixtures/halved-progressive.jpg")
                .to_vec(),
        ),
        ("image_png", "rgba", coded(&picture, ImageFormat::Png)),
        ("image_png", "rgb", coded(&rgb, ImageFormat::Png)),
        ("image_png", "grey", coded(&grey, ImageFormat::Png)),
        ("image_png", "deep", coded(&deep, ImageFormat::Png)),
        ("image_gif", "still", coded(&picture, ImageFormat::Gif)),
        ("image_gif", "animated", animation),
        ("image_webp", "rgba", coded(&picture, ImageFormat::WebP)),
        ("image_webp", "rgb", coded(&rgb, ImageFormat::WebP)),
        ("image_bmp", "rgb", coded(&rgb, ImageFormat::Bmp)),
        ("image_bmp", "rgba", coded(&picture, ImageFormat::Bmp)),
        ("image_bmp", "grey", coded(&grey, ImageFormat::Bmp)),
        ("image_tiff", "rgb", coded(&rgb, ImageFormat::Tiff)),
        ("image_tiff", "grey", coded(&grey, ImageFormat::Tiff)),
        ("image_tiff", "deep", coded(&deep, ImageFormat::Tiff)),
        ("image_wbmp", "small", wbmp),
    ];
    for (target, name, octets) in all {
        save(target, name, &octets);
        save("probe", &format!("{target}-{name}"), &octets);
    }
}

/// A JPEG with an EXIF block that says "turned by 90 degrees".
fn with_exif(jpeg: &[u8]) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0".to_vec();
    exif.extend([0; 4]);
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xFF, 0xE1], &length, &exif, &jpeg[2..]].concat()
}

fn sounds() {
    let boxed = |kind: &[u8; 4], inner: &[u8]| {
        let length = u32::try_from(inner.len() + 8).unwrap().to_be_bytes();
        [&length[..], kind, inner].concat()
    };
    let header = [
        &[0; 12][..],
        &1000_u32.to_be_bytes(),
        &5000_u32.to_be_bytes(),
        &[0; 80],
    ]
    .concat();
    let track = boxed(b"trak", &boxed(b"tkhd", &[0; 84]));
    let movie = boxed(b"moov", &[boxed(b"mvhd", &header), track].concat());
    let file = [
        boxed(b"ftyp", b"3gp4\0\0\0\x003gp4"),
        movie,
        boxed(b"mdat", &[0; 16]),
    ]
    .concat();
    save("probe", "3gp", &file);
    save(
        "probe",
        "huge-box",
        &[&0xFFFF_FFF0_u32.to_be_bytes()[..], b"ftypmp42\0\0\0\0"].concat(),
    );
    save(
        "probe",
        "amr",
        &[&b"#!AMR\n"[..], &[0x3C; 33], &[0x3C; 33]].concat(),
    );
    save(
        "probe",
        "amr-wb",
        &[&b"#!AMR-WB\n"[..], &[0x44; 61]].concat(),
    );
    save(
        "probe",
        "midi",
        b"MThd\0\0\0\x06\0\0\0\x01\0\x60MTrk\0\0\0\x0C\0\x90\x3C\x40\x60\x80\x3C\x40\0\xFF\x2F\0",
    );
    save("probe", "wav", b"RIFF\x2C\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1F\0\0\x80\x3E\0\0\x02\0\x10\0data\x08\0\0\0\0\0\0\0\0\0\0\0");
    save(
        "probe",
        "mp3",
        &[
            &[0xFF, 0xFB, 0x90, 0x00][..],
            &[0; 413],
            &[0xFF, 0xFB, 0x90, 0x00],
        ]
        .concat(),
    );
    save(
        "probe",
        "adts",
        &[0xFF, 0xF1, 0x50, 0x80, 0x01, 0x7F, 0xFC, 1, 2, 3, 4],
    );
    save("probe", "ogg", b"OggS\0\x02\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\x01\x1E\x01vorbis\0\0\0\0\x01\x40\x1F\0\0");
    save(
        "probe",
        "imelody",
        b"BEGIN:IMELODY\r\nVERSION:1.2\r\nMELODY:c2d2e2\r\nEND:IMELODY\r\n",
    );
    save("probe", "vcard", VCARD.as_bytes());
    save("probe", "smil", SMIL[0].1.as_bytes());
    save("probe", "text", "Grüße".as_bytes());
}

const SMIL: &[(&str, &str)] = &[
    (
        "slides",
        r#"<smil><head><layout><root-layout width="176" height="220"/><region id="Image" width="100%" height="70%" fit="meet"/><region id="Text" top="70%" height="30%"/></layout></head><body><par dur="5s"><img src="cid:sun" region="Image"/><text src="a.txt" region="Text" begin="500ms"/></par><par dur="3000ms"><audio src="b.amr" end="2s"/></par></body></smil>"#,
    ),
    (
        "untidy",
        "<?xml version=\"1.0\"?><!DOCTYPE smil PUBLIC \"-//W3C//DTD SMIL 1.0//EN\" \"http://www.w3.org/TR/REC-smil/SMIL10.dtd\">\n<SMIL xmlns=\"http://www.w3.org/2001/SMIL20/Language\"><BODY><PAR><IMG SRC='a&amp;b.jpg'><video src=\"c.3gp\"/>&#x41;</PAR><ref src=\"d\"/></BODY>",
    ),
    (
        "prefixed",
        "<s:smil xmlns:s='x'><s:body><s:seq><s:par><s:text src='t'/></s:par></s:seq></s:body></s:smil>",
    ),
];

const UAPROF: &[(&str, &str)] = &[
    (
        "plain",
        r#"<?xml version="1.0"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:prf="http://www.wapforum.org/profiles/UAPROF/ccppschema-20010430#" xmlns:mms="http://www.wapforum.org/profiles/MMS/ccppschema-20010111#"><rdf:Description rdf:ID="Own"><prf:component><rdf:Description rdf:ID="HardwarePlatform"><prf:Vendor>Own</prf:Vendor><prf:Model>One</prf:Model><prf:ScreenSize>128x160</prf:ScreenSize><prf:ColorCapable>Yes</prf:ColorCapable><prf:BitsPerPixel>16</prf:BitsPerPixel></rdf:Description></prf:component><prf:component><rdf:Description rdf:ID="MmsCharacteristics"><mms:MmsMaxMessageSize>102400</mms:MmsMaxMessageSize><mms:MmsMaxImageResolution>640x480</mms:MmsMaxImageResolution><mms:MmsCcppAccept><rdf:Bag><rdf:li>image/jpeg</rdf:li><rdf:li>text/plain</rdf:li></rdf:Bag></mms:MmsCcppAccept><mms:MmsVersion>1.2</mms:MmsVersion></rdf:Description></prf:component></rdf:Description></rdf:RDF>"#,
    ),
    (
        "entities",
        r#"<!DOCTYPE rdf [<!ENTITY a "102400"><!ENTITY ns "http://x#">]><RDF><Description ID="MmsCharacteristics"><MmsMaxMessageSize>&a;</MmsMaxMessageSize><MmsCcppAcceptCharSet><Seq><li>US-ASCII</li><li resource="&ns;UTF-8"/></Seq></MmsCcppAcceptCharSet><Defaults resource="http://a/b"/></Description></RDF>"#,
    ),
    (
        "cut",
        "<rdf:RDF xmlns:rdf='x'><rdf:Description><MmsMaxImageResolution>640 x 480</MmsMaxImageResolution><MmsCcppAccept><rdf:Bag><rdf:li>image/gif",
    ),
];

const HEADERS: &[&str] = &[
    "User-Agent: Nokia6100/1.0 (05.16) Profile/MIDP-1.0\nx-wap-profile: \"http://nds1.nds.nokia.com/uaprof/N6100r100.xml\"",
    "Accept: image/jpeg, image/gif;q=0.5, */*;q=0.1\nAccept-Charset: utf-8, us-ascii\nAccept-Language: de, en\nUser-Agent: Own/1.0",
    "x-wap-profile: \"http://a/b\", \"1-AAAAAAAAAAAAAAAAAAAAAA==\"\nx-wap-profile-diff: 1;<RDF><Description><MmsMaxMessageSize>5</MmsMaxMessageSize></Description></RDF>",
    "Profile: http://127.0.0.1/x\n19-Profile: y\nOpt: \"http://www.w3.org/1999/06/24-CCPPexchange\"; ns=19",
];

const ADDRESSES: &[&str] = &[
    "+49 (123) 45-67/TYPE=PLMN",
    "Somebody <somebody@example.org>",
    "192.0.2.1/TYPE=IPv4",
    "2001:db8::1/type=ipv6",
    "12345",
    "=?utf-8?Q?Gr=C3=BC=C3=9Fe?= =?iso-8859-1?B?/Ow=?=",
    "tel:+1234567",
    "x/TYPE=Y",
];

const VCARD: &str = "BEGIN:VCARD\r\nVERSION:2.1\r\nN:Own;Some\r\nTEL;CELL:+491234567\r\nPHOTO;ENCODING=BASE64;TYPE=GIF:\r\n R0lGODlhAQABAAAAADs=\r\n\r\nEND:VCARD\r\n";

const CONTENT_TYPES: &[&[u8]] = &[
    b"\x83",
    b"image/jpeg\0",
    b"\x1B\xB3\x8A<smil>\0\x89application/smil\0",
    b"\x0A\x9E\x81\xEA\x85a.jpg\0",
    b"\x0F\x9E\x81\x01\x6Aname\0a.jpg\0",
    b"text/plain; charset=\"utf-8\"; name=a\0",
    b"\x08\x81\x86a.txt\0",
    b"\x1F\x82\x00\x83",
];

const MIME: &[(&str, &str)] = &[
    (
        "mixed",
        "From: a@example.org\nTo: +491234567/TYPE=PLMN@mms.example.org, \"B\" <b@example.org>\nSubject: =?utf-8?B?R3LDvMOfZQ==?=\nX-Mms-Message-Type: MM4_forward.REQ\nX-Mms-Expiry: 3600\nDate: Mon, 01 Jan 2024 00:00:00 +0000\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b\"\n\nfront\n--b\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nGr=FC=DFe=\n more\n--b\nContent-Type: image/gif; name*=utf-8''s%C3%BCn.gif\nContent-Transfer-Encoding: base64\nContent-ID: <sun>\n\nR0lGODlhAQABAAAAADs=\n--b--\nbehind\n",
    ),
    (
        "nested",
        "Content-Type: multipart/alternative; boundary=a\n\n--a\nContent-Type: text/html\n\n<p>Hello<br>you &amp; me</p>\n--a\nContent-Type: multipart/related; boundary=b; start=\"<x>\"\n\n--b\nContent-ID: <x>\n\ntext\n--b--\n--a--\n",
    ),
    (
        "http",
        "POST /mm7 HTTP/1.1\nHost: example.org\nContent-Type: multipart/related; boundary=z; type=\"text/xml\"\n\n--z\nContent-Type: text/xml\n\n<a/>\n--z\nContent-Type: message/rfc822\n\nSubject: in\n\nx\n--z--",
    ),
    (
        "plain",
        "Subject: folded\n  line\nX-Own: 1\n\nbody\n.\n..\nFrom here\n",
    ),
];
