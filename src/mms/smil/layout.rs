//! The layout of a presentation on the screen of a device.

use std::collections::BTreeMap;

use crate::Dimensions;

use super::length::Length;
use super::{MediaElement, Smil};

/// Least height of a line of text on a phone, in pixels.
const LINE: u32 = 16;
/// Least height of a region: two lines of text.
const LEAST: u32 = 2 * LINE;

impl Smil {
    /// Lays the presentation out for a screen. A second time changes nothing.
    ///
    /// The root layout becomes the screen. Pixels of regions are scaled in proportion, percent and
    /// other units stay, and what would reach outside the root is cut off. Media that name a region
    /// nobody defined get one. Where the region for text or the one for pictures is not high (or in
    /// landscape wide) enough for two lines of 16 pixels, the two are stacked in portrait and put
    /// side by side in landscape, in the order they were in.
    pub fn reflow(&mut self, screen: Dimensions) {
        let root_layout = self.root_layout();
        let old = self.old_root(root_layout, screen);
        self.set_attribute(root_layout, "width", &screen.width.to_string());
        self.set_attribute(root_layout, "height", &screen.height.to_string());
        self.define_missing_regions();
        for region in self.regions() {
            self.scale(region, screen, old);
            self.clamp(region, &HORIZONTAL, screen.width);
            self.clamp(region, &VERTICAL, screen.height);
        }
        self.make_room(screen);
    }

    /// The regions of the layout, in document order.
    pub(super) fn regions(&self) -> Vec<usize> {
        let Some(head) = self.child(self.root(), "head") else {
            return Vec::new();
        };
        let mut regions = self.elements_below(head);
        regions.retain(|node| self.is(*node, "region"));
        regions
    }

    /// Appends a region to the layout: the upper 70 percent, or for text the rest.
    pub(super) fn append_region(&mut self, layout: usize, id: &str, is_text: bool) {
        let region = self.append_element(layout, "region");
        let (top, height, fit) = if is_text {
            ("70%", "30%", "scroll")
        } else {
            ("0%", "70%", "meet")
        };
        for (name, value) in [
            ("id", id),
            ("left", "0%"),
            ("top", top),
            ("width", "100%"),
            ("height", height),
            ("fit", fit),
        ] {
            self.set_attribute(region, name, value);
        }
    }

    fn layout(&mut self) -> usize {
        let head = self.child_or_new(self.root(), "head");
        let found = self.elements_below(head);
        match found.into_iter().find(|node| self.is(*node, "layout")) {
            Some(layout) => layout,
            None => self.child_or_new(head, "layout"),
        }
    }

    fn root_layout(&mut self) -> usize {
        let layout = self.layout();
        self.child_or_new(layout, "root-layout")
    }

    /// The root the pixels of the regions were meant for: the root layout's own, or where it does
    /// not say the screen, larger if the regions are.
    fn old_root(&self, root_layout: usize, screen: Dimensions) -> Dimensions {
        let own = |name: &str| match Length::parse(self.attribute(root_layout, name)?)? {
            Length::Pixels(pixels) if pixels > 0 => Some(pixels),
            _ => None,
        };
        let reach = |axis: &Axis, screen: u32| {
            let pixels = |region: usize, name: &str| match self
                .attribute(region, name)
                .and_then(Length::parse)
            {
                Some(Length::Pixels(pixels)) => pixels,
                _ => 0,
            };
            self.regions()
                .into_iter()
                .map(|r| pixels(r, axis.start).saturating_add(pixels(r, axis.size)))
                .fold(screen, u32::max)
        };
        Dimensions::new(
            own("width").unwrap_or_else(|| reach(&HORIZONTAL, screen.width)),
            own("height").unwrap_or_else(|| reach(&VERTICAL, screen.height)),
        )
    }

    /// Gives each medium that names an unknown region that region; one that differs only in case
    /// is meant.
    fn define_missing_regions(&mut self) {
        // By the identifier in lower case, so that one pass finds both spellings.
        let mut known: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for region in self.regions() {
            if let Some(id) = self.region_id(region) {
                known
                    .entry(id.to_ascii_lowercase())
                    .or_default()
                    .push(id.to_owned());
            }
        }
        let layout = self.layout();
        for reference in self.references() {
            let Some(wanted) = reference.region.filter(|region| !region.is_empty()) else {
                continue;
            };
            let spellings = known.entry(wanted.to_ascii_lowercase()).or_default();
            match spellings.first() {
                Some(_) if spellings.contains(&wanted) => {}
                Some(id) => self.set_attribute(reference.id.0, "region", id),
                None if reference.element == MediaElement::Audio => {
                    self.retain_attributes(reference.id.0, |name| name != "region");
                }
                None => {
                    self.append_region(layout, &wanted, reference.element == MediaElement::Text);
                    spellings.push(wanted);
                }
            }
        }
    }

    /// What media name a region by: its id, or in SMIL 2 its regionName.
    fn region_id(&self, region: usize) -> Option<&str> {
        self.attribute(region, "id")
            .or_else(|| self.attribute(region, "regionName"))
    }

    fn scale(&mut self, region: usize, new: Dimensions, old: Dimensions) {
        for (axis, new, old) in [
            (&HORIZONTAL, new.width, old.width),
            (&VERTICAL, new.height, old.height),
        ] {
            for name in [axis.start, axis.size, axis.end] {
                if let Some(length) = self.length(region, name)
                    && let Length::Pixels(pixels) = length.scaled(new, old)
                {
                    self.set_attribute(region, name, &pixels.to_string());
                }
            }
        }
    }

    /// Keeps a region inside the root on one axis: moved in where it is outside, else cut off.
    fn clamp(&mut self, region: usize, axis: &Axis, root: u32) {
        let Some((start, size)) = self.extent(region, axis, root) else {
            return;
        };
        if start.saturating_add(size) <= root && (start < root || root == 0) {
            return;
        }
        let (start, size) = if start < root {
            (start, root.saturating_sub(start))
        } else {
            let size = size.min(root);
            (root.saturating_sub(size.max(1)), size.max(1).min(root))
        };
        self.retain_attributes(region, |name| name != axis.end);
        self.set_attribute(region, axis.start, &start.to_string());
        self.set_attribute(region, axis.size, &size.to_string());
    }

    /// Start and size of a region in pixels; `None` where another unit makes them unknown.
    fn extent(&self, region: usize, axis: &Axis, root: u32) -> Option<(u32, u32)> {
        let pixels = |name: &str| match self.attribute(region, name) {
            Some(text) => Length::parse(text).map(|length| Some(length.on(root))),
            None => Some(None),
        };
        let (start, size, end) = (pixels(axis.start)?, pixels(axis.size)?, pixels(axis.end)?);
        Some(match (start, size, end) {
            (Some(start), Some(size), _) => (start, size),
            (None, Some(size), Some(end)) => (root.saturating_sub(end).saturating_sub(size), size),
            (None, Some(size), None) => (0, size),
            (start, None, end) => {
                let start = start.unwrap_or_default();
                let end = root.saturating_sub(end.unwrap_or_default());
                (start, end.saturating_sub(start))
            }
        })
    }

    fn length(&self, region: usize, name: &str) -> Option<Length> {
        self.attribute(region, name).and_then(Length::parse)
    }

    /// Stacks the two regions, or puts them side by side, where one is too small to be read.
    fn make_room(&mut self, screen: Dimensions) {
        let portrait = screen.height >= screen.width;
        let (axis, other, length, breadth) = if portrait {
            (&VERTICAL, &HORIZONTAL, screen.height, screen.width)
        } else {
            (&HORIZONTAL, &VERTICAL, screen.width, screen.height)
        };
        let (Some(image), Some(text)) = (self.region_for(false), self.region_for(true)) else {
            return;
        };
        let fits = |region: usize| {
            let high = self.extent(region, &VERTICAL, screen.height);
            let wide = self.extent(region, &HORIZONTAL, screen.width);
            // A length in another unit is the sender's business.
            high.is_none_or(|(_, size)| size >= LEAST) && wide.is_none_or(|(_, size)| size >= LEAST)
        };
        if image == text || length < 2 * LEAST || (fits(image) && fits(text)) {
            return;
        }
        let place = |region: usize| {
            let start = |axis: &Axis, root: u32| {
                self.extent(region, axis, root)
                    .map_or(0, |(start, _)| start)
            };
            (
                start(&VERTICAL, screen.height),
                start(&HORIZONTAL, screen.width),
            )
        };
        let text_first = place(text) < place(image);
        let text_size = if portrait {
            (length / 10 * 3).max(LEAST)
        } else {
            length / 2
        };
        let image_size = length.saturating_sub(text_size);
        for (region, start, size) in if text_first {
            [(text, 0, text_size), (image, text_size, image_size)]
        } else {
            [(image, 0, image_size), (text, image_size, text_size)]
        } {
            self.retain_attributes(region, |name| name != axis.end && name != other.end);
            self.set_attribute(region, axis.start, &start.to_string());
            self.set_attribute(region, axis.size, &size.to_string());
            self.set_attribute(region, other.start, "0");
            self.set_attribute(region, other.size, &breadth.to_string());
        }
    }

    /// The region for text, or for pictures: the one of that name, else the first in use for it.
    fn region_for(&self, text: bool) -> Option<usize> {
        let regions = self.regions();
        let named = |wanted: &str, exact: bool| {
            regions.iter().copied().find(|region| {
                self.region_id(*region)
                    .is_some_and(|id| id == wanted || !exact && id.eq_ignore_ascii_case(wanted))
            })
        };
        named(if text { "Text" } else { "Image" }, false).or_else(|| {
            let used = self
                .references()
                .into_iter()
                .find(|reference| match reference.element {
                    MediaElement::Text => text,
                    MediaElement::Img | MediaElement::Video => !text,
                    _ => false,
                })?;
            named(&used.region?, true)
        })
    }
}

/// The attributes of one direction.
struct Axis {
    start: &'static str,
    size: &'static str,
    end: &'static str,
}

const HORIZONTAL: Axis = Axis {
    start: "left",
    size: "width",
    end: "right",
};

const VERTICAL: Axis = Axis {
    start: "top",
    size: "height",
    end: "bottom",
};
