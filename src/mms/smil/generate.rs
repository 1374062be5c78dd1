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
        smil.append_to(body, slide);
    }
    if let Some(screen) = screen {
        smil.reflow(screen);
    }
    smil
}

impl Smil {
    /// Adds a slide behind the last one.
    pub fn append_slide(&mut self, slide: &SlideSpec) {
        let root = self.root();
        let body = match self.body() {
            Some(body) => body,
            None => self.append_element(root, "body"),
        };
        self.append_to(body, slide);
    }

    fn append_to(&mut self, body: usize, slide: &SlideSpec) {
        let par = self.append_element(body, "par");
        let dur = slide.dur_ms.unwrap_or(5_000);
        self.set_attribute(par, "dur", &format!("{dur}ms"));
        let visual = slide
            .visual
            .as_ref()
            .map(|(e, src)| (e.name(), src, Some("Image")));
        let text = slide.text.as_ref().map(|src| ("text", src, Some("Text")));
        let audio = slide.audio.as_ref().map(|src| ("audio", src, None));
        for (name, src, region) in [visual, text, audio].into_iter().flatten() {
            let media = self.append_element(par, name);
            self.set_attribute(media, "src", src);
            if let Some(region) = region {
                self.set_attribute(media, "region", region);
            }
        }
    }
}
