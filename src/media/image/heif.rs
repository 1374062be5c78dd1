//! HEIC and AVIF: the picture of an HEIF file, whole or as a grid of tiles (ISO/IEC 23008-12
//! section 6.6.2.3), by the decoders of moving pictures.
//!
//! What belongs to a picture beside its pixels (transparency, thumbnails, gain maps, depth) is left
//! alone.

use std::sync::Arc;

use bytes::Bytes;

use crate::dimensions::Dimensions;
use crate::limits::Limits;
use crate::media::codec::{
    DecodeOptions, ImageDecoder, ImageHeader, ImageStream, VideoDecoder, VideoFormat,
};
use crate::media::container::isobmff::{Item, Items, Property};
use crate::media::error::MediaError;
use crate::media::guard::check_size;
use crate::media::info::{Codec, Format};
use crate::media::picture::{Frame, Layout, Matrix, Packet, Picture, octets};
use crate::media::{probe, video};

/// Reads pictures of one coding, under the name of the decoder it uses: what switches that on and
/// off does the same with this.
pub(super) struct Heif {
    format: Format,
    codec: Codec,
    decoder: Option<Arc<dyn VideoDecoder>>,
}

impl Heif {
    /// HEIC: pictures in HEVC.
    pub(super) fn heic() -> Self {
        Self::new(Format::Heic, Codec::Hevc)
    }

    /// AVIF: pictures in AV1.
    pub(super) fn avif() -> Self {
        Self::new(Format::Avif, Codec::Av1)
    }

    #[cfg(feature = "plugins")]
    /// Pictures in `codec` by a decoder that is not built in.
    pub(super) fn by(format: Format, codec: Codec, decoder: Arc<dyn VideoDecoder>) -> Self {
        Self {
            format,
            codec,
            decoder: Some(decoder),
        }
    }

    fn new(format: Format, codec: Codec) -> Self {
        let decoder = video::decoders()
            .into_iter()
            .find(|decoder| decoder.codecs().contains(&codec));
        Self {
            format,
            codec,
            decoder,
        }
    }
}

impl ImageDecoder for Heif {
    fn name(&self) -> &str {
        self.decoder
            .as_ref()
            .map_or("heif", |decoder| decoder.name())
    }

    fn formats(&self) -> &[Format] {
        std::slice::from_ref(&self.format)
    }

    fn available(&self) -> bool {
        self.decoder
            .as_ref()
            .is_none_or(|decoder| decoder.available())
    }

    fn open(
        &self,
        data: &Bytes,
        options: &DecodeOptions,
    ) -> Result<Box<dyn ImageStream>, MediaError> {
        let broken = |what: &str| MediaError::malformed(self.format, what);
        let decoder = self
            .decoder
            .clone()
            .ok_or_else(|| MediaError::unsupported("reading HEIF"))?;
        let items = Items::read(data, &options.limits)
            .map_err(|error| error.into_media_error(self.format))?;
        let item = items
            .get(items.primary)
            .ok_or_else(|| broken("there is no primary item"))?;
        let size = item.size().ok_or_else(|| broken("a picture of no size"))?;
        check_size(size, &options.limits)?;
        let tiles = self.tiles(&items, item, size, &options.limits)?;
        let crop = crop(item, size);
        let mut header = ImageHeader::new(
            crop.size,
            // The pixels; and of one tile the planes at 16 bits, those at 8, and its pixels.
            area(size)
                .saturating_mul(3)
                .saturating_add(area(tiles.size).saturating_mul(16)),
        );
        header.orientation = probe(data, &options.limits).map_or(1, |info| info.orientation);
        header.icc = item.properties.iter().find_map(|property| match property {
            Property::Icc(profile) => Some(profile.to_vec()),
            _ => None,
        });
        Ok(Box::new(Stream {
            header,
            decoder,
            format: self.format,
            codec: self.codec,
            items,
            tiles,
            crop,
            options: options.clone(),
            done: false,
        }))
    }
}

/// The tiles of a picture, row by row; one where it is no grid.
struct Tiles {
    ids: Vec<u32>,
    across: u32,
    /// Pixels of each.
    size: Dimensions,
}

impl Heif {
    fn tiles(
        &self,
        items: &Items,
        item: &Item,
        size: Dimensions,
        limits: &Limits,
    ) -> Result<Tiles, MediaError> {
        let broken = |what: &str| MediaError::malformed(self.format, what);
        if self.coded(item) {
            return Ok(Tiles {
                ids: vec![items.primary],
                across: 1,
                size,
            });
        }
        if &item.kind != b"grid" {
            let kind = String::from_utf8_lossy(&item.kind).into_owned();
            return Err(MediaError::unsupported(format!("HEIF item {kind}")));
        }
        let shape = items
            .data(item)
            .map_err(|error| error.into_media_error(self.format))?;
        let (rows, across, whole) = grid(&shape).ok_or_else(|| broken("a grid that is cut"))?;
        let first = item.parts.first().and_then(|&id| items.get(id));
        let tile = first
            .and_then(Item::size)
            .ok_or_else(|| broken("a grid of no tiles"))?;
        check_size(tile, limits)?;
        let count = rows
            .checked_mul(across)
            .and_then(|n| usize::try_from(n).ok());
        // Each row and column must be needed, so that the tiles cost what the picture does.
        let needed = |tiles: u32, side: u32, whole: u32| {
            let sides = |tiles: u32| u64::from(tiles).saturating_mul(side.into());
            sides(tiles) >= whole.into() && sides(tiles.saturating_sub(1)) < whole.into()
        };
        let covers =
            needed(across, tile.width, whole.width) && needed(rows, tile.height, whole.height);
        if count != Some(item.parts.len()) || whole != size || !covers {
            return Err(broken("a grid that does not fit its tiles"));
        }
        check_size(
            Dimensions::new(
                across.saturating_mul(tile.width),
                rows.saturating_mul(tile.height),
            ),
            limits,
        )?;
        for id in &item.parts {
            let part = items.get(*id).filter(|part| self.coded(part));
            if part.and_then(Item::size) != Some(tile) {
                return Err(broken("tiles of different kinds or sizes"));
            }
        }
        Ok(Tiles {
            ids: item.parts.clone(),
            across,
            size: tile,
        })
    }

    fn coded(&self, item: &Item) -> bool {
        match self.codec {
            Codec::Av1 => &item.kind == b"av01",
            _ => matches!(&item.kind, b"hvc1" | b"hev1"),
        }
    }
}

/// Rows, columns and pixels of a grid.
fn grid(data: &[u8]) -> Option<(u32, u32, Dimensions)> {
    let (&[_, flags, rows, across], sides) = data.split_first_chunk()?;
    let (width, height) = if flags & 1 == 0 {
        let (width, rest) = sides.split_first_chunk()?;
        let (height, _) = rest.split_first_chunk()?;
        (
            u16::from_be_bytes(*width).into(),
            u16::from_be_bytes(*height).into(),
        )
    } else {
        let (width, rest) = sides.split_first_chunk()?;
        let (height, _) = rest.split_first_chunk()?;
        (u32::from_be_bytes(*width), u32::from_be_bytes(*height))
    };
    let count = |last: u8| u32::from(last).saturating_add(1);
    Some((count(rows), count(across), Dimensions::new(width, height)))
}

/// The part of the picture that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Crop {
    left: u32,
    top: u32,
    size: Dimensions,
}

/// The crop of an item, or all of it where that makes no sense.
fn crop(item: &Item, whole: Dimensions) -> Crop {
    let all = Crop {
        left: 0,
        top: 0,
        size: whole,
    };
    let fractions = item.properties.iter().find_map(|property| match property {
        Property::Crop(fractions) => Some(*fractions),
        _ => None,
    });
    let Some([width, height, right, down]) = fractions else {
        return all;
    };
    let side = |(above, below): (i64, i64), whole: u32, (off, by): (i64, i64)| {
        let side = u32::try_from(above.checked_div(below)?).ok()?;
        // The middle of the crop lies so far from the middle of the picture; in halves of a pixel.
        let spare = i64::from(whole.checked_sub(side)?);
        let start = spare.checked_add(off.checked_mul(2)?.checked_div(by)?)? / 2;
        let start = u32::try_from(start).ok()?;
        (side > 0 && start.checked_add(side)? <= whole).then_some((start, side))
    };
    let (Some((left, width)), Some((top, height))) = (
        side(width, whole.width, right),
        side(height, whole.height, down),
    ) else {
        return all;
    };
    Crop {
        left,
        top,
        size: Dimensions::new(width, height),
    }
}

struct Stream {
    header: ImageHeader,
    decoder: Arc<dyn VideoDecoder>,
    format: Format,
    codec: Codec,
    items: Items,
    tiles: Tiles,
    crop: Crop,
    options: DecodeOptions,
    done: bool,
}

impl ImageStream for Stream {
    fn header(&self) -> &ImageHeader {
        &self.header
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, MediaError> {
        if std::mem::replace(&mut self.done, true) {
            return Ok(None);
        }
        let picture = self.compose()?;
        Ok(Some(Frame {
            picture,
            delay_ms: 0,
        }))
    }
}

impl Stream {
    /// Decodes one item.
    fn decode(&self, id: u32) -> Result<Picture, MediaError> {
        self.options.cancel.check()?;
        let broken = |what: &str| MediaError::malformed(self.format, what);
        let item = self.items.get(id).ok_or_else(|| broken("no such item"))?;
        let mut config = Bytes::new();
        let mut colours = None;
        let primary = self.items.get(self.items.primary);
        let of_whole = primary.into_iter().flat_map(|item| &item.properties);
        for property in item.properties.iter().chain(of_whole) {
            match property {
                Property::Config(octets) if config.is_empty() => config = octets.clone(),
                Property::Colours { matrix, full_range } => {
                    colours.get_or_insert((*matrix, *full_range));
                }
                _ => {}
            }
        }
        let data = self
            .items
            .data(item)
            .map_err(|error| error.into_media_error(self.format))?;
        let track = VideoFormat {
            codec: self.codec,
            size: self.tiles.size,
            millihertz: None,
            config,
        };
        // The stream may not be larger than the item says, but for what fills up its last blocks.
        let padded = |side: u32| u64::from(side).saturating_add(128);
        let limits = Limits {
            pixels: padded(self.tiles.size.width)
                .saturating_mul(padded(self.tiles.size.height))
                .min(self.options.limits.pixels),
            ..self.options.limits.clone()
        };
        let mut stage = self.decoder.open(&track, &limits, &self.options.cancel)?;
        stage.push(Packet {
            data,
            timestamp_us: 0,
            key: true,
            shown: true,
        })?;
        stage.finish()?;
        let mut planes = stage
            .pull()?
            .ok_or_else(|| broken("an item without a picture"))?
            .planes;
        if let Some((matrix, full_range)) = colours {
            planes.full_range = full_range;
            planes.matrix = match matrix {
                // Unspecified: what the stream says.
                2 => planes.matrix,
                0 => return Err(MediaError::unsupported("HEIF in RGB")),
                code => Matrix::signalled(code.into(), Dimensions::new(1, 1)),
            };
        }
        video::to_rgb(&planes).map_err(|error| match error {
            MediaError::Malformed { what, .. } => broken(&what),
            other => other,
        })
    }

    /// Puts the tiles where they belong, as far as they are shown.
    fn compose(&self) -> Result<Picture, MediaError> {
        let shown = self.crop.size;
        let mut data = vec![0; octets(shown, Layout::Rgb8).unwrap_or(0)];
        let (pixels, _) = data.as_chunks_mut::<3>();
        let long = |side: u32| usize::try_from(side).unwrap_or(usize::MAX);
        let mut places = (0_u32..).flat_map(|row| (0..self.tiles.across).map(move |at| (row, at)));
        for &id in &self.tiles.ids {
            let Some((row, at)) = places.next() else {
                break;
            };
            let tile = self.decode(id)?;
            let left = at.saturating_mul(self.tiles.size.width);
            let top = row.saturating_mul(self.tiles.size.height);
            let size = Dimensions::new(
                tile.size().width.min(self.tiles.size.width),
                tile.size().height.min(self.tiles.size.height),
            );
            // Where the tile begins within what is shown, and what of it is to the left and above.
            let (x, skip_x) = meet(left, self.crop.left);
            let (y, skip_y) = meet(top, self.crop.top);
            let width = long(size.width).saturating_sub(skip_x);
            let rows = pixels.chunks_exact_mut(long(shown.width)).skip(y);
            let from = tile.rows().take(long(size.height)).skip(skip_y);
            for (target, source) in rows.zip(from) {
                let (source, _) = source.as_chunks::<3>();
                let target = target.iter_mut().skip(x);
                for (target, source) in target.zip(source.iter().skip(skip_x).take(width)) {
                    *target = *source;
                }
            }
        }
        Picture::new(shown, Layout::Rgb8, data)
    }
}

/// The places at which a stretch that begins at `start` and a window that begins at `window` meet:
/// in the window, and in the stretch.
fn meet(start: u32, window: u32) -> (usize, usize) {
    let long = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
    (
        long(start.saturating_sub(window)),
        long(window.saturating_sub(start)),
    )
}

fn area(size: Dimensions) -> u64 {
    u64::from(size.width).saturating_mul(size.height.into())
}

#[cfg(test)]
mod tests;
