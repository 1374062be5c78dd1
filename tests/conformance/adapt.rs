//! The law of adaptation: whatever the message and whatever the device, the result fits.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use remold::adapt::report::{ActionName, Gate, Verdict};
use remold::adapt::{Adapted, Context, Engine, Policy, adapt, weight};
use remold::media::container::isobmff::{self, Brand, NewTrack};
use remold::media::container::{self, H263Config, Sample, TrackCodec, TrackInfo};
use remold::media::video::h263::{Config, Encoder, Level, Size, Target, YuvFrame};
use remold::media::{self, Cancel, MediaKind, Registry};
use remold::mms::pdu::{self, Pdu, PduType};
use remold::mms::smil::{self, Smil};
use remold::mms::{
    Body, ContentType, EncodedString, Field, HeaderValue, Headers, Kind, Message, Part, charset,
    mime, sniff, text,
};
use remold::profile::{self, Capabilities, Resolution, Source, Sourced};
use remold::{Dimensions, Limits};

use crate::support::{corpus, files};

/// A message of the corpus or of a test, with its encoded size.
struct Input {
    name: String,
    message: Message,
    size: u64,
}

fn load(name: String, octets: Vec<u8>) -> Option<Input> {
    let octets = Bytes::from(octets);
    let limits = Limits::default();
    let size = octets.len() as u64;
    match sniff(&octets) {
        Kind::Mm1 => {
            let message = pdu::decode(&octets, &limits)
                .ok()?
                .value
                .into_message()
                .ok()?;
            Some(Input {
                name,
                message,
                size,
            })
        }
        Kind::Mime => {
            let message = mime::decode(&octets, &limits).ok()?.value;
            let size = weight(&message);
            (!message.body.parts.is_empty()).then_some(Input {
                name,
                message,
                size,
            })
        }
        _ => None,
    }
}

fn corpus_messages() -> Vec<Input> {
    let mut found = Vec::new();
    for folder in ["mm1", "mm3", "mm4"] {
        let Some(folder) = corpus(folder) else {
            return Vec::new();
        };
        for path in files(&folder) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            found.extend(load(name, std::fs::read(&path).unwrap()));
        }
    }
    assert!(
        found.len() >= 25,
        "the corpus has messages with a body: {}",
        found.len()
    );
    found
}

fn carry_out(input: &Input, caps: &Capabilities) -> Adapted {
    let (policy, registry, limits) = (Policy::default(), Registry::builtin(), Limits::default());
    let context = Context {
        caps,
        policy: &policy,
        registry: &registry,
        limits: &limits,
    };
    let cancel = Cancel::new();
    let engine = Engine {
        context,
        cancel: &cancel,
        now: &|| Duration::ZERO,
    };
    adapt(&input.message, input.size, engine).expect("nobody cancels")
}

/// Fails with a sentence where the result breaks the law.
fn judge(input: &Input, caps: &Capabilities, adapted: &Adapted) -> Result<(), String> {
    let report = &adapted.report;
    let Some(message) = &adapted.message else {
        return if report.verdict == Verdict::Refused && !report.warnings.is_empty() {
            Ok(())
        } else {
            Err("no message and no refusal with a reason".to_owned())
        };
    };
    if report.verdict == Verdict::Unchanged {
        if message != &input.message {
            return Err("unchanged, yet another message".to_owned());
        }
        if matches!(
            report.gate,
            Some(Gate::AdaptationNotAllowed | Gate::DeviceSuppresses)
        ) {
            return Ok(());
        }
    }
    if report.verdict == Verdict::Adapted {
        check_clips(message, adapted)?;
        check_size(message, caps, report.size_out)?;
        check_round_trip(message)?;
    }
    for part in &message.body.parts {
        check_part(part, caps)?;
    }
    if report.verdict == Verdict::Adapted {
        check_references(message)?;
    }
    check_text(input, message, adapted)
}

/// The octets a phone would be given: headers that MM1 cannot carry stay behind.
fn encoded(message: &Message) -> Result<Vec<u8>, String> {
    let mut pdu = Pdu::from_message(PduType::RetrieveConf, message.clone());
    pdu::encode_partial(&pdu)
        .or_else(|_| {
            pdu.headers = message.headers.without_textual();
            pdu::encode_partial(&pdu)
        })
        .map_err(|error| format!("does not encode: {error}"))
}

fn check_size(message: &Message, caps: &Capabilities, said: u64) -> Result<(), String> {
    let size = encoded(message)?.len() as u64;
    if said != size {
        return Err(format!("the report says {said} octets, {size} are encoded"));
    }
    let limit = caps.max_message_size.as_ref().map_or(u64::MAX, |s| s.value);
    if said > limit {
        Err(format!("{said} octets, the limit is {limit}"))
    } else {
        Ok(())
    }
}

fn check_round_trip(message: &Message) -> Result<(), String> {
    let octets = Bytes::from(encoded(message)?);
    let back = pdu::decode(&octets, &Limits::default())
        .map_err(|e| e.to_string())?
        .value;
    if back.body.as_ref() == Some(&message.body) {
        Ok(())
    } else {
        Err(format!(
            "decodes to another body:\n{:?}\n{:?}",
            back.body, message.body
        ))
    }
}

fn check_part(part: &Part, caps: &Capabilities) -> Result<(), String> {
    let declared = part.content_type.media();
    if !declared.starts_with("application/vnd.oma.drm.") {
        match caps.accepts(declared) {
            Some(listed) if listed.eq_ignore_ascii_case(declared) => {}
            other => return Err(format!("{declared} is not accepted (listed: {other:?})")),
        }
    }
    let Ok(info) = media::probe(&part.data, &Limits::default()) else {
        return Err(format!("a broken {declared} is in the result"));
    };
    if info.kind == MediaKind::Image
        && let (Some(size), Some(max)) = (info.shown_size(), &caps.max_image)
        && !max.value.holds(size)
    {
        return Err(format!("a picture of {size} for a box of {}", max.value));
    }
    Ok(())
}

/// A clip that is not whole, or is none any more, is told of where notices are.
fn check_clips(message: &Message, adapted: &Adapted) -> Result<(), String> {
    let report = &adapted.report;
    for part in &report.parts {
        let was = part.media_in.as_ref().filter(|media| media.kind == "video");
        let (Some(was), Some(is)) = (was, &part.media_out) else {
            continue;
        };
        let shorter = is.duration_ms.unwrap_or(0) + 500 < was.duration_ms.unwrap_or(0);
        let still = is.kind == "image";
        if (shorter || still) && report.notices.is_empty() {
            return Err(format!("{was:?} became {is:?} without a word"));
        }
        if still && shows_as(message, part.name_out.as_deref(), "<video") {
            return Err("a still picture is shown as a video".to_owned());
        }
    }
    Ok(())
}

/// Whether the presentation shows the part of this name in an element that begins so.
fn shows_as(message: &Message, name: Option<&str>, element: &str) -> bool {
    let (Some(at), Some(name)) = (message.body.presentation(), name) else {
        return false;
    };
    let smil = String::from_utf8_lossy(&message.body.parts[at].data).into_owned();
    smil.split('>')
        .any(|tag| tag.starts_with(element) && tag.contains(&format!("\"{name}\"")))
}

fn check_references(message: &Message) -> Result<(), String> {
    let Some(at) = message.body.presentation() else {
        if message.body.content_type.param("start").is_some() {
            return Err("start names a presentation that is not there".to_owned());
        }
        return Ok(());
    };
    let octets = &message.body.parts[at].data;
    let smil = Smil::parse(octets, &Limits::default())
        .map_err(|e| e.to_string())?
        .value;
    for reference in smil.references() {
        if smil::resolve(&reference.src, &message.body.parts).is_none() {
            return Err(format!("{:?} does not resolve", reference.src));
        }
    }
    Ok(())
}

/// Every text of the input is in the result, letter by letter where its charset can hold it.
fn check_text(input: &Input, message: &Message, adapted: &Adapted) -> Result<(), String> {
    let texts: Vec<String> = message
        .body
        .parts
        .iter()
        .filter(|p| p.content_type.is_kind("text"))
        .map(|p| text::decode_part(p).text)
        .collect();
    for (part, report) in input.message.body.parts.iter().zip(&adapted.report.parts) {
        if !part.content_type.is("text/plain") || report.action == ActionName::Drop {
            if part.content_type.is("text/plain") && report.action == ActionName::Drop {
                return Err("a text is gone".to_owned());
            }
            continue;
        }
        let wanted = text::decode_part(part).text;
        let lossless = report.type_out.is_some() && {
            let out = texts.iter().any(|t| t == &wanted);
            out || texts
                .iter()
                .any(|t| t.chars().count() >= wanted.chars().count() / 2)
        };
        if !lossless {
            return Err(format!("the text {wanted:?} is not among {texts:?}"));
        }
    }
    Ok(())
}

/// Devices of the database, picked by a fixed sequence.
fn random_devices(count: usize) -> Vec<Capabilities> {
    let ids: Vec<&str> = profile::Database::embedded()
        .expect("a database")
        .ids()
        .collect();
    assert!(ids.len() > 2_000, "the database is whole");
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let id = ids[(state % ids.len() as u64) as usize];
            Resolution::by_id(id)
                .expect("an id of the list resolves")
                .capabilities
        })
        .collect()
}

#[test]
fn every_corpus_message_fits_every_class_and_forty_devices() {
    let messages = corpus_messages();
    if messages.is_empty() {
        return;
    }
    let mut devices: Vec<Capabilities> = profile::classes::class_ids()
        .map(|id| {
            Resolution::by_id(id)
                .expect("a class resolves")
                .capabilities
        })
        .collect();
    assert!(devices.len() >= 30);
    devices.extend(random_devices(40));
    let single = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    let many = rayon::ThreadPoolBuilder::new()
        .num_threads(4)
        .build()
        .unwrap();
    let mut verdicts: BTreeMap<String, usize> = BTreeMap::new();
    for input in &messages {
        for caps in &devices {
            let first = many.install(|| carry_out(input, caps));
            let again = single.install(|| carry_out(input, caps));
            let place = format!("{} for {}", input.name, caps.id);
            assert_eq!(
                first.message, again.message,
                "{place}: threads change the result"
            );
            assert_eq!(
                first.report, again.report,
                "{place}: threads change the report"
            );
            if let Err(problem) = judge(input, caps, &first) {
                panic!("{place}: {problem}");
            }
            *verdicts
                .entry(format!("{:?}", first.report.verdict))
                .or_default() += 1;
        }
    }
    println!(
        "{} messages, {} devices: {verdicts:?}",
        messages.len(),
        devices.len()
    );
}

fn picture(format: media::Format, width: u32, height: u32, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let image = image::RgbImage::from_fn(width, height, |x, y| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = (state >> 28) as u8;
        image::Rgb([
            (x * 255 / width) as u8 ^ noise,
            (y * 255 / height) as u8,
            noise << 3,
        ])
    });
    let format = match format {
        media::Format::Png => image::ImageFormat::Png,
        media::Format::Gif => image::ImageFormat::Gif,
        media::Format::Bmp => image::ImageFormat::Bmp,
        _ => image::ImageFormat::Jpeg,
    };
    let mut octets = std::io::Cursor::new(Vec::new());
    image
        .write_to(&mut octets, format)
        .expect("a picture encodes");
    octets.into_inner()
}

/// A drawing in 640x480: flat fields and black lines.
fn drawing() -> image::RgbImage {
    image::RgbImage::from_fn(640, 480, |x, y| {
        let field = image::Rgb([(x / 160 * 60) as u8, 200, (y / 120 * 70) as u8]);
        let line = x % 9 == 0 && y / 6 % 3 == 0 || x * 2 == y * 3;
        if line { image::Rgb([0; 3]) } else { field }
    })
}

#[test]
fn pictures_become_what_their_pixels_ask_for() {
    let mut bmp = std::io::Cursor::new(Vec::new());
    let drawn = drawing();
    drawn
        .write_to(&mut bmp, image::ImageFormat::Bmp)
        .expect("a picture encodes");
    let photograph = picture(media::Format::Png, 640, 480, 7);
    let cases = [
        ("image/bmp", bmp.into_inner(), "image/png", "graphic sharp"),
        ("image/png", photograph, "image/jpeg", "looks better"),
    ];
    for (media, octets, becomes, why) in cases {
        let part = Part::new(ContentType::new(media), octets);
        let content_type = ContentType::new("application/vnd.wap.multipart.mixed");
        let message = Message {
            headers: Headers::new(),
            body: Body {
                content_type,
                parts: vec![part],
            },
        };
        let input = Input {
            name: media.to_owned(),
            size: weight(&message),
            message,
        };
        let mut caps = Resolution::safe().expect("it resolves").capabilities;
        caps.max_message_size = Some(Sourced::new(60_000, Source::Override));
        caps.max_image = Some(Sourced::new(Dimensions::new(640, 480), Source::Override));
        let accept = ["image/jpeg", "image/png"].map(str::to_owned).to_vec();
        caps.accept = Some(Sourced::new(accept, Source::Override));
        let adapted = carry_out(&input, &caps);
        judge(&input, &caps, &adapted).expect("the law holds");
        let report = &adapted.report.parts[0];
        assert_eq!(report.type_out.as_deref(), Some(becomes), "{report:?}");
        let told = report
            .reasons
            .iter()
            .any(|reason| reason.limit.contains(why));
        assert!(told, "{report:?}");
        let made = &adapted.message.expect("it fits").body.parts[0];
        let shown = image::load_from_memory(&made.data)
            .expect("it decodes")
            .to_rgb8();
        if becomes == "image/png" {
            assert!(shown == drawn, "nothing of the drawing is lost");
        }
    }
}

/// An AMR file of silence: frames of mode 0 (3GPP TS 26.101).
fn speech(frames: usize) -> Vec<u8> {
    let mut octets = b"#!AMR\n".to_vec();
    for _ in 0..frames {
        octets.push(0x04);
        octets.extend([0; 12]);
    }
    octets
}

/// A clip as a handset of 2003 recorded it: H.263 at QCIF and speech in 3GP.
pub(crate) fn film(frames: u32, seed: u8) -> Vec<u8> {
    let target = Target::BitRate {
        bits_per_second: 64_000,
        duration_us: None,
    };
    let mut encoder = Encoder::new(Config::new(Size::Qcif, Level::L10, target)).unwrap();
    let (chroma, mut pictures) = (vec![seed; 88 * 72], Vec::new());
    for number in 0..frames {
        let shade = |at: usize| (at as u8).wrapping_mul(seed) ^ (number as u8) << 2;
        let luma: Vec<u8> = (0..176 * 144).map(shade).collect();
        let frame = YuvFrame::packed(Size::Qcif, &luma, &chroma, &chroma);
        let time = u64::from(number) * 100_000;
        if let Some(picture) = encoder.encode(&frame, time).unwrap() {
            pictures.push(Sample {
                dts: i64::from(number) * 100,
                pts: i64::from(number) * 100,
                duration: 100,
                keyframe: picture.keyframe,
                data: picture.data.into(),
            });
        }
    }
    let codec = TrackCodec::H263(H263Config {
        level: 10,
        profile: 0,
        bit_rate: None,
    });
    let video = TrackInfo::video(1, codec, 1_000, Dimensions::new(176, 144));
    let sound = Bytes::from(speech(frames as usize * 5));
    let sound = container::read(&sound, &Limits::default()).unwrap();
    let samples: Vec<Sample> = sound.tracks[0].samples().collect();
    let tracks = [
        NewTrack {
            info: &video,
            samples: &pictures,
        },
        NewTrack {
            info: &sound.tracks[0].info,
            samples: &samples,
        },
    ];
    isobmff::write(Brand::ThreeGp4, &tracks).expect("a clip is written")
}

fn any_part() -> impl Strategy<Value = Part> {
    prop_oneof![
        (1_u32..40, any::<u8>()).prop_map(|(frames, seed)| {
            let name = format!("film{seed}.3gp");
            let mut part = Part::new(
                ContentType::new("video/3gpp").with("name", name.clone()),
                film(frames, seed),
            );
            part.content_location = Some(name);
            part
        }),
        "[ -~äöü€Жя日]{0,200}".prop_map(|text| {
            Part::new(
                ContentType::new("text/plain").with("charset", "utf-8"),
                text,
            )
        }),
        (
            prop_oneof![
                Just((media::Format::Jpeg, "image/jpeg", "jpg")),
                Just((media::Format::Png, "image/png", "png")),
                Just((media::Format::Gif, "image/gif", "gif")),
                Just((media::Format::Bmp, "image/bmp", "bmp")),
                Just((media::Format::Png, "image/jpeg", "jpg")),
            ],
            1_u32..400,
            1_u32..400,
            any::<u32>(),
        )
            .prop_map(|((format, media, extension), width, height, seed)| {
                let name = format!("p{seed}.{extension}");
                let mut part = Part::new(
                    ContentType::new(media).with("name", name.clone()),
                    picture(format, width, height, seed),
                );
                part.content_location = Some(name);
                part
            }),
        (0_usize..2_000).prop_map(|frames| {
            let mut part = Part::new(ContentType::new("audio/amr"), speech(frames));
            part.content_id = Some(format!("speech{frames}"));
            part
        }),
        prop::collection::vec(any::<u8>(), 0..3_000)
            .prop_map(|octets| Part::new(ContentType::new("application/x-thing"), octets)),
        Just(Part::new(
            ContentType::new("text/x-vCard"),
            "BEGIN:VCARD\r\nVERSION:2.1\r\nN:Gump;Forrest\r\nTEL;CELL:+441234\r\nEND:VCARD\r\n",
        )),
    ]
}

fn any_message() -> impl Strategy<Value = Message> {
    (prop::collection::vec(any_part(), 1..6), any::<bool>(), "[ -~]{0,30}").prop_map(
        |(mut parts, with_smil, subject)| {
            for (index, part) in parts.iter_mut().enumerate() {
                if part.content_id.is_none() {
                    part.content_id = Some(format!("id{index}"));
                }
            }
            let mut content_type = ContentType::new("application/vnd.wap.multipart.mixed");
            if with_smil {
                let slides: String = parts
                    .iter()
                    .map(|p| {
                        let id = p.content_id.as_deref().unwrap_or_default();
                        let tag = match p.content_type.essence().split('/').next() {
                            Some("image") => "img",
                            Some("audio") => "audio",
                            Some("video") => "video",
                            _ => "text",
                        };
                        format!("<par dur=\"2s\"><{tag} src=\"cid:{id}\"/></par>")
                    })
                    .collect();
                let smil = format!("<smil><head><layout><root-layout width=\"640\" height=\"480\"/></layout></head><body>{slides}</body></smil>");
                let mut part = Part::new(ContentType::new("application/smil"), smil);
                part.content_id = Some("smil".to_owned());
                parts.push(part);
                content_type = ContentType::new("application/vnd.wap.multipart.related")
                    .with("start", "<smil>")
                    .with("type", "application/smil");
            }
            let mut headers = Headers::new();
            headers.add(Field::Subject, HeaderValue::Encoded(EncodedString::new(subject)));
            Message { headers, body: Body { content_type, parts } }
        },
    )
}

fn any_device() -> impl Strategy<Value = Capabilities> {
    let types = vec![
        "image/jpeg",
        "image/gif",
        "image/png",
        "image/vnd.wap.wbmp",
        "image/bmp",
        "audio/amr",
        "audio/midi",
        "text/x-vcard",
        "application/smil",
        "video/3gpp",
    ];
    let charsets = vec![
        "UTF-8",
        "US-ASCII",
        "ISO-8859-1",
        "UTF-16",
        "ISO-10646-UCS-2",
    ];
    (
        2_500_u64..200_000,
        (16_u32..700, 16_u32..700),
        prop::sample::subsequence(types, 0..10),
        prop::sample::subsequence(charsets, 1..5),
    )
        .prop_map(|(size, (width, height), accept, charsets)| {
            let mut caps = Resolution::safe()
                .expect("the class safe resolves")
                .capabilities;
            let own = |list: Vec<&str>| {
                Some(Sourced::new(
                    list.into_iter().map(str::to_owned).collect(),
                    Source::Override,
                ))
            };
            caps.max_message_size = Some(Sourced::new(size, Source::Override));
            caps.max_image = Some(Sourced::new(
                Dimensions::new(width, height),
                Source::Override,
            ));
            caps.accept = own(accept);
            caps.charsets = own(charsets);
            caps
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn every_generated_message_fits_every_generated_device(
        message in any_message(), caps in any_device(),
    ) {
        let size = weight(&message);
        let input = Input { name: "generated".to_owned(), message, size };
        let adapted = carry_out(&input, &caps);
        if let Err(problem) = judge(&input, &caps, &adapted) {
            prop_assert!(false, "{}\n{:#?}", problem, adapted.report);
        }
        let again = carry_out(&input, &caps);
        prop_assert_eq!(adapted.message, again.message);
        prop_assert!(charset::is_known(charset::UTF_8));
    }
}
