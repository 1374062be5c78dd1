//! Changes to media elements.

use super::{MediaElement, RefId, Smil};

impl Smil {
    /// Makes a media element show another part.
    pub fn set_src(&mut self, id: RefId, src: &str) {
        self.set_attribute(id.0, "src", src);
    }

    /// Makes a media element one of another kind, such as an `img` of a `video`.
    pub fn set_element(&mut self, id: RefId, element: MediaElement) {
        self.set_name(id.0, element.name());
    }

    /// Takes a media element out, and with it every `par` and other container of the body that
    /// shows nothing any more.
    pub fn remove(&mut self, id: RefId) {
        let mut parent = self.parent(id.0);
        self.detach(id.0);
        while let Some(node) = parent {
            if self.is(node, "body") || self.is(node, "smil") || self.shows_anything(node) {
                break;
            }
            parent = self.parent(node);
            self.detach(node);
        }
    }

    /// Makes a media element a text that shows `src`, in the region for text if there is one.
    ///
    /// A slide has one text: where another is there already, the element is taken out instead and
    /// the answer is `false`, so that the caller can add to the part of that text. So it is for an
    /// element that has been taken out before.
    pub fn replace_with_text(&mut self, id: RefId, src: &str) -> bool {
        let Some(slide) = self.slide_of(id.0) else {
            return false;
        };
        let other = self
            .elements_below(slide)
            .into_iter()
            .any(|node| node != id.0 && self.is(node, "text") && self.is_media(node));
        if other {
            self.remove(id);
            return false;
        }
        self.set_name(id.0, "text");
        self.retain_attributes(id.0, |name| matches!(name, "id" | "region" | "src"));
        self.set_src(id, src);
        if let Some(region) = self.text_region() {
            self.set_attribute(id.0, "region", &region);
        }
        true
    }

    /// Adds a text that shows `src` to a slide that has none; whether it is there now. It is not
    /// where the layout has no region for text.
    pub fn add_text(&mut self, slide: usize, src: &str) -> bool {
        let node = self.slide_nodes().get(slide).copied();
        let (Some(node), None) = (node, self.text_of_slide(slide)) else {
            return false;
        };
        let Some(region) = self.text_region() else {
            return false;
        };
        let text = self.append_element(node, "text");
        self.set_attribute(text, "src", src);
        self.set_attribute(text, "region", &region);
        true
    }

    fn shows_anything(&self, node: usize) -> bool {
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            if self.is_media(node) {
                return true;
            }
            open.extend(self.children(node));
        }
        false
    }

    /// The identifier of the region for text, in its own spelling.
    fn text_region(&self) -> Option<String> {
        self.regions()
            .into_iter()
            .filter_map(|region| self.attribute(region, "id"))
            .find(|id| id.eq_ignore_ascii_case("Text"))
            .map(str::to_owned)
    }
}
