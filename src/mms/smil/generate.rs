//! A presentation for a message that has none.

use crate::Dimensions;

use super::{MediaElement, Smil};

/// What one slide shows. Names are what [`super::resolve`] finds the parts by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlideSpec {
    /// A picture or a video, and its name.
    pub visual: Option<(MediaElement, String)>,
    /// Name of a text.
    pub text: Option<String>,
    /// Name of a sound.
    pub audio: Option<String>,
    /// Milliseconds it is shown; five seconds where it is not given.
    pub dur_ms: Option<u64>,
}

/// A presentation of these slides: picture or video in region `Image` above text in region `Text`,
/// laid out for `screen` where it is known.
#[must_use]
pub fn generate(slides: &[SlideSpec], screen: Option<Dimensions>) -> Smil {
    let mut smil = Smil::empty();
    let root = smil.root();
    let head = smil.append_element(root, "head");
    let layout = smil.append_element(head, "layout");
    smil.append_element(layout, "root-layout");
    if slides.iter().any(|slide| slide.visual.is_some()) {
        smil.append_region(layout, "Image", false);
    }
    if slides.iter().any(|slide| slide.text.is_some()) {
        smil.append_region(layout, "Text", true);
    }
    let body = smil.append_element(root, "body");
    for slide in slides {
        let par = smil.append_element(body, "par");
        let dur = slide.dur_ms.unwrap_or(5_000);
        smil.set_attribute(par, "dur", &format!("{dur}ms"));
        let visual = slide
            .visual
            .as_ref()
            .map(|(e, src)| (e.name(), src, Some("Image")));
        let text = slide.text.as_ref().map(|src| ("text", src, Some("Text")));
        let audio = slide.audio.as_ref().map(|src| ("audio", src, None));
        for (name, src, region) in [visual, text, audio].into_iter().flatten() {
            let media = smil.append_element(par, name);
            smil.set_attribute(media, "src", src);
            if let Some(region) = region {
                smil.set_attribute(media, "region", region);
            }
        }
    }
    if let Some(screen) = screen {
        smil.reflow(screen);
    }
    smil
}
