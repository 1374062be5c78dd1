//! SVG: drawn by `resvg`, from the document alone. There are no files, no network, no pictures inside
//! and no fonts: text is not drawn.
//!
//! A drawing has no pixels, so its cost is told before anything is built: elements, as often as
//! references repeat them, times the pixels they could cover.

use std::collections::HashMap;

use bytes::Bytes;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::roxmltree::{Document, Node, ParsingOptions};
use resvg::usvg::{ImageHrefResolver, Options, Tree};

use super::transform::fit_box;
use crate::dimensions::Dimensions;
use crate::limits::Limits;
use crate::media::codec::{DecodeOptions, ImageDecoder, ImageHeader, ImageStream};
use crate::media::error::MediaError;
use crate::media::guard::check_size;
use crate::media::info::Format;
use crate::media::picture::{Frame, Layout, Picture};
use crate::media::probe;

/// Reads SVG.
pub(super) struct Svg;

/// The longer side of a drawing in pixels, however large it says it is.
const SIDE: u32 = 2_048;

/// Pixels times elements that one drawing may cost: some seconds where every element covers
/// everything.
const COST: u64 = 4_000_000_000;

/// Elements of a drawing, repeated ones counted each time.
const ELEMENTS: u64 = 100_000;

/// Elements inside each other, through references too.
const DEPTH: u32 = 96;

/// References that lead to references, and so on.
const CHAIN: usize = 12;

/// Filters whose time follows what they are asked for, not the pixels.
const COSTLY: [&str; 3] = ["feConvolveMatrix", "feMorphology", "feTurbulence"];

impl ImageDecoder for Svg {
    fn name(&self) -> &str {
        "resvg"
    }

    fn formats(&self) -> &[Format] {
        &[Format::Svg]
    }

    fn open(
        &self,
        data: &Bytes,
        options: &DecodeOptions,
    ) -> Result<Box<dyn ImageStream>, MediaError> {
        let limits = &options.limits;
        let text = text(data, limits)?;
        let document = document(text, limits)?;
        let cost = cost(&document)?;
        let natural = probe(data, limits).ok().and_then(|info| info.size);
        let natural = natural.unwrap_or(Dimensions::new(100, 100));
        let mut size = fit_box(natural, Dimensions::new(SIDE, SIDE));
        while u64::from(size.width) * u64::from(size.height) > COST / cost.max(1) {
            size = fit_box(
                size,
                Dimensions::new(size.width * 7 / 8, size.height * 7 / 8),
            );
        }
        check_size(size, limits)?;
        let pixels = u64::from(size.width) * u64::from(size.height);
        // The pixmap, a layer or two, and the pixels we make of it.
        let mut header = ImageHeader::new(size, pixels.saturating_mul(16));
        header.frames = Some(1);
        let speaks = document
            .descendants()
            .any(|node| node.tag_name().name() == "text");
        Ok(Box::new(Drawing {
            header,
            data: data.clone(),
            options: options.clone(),
            warnings: if speaks {
                vec!["text in a drawing is not drawn".to_owned()]
            } else {
                Vec::new()
            },
            done: false,
        }))
    }
}

struct Drawing {
    header: ImageHeader,
    data: Bytes,
    options: DecodeOptions,
    warnings: Vec<String>,
    done: bool,
}

impl ImageStream for Drawing {
    fn header(&self) -> &ImageHeader {
        &self.header
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, MediaError> {
        if std::mem::replace(&mut self.done, true) {
            return Ok(None);
        }
        self.options.cancel.check()?;
        let limits = &self.options.limits;
        let document = document(text(&self.data, limits)?, limits)?;
        let own = Options {
            image_href_resolver: ImageHrefResolver {
                resolve_data: Box::new(|_, _, _| None),
                resolve_string: Box::new(|_, _| None),
            },
            ..Options::default()
        };
        let tree = Tree::from_xmltree(&document, &own)
            .map_err(|error| MediaError::malformed(Format::Svg, error.to_string()))?;
        self.options.cancel.check()?;
        // What is wanted smaller is drawn smaller.
        let full = self.header.size;
        let size = self
            .options
            .at_least
            .map_or(full, |least| fit_box(full, least));
        let mut pixmap = Pixmap::new(size.width, size.height)
            .ok_or_else(|| MediaError::unsupported(format!("a drawing of {size}")))?;
        let scale = Transform::from_scale(
            side(size.width) / tree.size().width(),
            side(size.height) / tree.size().height(),
        );
        resvg::render(&tree, scale, &mut pixmap.as_mut());
        let data = pixmap.pixels().iter().flat_map(|pixel| {
            let plain = pixel.demultiply();
            [plain.red(), plain.green(), plain.blue(), plain.alpha()]
        });
        Ok(Some(Frame {
            picture: Picture::new(size, Layout::Rgba8, data.collect())?,
            delay_ms: 0,
        }))
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a side is a few thousand pixels at most"
)]
fn side(pixels: u32) -> f32 {
    pixels as f32
}

fn text<'a>(data: &'a [u8], limits: &Limits) -> Result<&'a str, MediaError> {
    if data.len() > limits.xml_bytes {
        return Err(over("xml_bytes", limits.xml_bytes));
    }
    std::str::from_utf8(data)
        .map(|text| text.trim_start_matches('\u{FEFF}'))
        .map_err(|_| MediaError::unsupported("SVG that is not UTF-8"))
}

fn document<'a>(text: &'a str, limits: &Limits) -> Result<Document<'a>, MediaError> {
    let options = ParsingOptions {
        allow_dtd: true,
        nodes_limit: u32::try_from(limits.xml_elements.saturating_mul(2)).unwrap_or(u32::MAX),
        ..ParsingOptions::default()
    };
    Document::parse_with_options(text, options)
        .map_err(|error| MediaError::malformed(Format::Svg, error.to_string()))
}

fn over(what: &'static str, limit: usize) -> MediaError {
    MediaError::Limit {
        what,
        limit: u64::try_from(limit).unwrap_or(u64::MAX),
    }
}

/// What a node and all it refers to come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Weight {
    elements: u64,
    depth: u32,
}

/// Elements that are drawn, as often as they are.
fn cost(document: &Document<'_>) -> Result<u64, MediaError> {
    let nodes: Vec<Node<'_, '_>> = document.descendants().collect();
    let mut ids = HashMap::new();
    let mut longest = 0_usize;
    let mut styles = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        let name = node.tag_name().name();
        if COSTLY.contains(&name) {
            return Err(MediaError::unsupported(format!("SVG with {name}")));
        }
        if let Some(id) = node.attribute("id") {
            ids.entry(id).or_insert(at);
        }
        for path in ["d", "points"] {
            longest = longest.max(node.attribute(path).map_or(0, str::len));
        }
        if name == "style" {
            styles.extend(node.text().into_iter().flat_map(references));
        }
    }
    // Places in the list: of each node its parent, and what it refers to.
    let places: HashMap<usize, usize> = nodes
        .iter()
        .enumerate()
        .map(|(at, node)| (node.id().get_usize(), at))
        .collect();
    let marks = u64::try_from(longest / 2).unwrap_or(u64::MAX).max(1);
    let mut refers: Vec<Vec<(usize, u64)>> = Vec::with_capacity(nodes.len());
    for node in &nodes {
        let mut to = Vec::new();
        for attribute in node.attributes() {
            // A marker is drawn at each point of a path.
            let marked =
                attribute.name().starts_with("marker") || attribute.value().contains("marker");
            let times = if marked { marks } else { 1 };
            let direct = match attribute.name() {
                "href" => attribute.value().trim().strip_prefix('#'),
                _ => None,
            };
            let found = direct.into_iter().chain(references(attribute.value()));
            to.extend(found.filter_map(|id| ids.get(id)).map(|&at| (at, times)));
        }
        if node.is_element() {
            to.extend(
                styles
                    .iter()
                    .filter_map(|id| ids.get(id))
                    .map(|&at| (at, 1)),
            );
        }
        refers.push(to);
    }
    let mut weights = vec![Weight::default(); nodes.len()];
    for _ in 0..CHAIN {
        let before = weights.clone();
        weights.fill(Weight::default());
        // Children come behind their parents, so that from the end each is complete in time.
        for (at, node) in nodes.iter().enumerate().rev() {
            let mut weight = weights.get(at).copied().unwrap_or_default();
            for &(to, times) in refers.get(at).into_iter().flatten() {
                let target = before.get(to).copied().unwrap_or_default();
                weight.elements = weight
                    .elements
                    .saturating_add(target.elements.saturating_mul(times));
                weight.depth = weight.depth.max(target.depth);
            }
            weight.elements = weight.elements.saturating_add(own(*node));
            weight.depth = weight.depth.saturating_add(u32::from(node.is_element()));
            if weight.elements > ELEMENTS || weight.depth > DEPTH {
                return Err(MediaError::Limit {
                    what: if weight.depth > DEPTH {
                        "xml_depth"
                    } else {
                        "xml_elements"
                    },
                    limit: if weight.depth > DEPTH {
                        DEPTH.into()
                    } else {
                        ELEMENTS
                    },
                });
            }
            if let Some(entry) = weights.get_mut(at) {
                *entry = weight;
            }
            let parent = node
                .parent()
                .and_then(|parent| places.get(&parent.id().get_usize()));
            if let Some(parent) = parent.and_then(|&at| weights.get_mut(at)) {
                parent.elements = parent.elements.saturating_add(weight.elements);
                parent.depth = parent.depth.max(weight.depth);
            }
        }
        if weights == before {
            return Ok(weights.first().map_or(1, |root| root.elements));
        }
    }
    Err(MediaError::malformed(
        Format::Svg,
        "references that go in a circle",
    ))
}

/// What an element costs by itself.
fn own(node: Node<'_, '_>) -> u64 {
    let name = node.tag_name().name();
    match name {
        _ if !node.is_element() => 0,
        // They are looked up, not drawn.
        "linearGradient" | "radialGradient" | "stop" | "style" | "title" | "desc" | "metadata" => 0,
        // Dashes may be many.
        _ if node.has_attribute("stroke-dasharray") => 100,
        _ if name.starts_with("fe") || name == "mask" || name == "pattern" => 8,
        _ => 1,
    }
}

/// The ids that `url(#…)` of a value names.
fn references(value: &str) -> impl Iterator<Item = &str> {
    value.split("url(").skip(1).filter_map(|rest| {
        let (inside, _) = rest.split_once(')')?;
        inside
            .trim()
            .trim_matches(|quote| quote == '\'' || quote == '"')
            .strip_prefix('#')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::cancel::Cancel;
    use crate::media::guard::open_image;

    fn read(svg: &str, least: Option<Dimensions>) -> Result<Picture, MediaError> {
        let options = DecodeOptions {
            format: Format::Svg,
            animation: false,
            at_least: least,
            limits: Limits::default(),
            cancel: Cancel::new(),
        };
        let mut image = open_image(&Svg, &Bytes::copy_from_slice(svg.as_bytes()), &options)?;
        Ok(image.next_frame()?.unwrap().picture)
    }

    fn svg(inside: &str) -> String {
        format!(
            "<svg xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink' \
             width='40' height='20'>{inside}</svg>"
        )
    }

    fn pixel(picture: &Picture, x: usize, y: usize) -> &[u8] {
        let row = picture.rows().nth(y).unwrap();
        row.chunks_exact(4).nth(x).unwrap()
    }

    #[test]
    fn shapes_are_drawn_where_they_lie() {
        let drawing = svg("<rect x='0' y='0' width='20' height='20' fill='#f00'/>\
             <g fill='blue' opacity='.5'><rect id='r' x='30' width='10' height='10'/></g>\
             <use href='#r' y='10' fill='lime'/>");
        let picture = read(&drawing, None).unwrap();
        assert_eq!(picture.size(), Dimensions::new(40, 20));
        assert_eq!(pixel(&picture, 5, 5), [255, 0, 0, 255]);
        assert_eq!(pixel(&picture, 25, 5), [0, 0, 0, 0]);
        let [0, 0, 255, half] = *pixel(&picture, 35, 5) else {
            panic!()
        };
        assert!((126..=129).contains(&half));
        assert_eq!(pixel(&picture, 35, 15), [0, 255, 0, 255]);
    }

    #[test]
    fn what_is_wanted_smaller_is_drawn_smaller() {
        let drawing = svg("<rect width='40' height='20' fill='#123456'/>");
        let picture = read(&drawing, Some(Dimensions::new(10, 10))).unwrap();
        assert_eq!(picture.size(), Dimensions::new(10, 5));
        assert_eq!(pixel(&picture, 9, 4), [0x12, 0x34, 0x56, 255]);
        let large = drawing.replace("width='40' height='20'>", "width='90000' height='45000'>");
        assert_eq!(
            read(&large, None).unwrap().size(),
            Dimensions::new(2_048, 1_024)
        );
    }

    #[test]
    fn nothing_is_fetched() {
        for href in [
            "/etc/hostname",
            "file:///etc/passwd",
            "http://127.0.0.1:9/x.png",
        ] {
            let drawing = svg(&format!(
                "<image width='40' height='20' xlink:href='{href}'/>"
            ));
            let picture = read(&drawing, None).unwrap();
            assert!(picture.data().iter().all(|&octet| octet == 0), "{href}");
        }
        let entity = "<!DOCTYPE svg [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>";
        assert!(read(&format!("{entity}{}", svg("<title>&x;</title>")), None).is_err());
    }

    #[test]
    fn repetitions_are_counted_before_they_are_made() {
        let mut laughs = String::from("<g id='a0'><rect width='1' height='1'/></g>");
        for level in 1..=11 {
            let use_ = format!("<use xlink:href='#a{}'/>", level - 1);
            laughs += &format!("<g id='a{level}'>{}</g>", use_.repeat(10));
        }
        for bomb in [
            laughs,
            "<g>".repeat(200) + &"</g>".repeat(200),
            "<path d=''/>".repeat(50_000),
            "<g id='a'><use xlink:href='#a'/></g>".to_owned(),
            "<pattern id='p' width='1' height='1'><rect fill='url(#q)'/></pattern>\
             <pattern id='q' width='1' height='1'><rect fill='url(#p)'/></pattern>"
                .to_owned(),
            "<filter id='f'><feTurbulence numOctaves='99999'/></filter>".to_owned(),
            format!(
                "<marker id='m'>{}</marker><path marker-mid='url(#m)' d='{}'/>",
                "<circle r='1'/>".repeat(100),
                "L1 1".repeat(9_000)
            ),
        ] {
            let error = read(&svg(&bomb), None).unwrap_err();
            assert!(
                !matches!(error, MediaError::CodecPanicked { .. }),
                "{error}"
            );
        }
    }

    #[test]
    fn entities_do_not_explode() {
        let mut dtd = String::from("<!DOCTYPE svg [<!ENTITY a0 'lol'>");
        for level in 1..=20 {
            let inner = format!("&a{};", level - 1).repeat(10);
            dtd += &format!("<!ENTITY a{level} '{inner}'>");
        }
        let bomb = format!("{dtd}]>{}", svg("<title>&a20;</title>"));
        assert!(read(&bomb, None).is_err());
    }

    #[test]
    fn references_of_styles_are_found() {
        let ids: Vec<&str> = references("fill:url(#a);mask: url('#b c') url(x) url(#d").collect();
        assert_eq!(ids, ["a", "b c"]);
    }

    #[test]
    fn what_is_no_xml_is_malformed() {
        for text in ["<svg", "<svg></g>", ""] {
            let error = read(text, None).unwrap_err();
            assert!(matches!(error, MediaError::Malformed { .. }), "{error}");
        }
    }

    #[test]
    fn text_that_is_left_out_is_told() {
        let options = DecodeOptions {
            format: Format::Svg,
            animation: false,
            at_least: None,
            limits: Limits::default(),
            cancel: Cancel::new(),
        };
        let drawing = svg("<text x='1' y='9'>hello</text>");
        let stream = Svg.open(&Bytes::from(drawing), &options).unwrap();
        assert_eq!(stream.warnings().len(), 1);
    }
}
