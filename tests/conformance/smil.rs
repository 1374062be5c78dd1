//! Presentations: the corpus, the mess real ones are, and what every change must keep true.

use proptest::prelude::*;
use remold::mms::smil::{MediaElement, SlideSpec, Smil, generate, parse_time, resolve};
use remold::mms::{ContentType, DecodeErrorKind, Part};
use remold::{Dimensions, Limits};

use crate::support;

fn parse(text: impl AsRef<[u8]>) -> Smil {
    read(text).0
}

fn read(text: impl AsRef<[u8]>) -> (Smil, usize) {
    let decoded = Smil::parse(text.as_ref(), &Limits::default()).expect("readable");
    (decoded.value, decoded.warnings.len())
}

fn written(smil: &Smil) -> String {
    String::from_utf8(smil.to_bytes()).expect("UTF-8")
}

fn sources(smil: &Smil) -> Vec<String> {
    smil.references().into_iter().map(|r| r.src).collect()
}

/// Every attribute of every element of a kind, from what was written. Ours, so it has one form.
fn elements(smil: &Smil, name: &str) -> Vec<Vec<(String, String)>> {
    let written = written(smil);
    let tags = written
        .split('<')
        .filter_map(|tag| tag.strip_prefix(&format!("{name} ")));
    tags.map(|tag| {
        let mut fields = tag.split('"');
        let mut pairs = Vec::new();
        while let (Some(key), Some(value)) = (fields.next(), fields.next()) {
            pairs.push((
                key.trim().trim_end_matches('=').to_owned(),
                value.to_owned(),
            ));
        }
        pairs
    })
    .collect()
}

#[test]
fn every_presentation_of_the_corpus_is_read_and_written() {
    let Some(folder) = support::corpus("smil") else {
        return;
    };
    let files = support::files(&folder);
    for path in &files {
        let octets = std::fs::read(path).expect("file is readable");
        let (smil, warnings) = read(&octets);
        assert_eq!(warnings, 0, "{}", path.display());
        assert!(
            smil.slides() > 0 && !smil.references().is_empty(),
            "{}",
            path.display()
        );
        assert_eq!(parse(smil.to_bytes()), smil, "{}", path.display());
        for screen in [Dimensions::new(128, 160), Dimensions::new(640, 360)] {
            let mut fitted = smil.clone();
            fitted.conform();
            fitted.fix_timing(&[]);
            fitted.reflow(screen);
            assert_eq!(sources(&fitted), sources(&smil), "{}", path.display());
            check_layout(&fitted, screen);
        }
    }
    println!("{} presentations", files.len());
}

#[test]
fn every_reference_of_mm4_and_mm7_messages_is_found() {
    for (folder, name) in [
        ("mm4", "real-From-hot.eml"),
        ("mm4", "real-mmsfromcelcom.eml"),
    ] {
        let Some(path) = support::corpus(&format!("{folder}/{name}")) else {
            return;
        };
        let octets = std::fs::read(path).expect("file is readable");
        let message = remold::mms::mime::decode(&octets.into(), &Limits::default())
            .expect("readable")
            .value;
        let presentation = message.body.presentation().expect("a presentation");
        let smil = parse(&message.body.parts[presentation].data);
        for src in sources(&smil) {
            assert!(
                resolve(&src, &message.body.parts).is_some(),
                "{name}: {src}"
            );
        }
    }
}

// Pitfalls of real senders, by their number in the list of the protocol study.

#[test]
fn pitfall_8_a_part_that_is_not_there_is_not_found() {
    let smil = parse(
        "<smil><body><par><img src='/tmp/phpXYZ/a.jpg'/><img src='gone'/></par></body></smil>",
    );
    let mut part = Part::new(ContentType::new("image/jpeg"), "");
    part.content_location = Some("/tmp/php123/A.JPG".to_owned());
    let found: Vec<_> = sources(&smil)
        .iter()
        .map(|src| resolve(src, &[part.clone()]))
        .collect();
    assert_eq!(found, [Some(0), None]);
}

#[test]
fn pitfall_16_entities_are_not_expanded() {
    let (smil, warnings) = read(
        "\u{FEFF}<?xml version=\"1.0\"?><!DOCTYPE smil PUBLIC \"-//W3C//DTD SMIL 2.0//EN\" \
         \"http://www.w3.org/2001/SMIL20/SMIL20.dtd\" [<!ENTITY a \"boom\">\
         <!ENTITY file SYSTEM \"file:///etc/passwd\">]>\
         <smil xmlns=\"http://www.w3.org/2001/SMIL20/Language\"><!-- <par/> --><body><par>\
         <text src=\"&a;&#x41;&amp;&file;.txt\"/><x>&a;<![CDATA[<&]]>&lt;</x></par></body></smil>",
    );
    assert_eq!(sources(&smil), ["&a;A&&file;.txt"]);
    assert!(warnings > 0);
    let text = written(&smil);
    assert!(!text.contains("boom") && !text.contains("DOCTYPE") && !text.contains("xmlns"));
    assert!(text.contains("<x>&amp;a;&lt;&amp;&lt;</x>"), "{text}");
}

#[test]
fn an_entity_bomb_stays_small() {
    let mut bomb = "<!DOCTYPE smil [<!ENTITY a0 \"lol\">".to_owned();
    for n in 1..60 {
        bomb.push_str(&format!(
            "<!ENTITY a{n} \"{}\">",
            format!("&a{};", n - 1).repeat(10)
        ));
    }
    bomb.push_str("]><smil><body><par><text src='&a59;'/></par></body></smil>");
    assert_eq!(sources(&parse(&bomb)), ["&a59;"]);
}

#[test]
fn too_much_of_anything_is_refused() {
    let limits = Limits {
        xml_bytes: 64 << 20,
        ..Limits::default()
    };
    let refused = |text: &str, limits: &Limits| {
        let error = Smil::parse(text.as_bytes(), limits).unwrap_err();
        match error.kind {
            DecodeErrorKind::Limit { limit, .. } => (error.offset, limit),
            other => panic!("{other}"),
        }
    };
    let deep = format!("<smil>{}", "<a>".repeat(1_000_000));
    assert_eq!(refused(&deep, &Limits::default()), (1 << 20, 1 << 20));
    let (offset, limit) = refused(&deep, &limits);
    assert_eq!(limit, 64);
    assert!(offset < 300, "the 65th level stops it");
    let wide = format!("<smil>{}", "<a/>".repeat(1_000_000));
    let (offset, limit) = refused(&wide, &limits);
    assert_eq!(limit, 20_000);
    assert!(offset < 100_000);
    let many = format!("<smil><body {}/></smil>", "a=1 b=2 ".repeat(100_000));
    assert!(read(&many).1 <= 100, "warnings are bounded too");
    let names: String = (0..50_000).map(|n| format!("a{n}=1 ")).collect();
    assert_eq!(
        elements(&parse(format!("<smil {names}/>")), "smil")[0].len(),
        64
    );
}

#[test]
fn what_is_no_presentation_is_an_error_with_an_offset() {
    let kind = |octets: &[u8]| Smil::parse(octets, &Limits::default()).unwrap_err();
    assert_eq!(kind(b"").kind, DecodeErrorKind::Empty);
    assert_eq!(kind(b" \n").kind, DecodeErrorKind::Empty);
    assert_eq!(
        kind(b"just words").kind,
        DecodeErrorKind::Missing("the smil element")
    );
    let html = kind(b"  <html></html>");
    assert_eq!(
        html.to_string(),
        "this is an XML document of type html (at byte 2)"
    );
}

#[test]
fn tags_are_mended() {
    for (text, mended) in [
        (
            "<SMIL><Body><PAR Dur=1s><IMG SRC=a.jpg Region='Image'><text src=\"b\"></par></body>",
            "<smil><body><par dur=\"1s\"><img src=\"a.jpg\" region=\"Image\"/><text src=\"b\"/></par>\
             </body></smil>",
        ),
        (
            "<s:smil xmlns:s='u'><s:body><s:par><s:img s:src='a'/></s:seq></s:par>",
            "<smil><body><par><img src=\"a\"/></par></body></smil>",
        ),
        (
            "<smil><head><layout><root-layout width='1'><region id='Text'></layout></head><body>\
             <par><img src='a'",
            "<smil><head><layout><root-layout width=\"1\"/><region id=\"Text\"/></layout></head>\
             <body><par/></body></smil>",
        ),
        ("<smil a='1' a='2' 3='4'/><smil/>", "<smil a=\"1\"/>"),
    ] {
        let (smil, warnings) = read(text);
        assert_eq!(written(&smil), mended);
        assert!(warnings > 0, "{text}");
    }
}

#[test]
fn charsets_are_read() {
    let want = "<smil><body><par><img src=\"ä.jpg\"/></par></body></smil>";
    let text = format!("<?xml version=\"1.0\" encoding=\"utf-16\"?>{want}");
    let wide: Vec<u16> = text.encode_utf16().collect();
    let little: Vec<u8> = wide.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let big: Vec<u8> = wide.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    let latin: Vec<u8> = format!("<?xml version='1.0' encoding='ISO-8859-1' ?>{want}")
        .chars()
        .map(|c| u8::try_from(u32::from(c)).expect("Latin-1"))
        .collect();
    let mut marked = vec![0xFF, 0xFE];
    marked.extend_from_slice(&little);
    for octets in [little, big, latin, marked, text.into_bytes()] {
        assert_eq!(written(&parse(octets)), want);
    }
}

#[test]
fn unknown_harmless_things_survive() {
    let text = "<smil><head><meta name=\"author\" content=\"a &amp; b\"/><x-vendor y=\"z\"/></head>\
                <body><par dur=\"8s\"><text src=\"t\"><param name=\"textsize\" value=\"small\"/></text>\
                </par></body></smil>";
    let mut smil = parse(text);
    assert_eq!(written(&smil), text);
    smil.conform();
    assert_eq!(written(&smil), text);
}

fn check_layout(smil: &Smil, screen: Dimensions) {
    let root = elements(smil, "root-layout");
    let value = |element: &[(String, String)], name: &str| {
        let found = element.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone())
    };
    assert_eq!(value(&root[0], "width"), Some(screen.width.to_string()));
    assert_eq!(value(&root[0], "height"), Some(screen.height.to_string()));
    for region in elements(smil, "region") {
        for (start, size, root) in [
            ("left", "width", screen.width),
            ("top", "height", screen.height),
        ] {
            let pixels = |name: &str| -> Option<f64> {
                let text = value(&region, name)?;
                match text.strip_suffix('%') {
                    Some(percent) => Some(percent.parse::<f64>().ok()? * f64::from(root) / 100.0),
                    None => text.trim_end_matches("px").parse().ok(),
                }
            };
            let (start, size) = (pixels(start).unwrap_or_default(), pixels(size));
            assert!(
                start >= 0.0 && start <= f64::from(root),
                "{region:?} on {screen}"
            );
            let end = start + size.unwrap_or_default();
            // Percent are rounded down to pixels, so up to one may be lost per length.
            assert!(end < f64::from(root) + 2.0, "{region:?} on {screen}");
        }
    }
    let ids: Vec<Option<String>> = elements(smil, "region")
        .iter()
        .map(|region| value(region, "id"))
        .collect();
    for reference in smil.references() {
        if let Some(region) = reference.region.filter(|r| !r.is_empty()) {
            assert!(ids.contains(&Some(region)), "every region in use is there");
        }
    }
}

fn length() -> impl Strategy<Value = String> {
    prop_oneof![
        (0..2_000_u32).prop_map(|n| n.to_string()),
        (0..2_000_u32).prop_map(|n| format!("{n}px")),
        (0..=150_u32).prop_map(|n| format!("{n}%")),
        Just("33.3%".to_owned()),
    ]
}

fn layout() -> impl Strategy<Value = String> {
    let attribute = |name: &'static str| {
        proptest::option::of(length())
            .prop_map(move |v| v.map_or_else(String::new, |v| format!(" {name}='{v}'")))
    };
    let sides = ("left", "top", "width", "height");
    let box_of = (
        attribute(sides.0),
        attribute(sides.1),
        attribute(sides.2),
        attribute(sides.3),
    );
    let region = ("(Image|Text|image|Top|a)", box_of)
        .prop_map(|(id, (l, t, w, h))| format!("<region id='{id}'{l}{t}{w}{h}/>"));
    let root = (attribute("width"), attribute("height"));
    let media =
        "(<img src='i' region='(Image|Top|b)'/>|<text src='t' region='(Text|TEXT|a)'/>){0,2}";
    (root, proptest::collection::vec(region, 0..4), media).prop_map(|((w, h), regions, media)| {
        format!(
            "<smil><head><layout><root-layout{w}{h}/>{}</layout></head><body><par>{media}</par>\
             </body></smil>",
            regions.concat()
        )
    })
}

fn soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("<par>".to_owned()),
        Just("</par>".to_owned()),
        Just("<par dur='0'/>".to_owned()),
        Just("<seq>".to_owned()),
        Just("<switch>".to_owned()),
        Just("<img src='a b' region=Image>".to_owned()),
        Just("<text src=\"x&amp;&y;&#10;\"/>".to_owned()),
        Just("<audio src='s'/></audio>".to_owned()),
        Just("</body><head><layout><region id=\"Text\" top='9'/></layout></head><body>".to_owned()),
        Just("<![CDATA[ ]] > ]]>".to_owned()),
        Just("<!-- -- -->".to_owned()),
        Just("<a:b c:d=e f>".to_owned()),
        Just("&lt;&nbsp;&".to_owned()),
        "[ -~é\r\n\t\u{0}\u{FFFE}]{0,12}",
    ];
    proptest::collection::vec(piece, 0..20)
        .prop_map(|pieces| format!("<smil><body>{}", pieces.concat()))
}

proptest! {
    #[test]
    fn what_was_read_is_written_and_read_the_same(text in soup()) {
        let smil = parse(&text);
        let again = Smil::parse(&smil.to_bytes(), &Limits::default()).expect("well-formed");
        prop_assert_eq!(again.value.to_bytes(), smil.to_bytes());
        prop_assert_eq!(again.warnings, []);
        prop_assert_eq!(again.value.references().len(), smil.references().len());
    }

    #[test]
    fn any_octets_are_taken(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Smil::parse(&octets, &Limits::default());
    }

    #[test]
    fn any_text_is_taken(text in "<smil>([<>/='\"&;!\\[\\]?-]|par|img|src|.){0,60}") {
        let _ = Smil::parse(text.as_bytes(), &Limits::default());
        let _ = parse_time(&text);
    }

    #[test]
    fn a_layout_fits_and_a_second_time_changes_nothing(
        text in layout(),
        width in 1..1_000_u32,
        height in 1..1_000_u32,
    ) {
        let screen = Dimensions::new(width, height);
        let mut smil = parse(&text);
        smil.reflow(screen);
        check_layout(&smil, screen);
        let once = smil.to_bytes();
        smil.reflow(screen);
        prop_assert_eq!(String::from_utf8(smil.to_bytes()), String::from_utf8(once));
    }

    #[test]
    fn conforming_keeps_the_media_and_settles(text in soup()) {
        let mut smil = parse(&text);
        let before = smil.references().len();
        smil.conform();
        smil.fix_timing(&[]);
        prop_assert!(smil.references().len() <= before);
        prop_assert!((0..smil.slides()).all(|n| smil.slide_duration(n).is_some_and(|ms| ms > 0)));
        let once = smil.to_bytes();
        smil.conform();
        smil.fix_timing(&[]);
        prop_assert_eq!(smil.to_bytes(), once.clone());
        prop_assert_eq!(parse(&once).to_bytes(), once);
    }

    #[test]
    fn taking_everything_out_leaves_no_slide_with_media(text in soup()) {
        let mut smil = parse(&text);
        for reference in smil.references() {
            smil.remove(reference.id);
        }
        prop_assert_eq!(smil.references(), []);
    }

    #[test]
    fn a_notice_is_shown_or_the_slide_has_a_text(text in soup()) {
        let mut smil = parse(&text);
        for reference in smil.references() {
            let slide = reference.slide.expect("a slide");
            let texts = smil.references().len();
            if smil.replace_with_text(reference.id, "note") {
                prop_assert!(sources(&smil).iter().any(|src| src == "note"));
            } else {
                prop_assert!(smil.references().len() < texts, "slide {slide}");
            }
        }
    }

    #[test]
    fn a_made_presentation_resolves(count in 0..6_usize, width in 1..800_u32, height in 1..800_u32) {
        let slides: Vec<SlideSpec> = (0..count)
            .map(|n| SlideSpec {
                visual: Some((MediaElement::Img, format!("<{n}&\".jpg"))),
                text: (n % 2 == 0).then(|| format!("{n}.txt")),
                audio: (n % 3 == 0).then(|| format!("{n}.amr")),
                dur_ms: Some(1_000),
            })
            .collect();
        let screen = Dimensions::new(width, height);
        let smil = generate(&slides, Some(screen));
        prop_assert_eq!(parse(smil.to_bytes()).references(), smil.references());
        prop_assert_eq!(smil.slides(), count);
        check_layout(&smil, screen);
    }
}
