//! Small documents of our own, one for each quirk of the real ones.

use proptest::prelude::*;

use super::{UaProf, read};
use crate::Limits;
use crate::dimensions::Dimensions;
use crate::mms::DecodeErrorKind;
use crate::profile::facts::Facts;

const HEAD: &str = "<?xml version=\"1.0\"?><rdf:RDF xmlns:rdf=\"r#\" xmlns:prf=\"p#\" xmlns:mms=\"m#\">\
    <rdf:Description rdf:ID=\"Profile\">";
const TAIL: &str = "</rdf:Description></rdf:RDF>";

fn profile(octets: &[u8]) -> UaProf {
    read(octets, &Limits::default()).unwrap().value
}

/// Facts of a document whose components are `inner`.
fn facts(inner: &str) -> Facts {
    profile(format!("{HEAD}{inner}{TAIL}").as_bytes()).facts().0
}

fn refused(octets: &[u8]) -> DecodeErrorKind {
    read(octets, &Limits::default()).unwrap_err().kind
}

fn texts(items: &[&str]) -> Option<Vec<String>> {
    Some(items.iter().map(|item| (*item).to_owned()).collect())
}

const MMS: &str = "<prf:component><rdf:Description rdf:ID=\"MmsCharacteristics\">\
    <rdf:type rdf:resource=\"m#MmsCharacteristics\"/>\
    <mms:MmsMaxMessageSize>45000</mms:MmsMaxMessageSize>\
    <mms:MmsMaxImageResolution>640x480</mms:MmsMaxImageResolution>\
    <mms:MmsCcppAccept><rdf:Bag><rdf:li>image/jpeg</rdf:li><rdf:li>text/x-vCard</rdf:li></rdf:Bag>\
    </mms:MmsCcppAccept></rdf:Description></prf:component>";

#[test]
fn a_plain_document() {
    let facts = facts(MMS);
    assert_eq!(facts.max_message_size, Some(45_000));
    assert_eq!(facts.max_image, Some(Dimensions::new(640, 480)));
    assert_eq!(facts.accept, texts(&["image/jpeg", "text/x-vCard"]));
    let profile = profile(format!("{HEAD}{MMS}{TAIL}").as_bytes());
    let component = profile.attributes[0].component.as_deref();
    assert_eq!(component, Some("MmsCharacteristics"));
}

#[test]
fn case_prefixes_and_components_do_not_count() {
    let inner = "<component><Description ID=\"MMSCHARACTERISTICS\">\
        <x:mmsmaxmessagesize>1</x:mmsmaxmessagesize></Description></component><prf:SCREENSIZE>\
        1x2</prf:SCREENSIZE>";
    let facts = facts(inner);
    assert_eq!(facts.max_message_size, Some(1));
    assert_eq!(facts.screen, Some(Dimensions::new(1, 2)));
}

#[test]
fn entities_in_namespaces_and_values() {
    let document = "<!DOCTYPE rdf:RDF [ <!ENTITY ns-mms 'http://mms/#'> <!ENTITY k \"000\"> ]>\
        <rdf:RDF xmlns:mms='&ns-mms;'><rdf:Description><rdf:type rdf:resource='&ns-mms;MmsCharacteristics'/>\
        <mms:MmsMaxMessageSize>300&k;</mms:MmsMaxMessageSize></rdf:Description></rdf:RDF>";
    let profile = profile(document.as_bytes());
    assert_eq!(profile.facts().0.max_message_size, Some(300_000));
    assert_eq!(
        profile.attributes[0].component.as_deref(),
        Some("MmsCharacteristics")
    );
}

#[test]
fn truncated_documents_give_what_they_have() {
    let whole = format!("{HEAD}{MMS}");
    let cut = whole.find("text/x-vCard").unwrap();
    let decoded = read(&whole.as_bytes()[..cut], &Limits::default()).unwrap();
    assert_eq!(decoded.value.facts().0.accept, texts(&["image/jpeg"]));
    assert!(
        decoded
            .warnings
            .iter()
            .any(|w| w.message.contains("cut off"))
    );
    let mut padded = whole.into_bytes();
    padded.extend([0; 5000]);
    assert_eq!(profile(&padded).facts().0.max_message_size, Some(45_000));
}

#[test]
fn debris_around_and_between_elements() {
    let tree_view = format!("\r\n junk & <junk \n{HEAD}{TAIL}").replace(TAIL, "");
    let inner = "\n- <prf:component>\n  - <rdf:Description>\n<prf:Model>6100</prf:Model>\n\
        - <mms:MmsCcppAccept>\n- <rdf:Bag>\n  <rdf:li>image/gif</rdf:li>\n  </rdf:Bag>\n\
        </mms:MmsCcppAccept>";
    let document = format!("{tree_view}{inner}{TAIL} <trailing>text");
    let facts = profile(document.as_bytes()).facts().0;
    assert_eq!(facts.model.as_deref(), Some("6100"));
    assert_eq!(facts.accept, texts(&["image/gif"]));
    let marked = [b"\xef\xbb\xbf".as_slice(), document.as_bytes()].concat();
    assert_eq!(profile(&marked).facts().0, facts);
}

#[test]
fn other_encodings() {
    let document = format!("{HEAD}<prf:Model>caf\u{e9}</prf:Model>{TAIL}");
    let utf16: Vec<u8> = [0xfeff]
        .into_iter()
        .chain(document.encode_utf16())
        .flat_map(u16::to_be_bytes)
        .collect();
    let latin: Vec<u8> = document
        .replace("?>", " encoding='ISO-8859-1'?>")
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap())
        .collect();
    for octets in [utf16, latin, document.into_bytes()] {
        assert_eq!(profile(&octets).value("Model"), Some("caf\u{e9}"));
    }
}

#[test]
fn lists_in_every_form() {
    for list in [
        "<rdf:Bag><rdf:li>1.0</rdf:li><rdf:li>1.1</rdf:li></rdf:Bag>",
        "<rdf:Seq><rdf:_1>1.0</rdf:_1><rdf:_2> 1.1\n</rdf:_2></rdf:Seq>",
        "<rdf:li>1.0</rdf:li><rdf:li>1.1</rdf:li>",
        "<rdf:Bag><rdf:li>1.0<rdf:li>1.1</rdf:Bag>",
        "<rdf:Bag><rdf:li rdf:resource=\"1.0\"/><li>1.1</li><li>1.0</li><li/></rdf:Bag>",
        "1.0, 1.1",
    ] {
        let facts = facts(&format!("<mms:MmsVersion>{list}</mms:MmsVersion>"));
        assert_eq!(facts.mms_versions, texts(&["1.0", "1.1"]), "{list}");
    }
    let literal =
        facts("<mms:MmsVersion>1.2</mms:MmsVersion><mms:MmsContentClass></mms:MmsContentClass>");
    assert_eq!(literal.mms_versions, texts(&["1.2"]));
    assert_eq!(literal.content_classes, None);
}

#[test]
fn junk_in_lists_is_left_out() {
    let facts = facts(
        "<mms:MmsCcppAccept><rdf:Bag><rdf:li>image/gif</rdf:li><rdf:li>UTF-8</rdf:li>\
         <rdf:li>application/vnd.wap.text/plain</rdf:li><rdf:li>IMAGE/GIF</rdf:li>\
         <rdf:li>video/3gpp;level=60</rdf:li></rdf:Bag></mms:MmsCcppAccept>\
         <mms:MmsContentClass><rdf:Bag><rdf:li>tx</rdf:li><rdf:li>ZZ</rdf:li></rdf:Bag>\
         </mms:MmsContentClass>",
    );
    assert_eq!(facts.accept, texts(&["image/gif", "video/3gpp;level=60"]));
    assert_eq!(facts.content_classes, texts(&["TX"]));
}

#[test]
fn numbers_and_sizes_with_noise() {
    let facts = facts(
        "<mms:MmsMaxMessageSize>\n  307200\t</mms:MmsMaxMessageSize>\
         <mms:MmsMaxImageResolution> 640 * 480 </mms:MmsMaxImageResolution>\
         <prf:ScreenSize>176\u{d7}220</prf:ScreenSize><prf:BitsPerPixel>many</prf:BitsPerPixel>\
         <prf:ColorCapable>YES</prf:ColorCapable>",
    );
    assert_eq!(facts.max_message_size, Some(307_200));
    assert_eq!(facts.max_image, Some(Dimensions::new(640, 480)));
    assert_eq!(facts.screen, Some(Dimensions::new(176, 220)));
    assert_eq!((facts.bits_per_pixel, facts.color), (None, Some(true)));
    let freak = "<mms:MmsMaxMessageSize>1MBout-2MBin</mms:MmsMaxMessageSize><prf:ScreenSize/>";
    let (facts, warnings) = profile(format!("{HEAD}{freak}{TAIL}").as_bytes()).facts();
    assert_eq!((facts.max_message_size, facts.screen), (None, None));
    assert_eq!(warnings.len(), 1);
}

#[test]
fn spelling_variants_and_several_components() {
    let facts = facts(&format!(
        "<mms:MmsCcppAccept-Charset><rdf:Bag><rdf:li>UTF-8</rdf:li></rdf:Bag>\
         </mms:MmsCcppAccept-Charset>{MMS}<prf:component><rdf:Description>\
         <mms:MmsMaxMessageSize>1</mms:MmsMaxMessageSize>\
         <prf:DrmClass>ForwardLock</prf:DrmClass><prf:DrmClass>SeparateDelivery</prf:DrmClass>\
         <prf:BitsPerPixel>8</prf:BitsPerPixel><prf:BitsPerPixel>16</prf:BitsPerPixel>\
         </rdf:Description></prf:component>"
    ));
    assert_eq!(facts.charsets, texts(&["UTF-8"]));
    assert_eq!(facts.max_message_size, Some(45_000));
    assert_eq!(facts.drm, texts(&["ForwardLock", "SeparateDelivery"]));
    assert_eq!(facts.bits_per_pixel, Some(16));
}

#[test]
fn attributes_that_never_end() {
    let facts = facts(
        "<mms:MmsCcppAccept><rdf:Bag><rdf:li>image/gif</rdf:li><mms:MmsVersion><rdf:Bag>\
         <rdf:li>1.2</rdf:li></rdf:Bag></mms:MmsVersion>",
    );
    assert_eq!(facts.accept, texts(&["image/gif"]));
    assert_eq!(facts.mms_versions, texts(&["1.2"]));
}

#[test]
fn values_as_xml_attributes_and_typed_components() {
    let facts = facts(
        "<prf:component><prf:HardwarePlatform rdf:ID=\"x\" prf:Model=\"M1\" prf:BitsPerPixel=\"2\">\
         <prf:Vendor>V</prf:Vendor></prf:HardwarePlatform></prf:component>",
    );
    assert_eq!(facts.model.as_deref(), Some("M1"));
    assert_eq!(facts.vendor.as_deref(), Some("V"));
    assert_eq!(facts.bits_per_pixel, Some(2));
}

#[test]
fn defaults_by_reference_and_inside() {
    let profile = profile(
        format!(
            "{HEAD}<prf:defaults rdf:resource=\"http://a.b/d.xml\"/><prf:Defaults>\
             <prf:ScreenSize>1x1</prf:ScreenSize><prf:Model>D</prf:Model></prf:Defaults>\
             <prf:ScreenSize>2x2</prf:ScreenSize>{TAIL}"
        )
        .as_bytes(),
    );
    assert_eq!(profile.defaults, ["http://a.b/d.xml"]);
    assert_eq!(profile.value("ScreenSize"), Some("2x2"));
    assert_eq!(profile.value("Model"), Some("D"));
}

#[test]
fn what_is_no_profile_says_what_it_is() {
    assert_eq!(refused(b""), DecodeErrorKind::Empty);
    let page = refused(b"<!DOCTYPE html><HTML><body>404</body></HTML>");
    assert!(matches!(page, DecodeErrorKind::WrongKind(what) if what.contains("html")));
    assert!(matches!(
        refused(b"plain text"),
        DecodeErrorKind::WrongKind(_)
    ));
    let stub =
        format!("{HEAD}<prf:component><rdf:Description rdf:ID=\"a\"/></prf:component>{TAIL}");
    assert!(matches!(
        refused(stub.as_bytes()),
        DecodeErrorKind::Missing(_)
    ));
}

#[test]
fn every_bound_holds() {
    let deep = "<prf:component>".repeat(100);
    assert!(matches!(
        refused(deep.as_bytes()),
        DecodeErrorKind::Limit { limit: 64, .. }
    ));
    let many = "<prf:component/>".repeat(20_001);
    assert!(matches!(
        refused(many.as_bytes()),
        DecodeErrorKind::Limit { limit: 20_000, .. }
    ));
    let long = vec![b' '; (1 << 20) + 1];
    assert!(matches!(refused(&long), DecodeErrorKind::Limit { .. }));
    let bomb = "<!DOCTYPE r [<!ENTITY a '0123456789'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>\
        <!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'><!ENTITY d '&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;'>\
        <!ENTITY e '&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;'><!ENTITY f '&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;'>\
        <!ENTITY g '&f;&f;&f;&f;&f;&f;&f;&f;&f;&f;'>]><RDF><Model>&g;</Model></RDF>";
    assert!(matches!(
        refused(bomb.as_bytes()),
        DecodeErrorKind::Limit { .. }
    ));
}

/// Pieces that documents are made of, whole and broken.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("<rdf:RDF>".to_owned()),
        Just("</rdf:RDF>".to_owned()),
        Just("<rdf:Bag>".to_owned()),
        Just("</rdf:Bag>".to_owned()),
        Just("<rdf:li>".to_owned()),
        Just("</rdf:li>".to_owned()),
        Just("<mms:MmsCcppAccept>".to_owned()),
        Just("</mms:MmsCcppAccept>".to_owned()),
        Just("<prf:Defaults>".to_owned()),
        Just("<!DOCTYPE r [<!ENTITY a '&b;'><!ENTITY b '&a;'>]>".to_owned()),
        Just("&a;".to_owned()),
        Just("<!--".to_owned()),
        Just("<![CDATA[".to_owned()),
        Just("<a b='".to_owned()),
        "[<>/&;'\"= a-z\u{e9}0-9]{0,12}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_octets_never_panic(octets in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = read(&octets, &Limits::default()).map(|d| d.value.facts());
    }

    #[test]
    fn broken_documents_never_panic(pieces in prop::collection::vec(piece(), 0..60)) {
        let document = pieces.concat();
        if let Ok(decoded) = read(document.as_bytes(), &Limits::default()) {
            let values: usize = decoded.value.attributes.iter().flat_map(|a| &a.values).map(String::len).sum();
            prop_assert!(values <= document.len() * 8);
        }
    }
}
