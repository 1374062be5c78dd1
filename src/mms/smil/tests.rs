use super::*;
use crate::Dimensions;

fn smil(text: &str) -> Smil {
    Smil::parse(text.as_bytes(), &Limits::default())
        .unwrap()
        .value
}

fn written(smil: &Smil) -> String {
    String::from_utf8(smil.to_bytes()).unwrap()
}

#[test]
fn references_tell_kind_slide_and_region() {
    let smil = smil(
        "<smil><head><layout/></head><body><par><img src='a' region='Image'/><text src='b'/></par>\
         <seq><video src='c'/><par/></seq><par><x src='d'/><audio/></par></body></smil>",
    );
    let found: Vec<_> = smil
        .references()
        .into_iter()
        .map(|r| (r.element, r.src, r.slide))
        .collect();
    let want = [
        (MediaElement::Img, "a", 0),
        (MediaElement::Text, "b", 0),
        (MediaElement::Video, "c", 1),
        (MediaElement::Other, "d", 3),
    ];
    assert_eq!(found, want.map(|(e, s, n)| (e, s.to_owned(), Some(n))));
    assert_eq!(smil.references()[0].region.as_deref(), Some("Image"));
    assert_eq!(smil.slides(), 4);
    assert_eq!(smil.text_of_slide(0), Some(smil.references()[1].id));
    assert_eq!(smil.text_of_slide(1), None);
    assert_eq!(smil.text_of_slide(9), None);
}

#[test]
fn media_are_changed_and_removed() {
    let mut smil = smil(
        "<smil><body><par dur='1s'><video src='v' region='Image'/><audio src='s'/></par>\
         <par><img src='p'/></par></body></smil>",
    );
    let ids: Vec<RefId> = smil.references().iter().map(|r| r.id).collect();
    smil.set_src(ids[0], "a&b.jpg");
    smil.set_element(ids[0], MediaElement::Img);
    smil.remove(ids[2]);
    assert_eq!(
        written(&smil),
        "<smil><body><par dur=\"1s\"><img src=\"a&amp;b.jpg\" region=\"Image\"/>\
         <audio src=\"s\"/></par></body></smil>"
    );
    smil.remove(ids[0]);
    smil.remove(ids[1]);
    smil.remove(ids[1]);
    assert_eq!(written(&smil), "<smil><body/></smil>");
}

#[test]
fn a_notice_takes_the_place_of_a_medium_once_per_slide() {
    let mut smil = smil(
        "<smil><head><layout><region id='Text'/></layout></head><body>\
         <par><audio src='s' begin='1s'/></par><par><img src='p' region='Image'/><text src='t'/>\
         </par></body></smil>",
    );
    let ids: Vec<RefId> = smil.references().iter().map(|r| r.id).collect();
    assert!(smil.replace_with_text(ids[0], "note.txt"));
    assert!(!smil.replace_with_text(ids[1], "note.txt"));
    let left: Vec<_> = smil
        .references()
        .into_iter()
        .map(|r| (r.src, r.region))
        .collect();
    let text = Some("Text".to_owned());
    assert_eq!(
        left,
        [("note.txt".to_owned(), text), ("t".to_owned(), None)]
    );
}

#[test]
fn regions_scale_with_the_root() {
    let mut smil = smil(
        "<smil><head><layout><root-layout width='160' height='120' background-color='red'/>\
         <region id='Image' width='100%' height='80' left='0' top='0'/>\
         <region id='Text' width='100%' height='40px' left='0' top='80'/></layout></head></smil>",
    );
    smil.reflow(Dimensions::new(320, 360));
    assert_eq!(
        written(&smil),
        "<smil><head><layout>\
         <root-layout width=\"320\" height=\"360\" background-color=\"red\"/>\
         <region id=\"Image\" width=\"100%\" height=\"240\" left=\"0\" top=\"0\"/>\
         <region id=\"Text\" width=\"100%\" height=\"120\" left=\"0\" top=\"240\"/>\
         </layout></head></smil>"
    );
}

#[test]
fn regions_too_small_to_read_are_arranged_anew() {
    let layout = "<smil><head><layout><root-layout width='352' height='416'/>\
                  <region id='Text' height='40' width='100%' top='0' left='0'/>\
                  <region id='Image' height='376' width='100%' top='40' left='0'/></layout></head>\
                  </smil>";
    let place = |smil: &Smil, at: usize| {
        let region = smil.regions()[at];
        ["left", "top", "width", "height"].map(|n| smil.attribute(region, n).unwrap().to_owned())
    };
    let mut portrait = smil(layout);
    portrait.reflow(Dimensions::new(128, 160));
    assert_eq!(
        place(&portrait, 0),
        ["0", "0", "128", "48"],
        "text stays first"
    );
    assert_eq!(place(&portrait, 1), ["0", "48", "128", "112"]);
    let mut landscape = smil(layout);
    landscape.reflow(Dimensions::new(160, 128));
    assert_eq!(place(&landscape, 0), ["0", "0", "80", "128"]);
    assert_eq!(place(&landscape, 1), ["80", "0", "80", "128"]);
}

#[test]
fn missing_regions_are_made() {
    let mut smil = smil(
        "<smil><body><par><img src='a' region='Picture'/><text src='b' region='Words'/>\
         <audio src='c' region='none'/></par></body></smil>",
    );
    smil.reflow(Dimensions::new(176, 208));
    let ids: Vec<_> = smil
        .regions()
        .into_iter()
        .map(|r| smil.attribute(r, "id"))
        .collect();
    assert_eq!(ids, [Some("Picture"), Some("Words")]);
    assert!(written(&smil).starts_with("<smil><head><layout><root-layout width=\"176\""));
    assert_eq!(smil.references()[2].region, None);
}

#[test]
fn timing_is_mended() {
    let mut smil = smil(
        "<smil><body><par/><par dur='0s'/><par dur='3s'/><par end='4s'/><par dur='indefinite'/>\
         </body></smil>",
    );
    smil.fix_timing(&[(2, 7_500), (3, 100), (0, 9_000)]);
    let durations: Vec<_> = (0..5).map(|n| smil.slide_duration(n)).collect();
    assert_eq!(
        durations,
        [Some(9_000), Some(5_000), Some(7_500), None, Some(5_000)]
    );
}

#[test]
fn smil_becomes_mms_smil() {
    let mut smil = smil(
        "<smil><head><transition id='t'/><switch><layout id='1'/><layout id='2'/></switch></head>\
         <body><seq><a href='x'><img src='a' dur='2s' transIn='t'/></a></seq>\
         <par><seq><img src='b'/><animate/></seq><par><text src='c'/></par>\
         <switch><audio src='d'/><audio src='e'/></switch><odd/></par></body></smil>",
    );
    smil.conform();
    assert_eq!(
        written(&smil),
        "<smil><head><layout id=\"1\"/></head><body><par dur=\"2s\"><img src=\"a\"/></par>\
         <par><img src=\"b\"/><text src=\"c\"/><audio src=\"d\"/><odd/></par></body></smil>"
    );
}

#[test]
fn a_presentation_is_made() {
    let slides = [SlideSpec {
        visual: Some((MediaElement::Img, "a.jpg".to_owned())),
        text: Some("t.txt".to_owned()),
        audio: Some("s.amr".to_owned()),
        dur_ms: None,
    }];
    assert_eq!(
        written(&generate(&slides, None)),
        "<smil><head><layout><root-layout/>\
         <region id=\"Image\" left=\"0%\" top=\"0%\" width=\"100%\" height=\"70%\" fit=\"meet\"/>\
         <region id=\"Text\" left=\"0%\" top=\"70%\" width=\"100%\" height=\"30%\" \
         fit=\"scroll\"/></layout></head><body><par dur=\"5000ms\">\
         <img src=\"a.jpg\" region=\"Image\"/><text src=\"t.txt\" region=\"Text\"/>\
         <audio src=\"s.amr\"/></par></body></smil>"
    );
    let fitted = generate(&slides, Some(Dimensions::new(240, 320)));
    assert!(written(&fitted).contains("<root-layout width=\"240\" height=\"320\"/>"));
}

#[test]
fn a_prefix_makes_no_declaration() {
    let text = "<smil><body><par s:xmlns='' dur='5s'/></body></smil>";
    let read = Smil::parse(text.as_bytes(), &Limits::default()).unwrap();
    assert_eq!(read.warnings.len(), 1);
    assert!(!written(&read.value).contains("xmlns"));
}
