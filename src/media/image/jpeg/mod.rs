//! JPEG: a decoder that makes small planes of large files, and an encoder that meets a number of
//! octets.
//!
//! Reading: [`header`] reads the segments, [`scan`] decodes a row of units at a time by the tables
//! of [`huffman`] into as few points a block as will do ([`idct`]), and [`resize`] scales the rows
//! as they come: neither the file's coefficients nor its pixels are ever held. Of a picture whose
//! rows come in several scans those coefficients are held that the size asks for ([`low`],
//! [`progressive`]). What is neither baseline nor progressive, of one component or three, goes to
//! the decoder of the `image` crate.
//!
//! Writing: [`coefficients`] transforms the planes once; [`search`] looks for the finest quantiser
//! that fits by [`counts`] of symbols, which tell the size of a file without writing it; [`emit`]
//! writes one.

mod bits;
mod coefficients;
mod counts;
mod emit;
mod fit;
mod frame;
mod header;
mod huffman;
mod idct;
mod lanes;
mod lengths;
mod low;
mod progressive;
mod quantise;
mod read;
mod resize;
mod scan;
mod search;
mod upsample;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;

pub use lanes::narrowly;

pub(super) use frame::frame_header;
pub(super) use upsample::{is_grey, of_picture, to_picture, upright};

use header::Header;
use low::Low;

use super::transform::flatten;
use crate::dimensions::Dimensions;
use crate::media::cancel::Cancel;
use crate::media::codec::{
    DecodeOptions, Fitted, ImageDecoder, ImageEncoder, ImageHeader, ImageSettings, ImageStream,
    Reduced,
};
use crate::media::error::MediaError;
use crate::media::guard::check_size;
use crate::media::info::Format;
use crate::media::picture::{Chroma, Frame, Layout, Planes};

/// Baseline and progressive pictures by our own decoder, all others by that of the `image` crate.
pub(super) struct JpegDecoder;

impl ImageDecoder for JpegDecoder {
    fn name(&self) -> &str {
        "jpeg"
    }

    fn formats(&self) -> &[Format] {
        &[Format::Jpeg]
    }

    fn open(
        &self,
        data: &Bytes,
        options: &DecodeOptions,
    ) -> Result<Box<dyn ImageStream>, MediaError> {
        let mut header = Header::read(data)?;
        check_size(header.size, &options.limits)?;
        header.scans = options.limits.jpeg_scans;
        if header.components.is_empty() {
            return super::decode::ImageCrate.open(data, options);
        }
        let mut shown = ImageHeader::new(header.size, held(&header, options.at_least));
        shown.orientation = header.orientation;
        shown.icc.clone_from(&header.icc);
        Ok(Box::new(Stream {
            data: data.clone(),
            header: Some(header),
            shown,
            options: options.clone(),
            warnings: Vec::new(),
        }))
    }
}

/// Looks whether the decoder of the `image` crate reads this file as it is meant.
///
/// # Errors
///
/// [`MediaError::Unsupported`] where it does not, or what is wrong with the header.
pub(super) fn check_scans(data: &[u8]) -> Result<(), MediaError> {
    if Header::read(data)?.is_lost_on_others() {
        return Err(header::lost_on_others());
    }
    Ok(())
}

/// Octets held to deliver a picture not below `least`: RGB and planes, and rows of units.
fn held(header: &Header, least: Option<Dimensions>) -> u64 {
    let size = match least {
        Some(least) => read::scaled(header.size, read::fewest(header.size, least)),
        None => header.size,
    };
    let pixels = u64::from(size.width).saturating_mul(u64::from(size.height));
    let rows = u64::from(size.width).saturating_mul(3 * (32 + 4 * 16));
    let low = if header.is_in_parts() {
        low::octets_for(header, size)
    } else {
        0
    };
    pixels
        .saturating_mul(9)
        .saturating_add(rows)
        .saturating_add(low)
        .saturating_add(1 << 18)
}

/// A picture of ours to decode.
struct Stream {
    data: Bytes,
    /// Taken with the picture.
    header: Option<Header>,
    shown: ImageHeader,
    options: DecodeOptions,
    warnings: Vec<String>,
}

impl Stream {
    /// The size of pixels that are asked for by frames.
    fn frame_size(&self, header: &Header) -> Dimensions {
        match self.options.at_least {
            Some(least) => read::scaled(header.size, read::fewest(header.size, least)),
            None => header.size,
        }
    }

    fn planes(&mut self, size: Dimensions, chroma: Chroma) -> Result<Option<Planes>, MediaError> {
        let Some(header) = &self.header else {
            return Ok(None);
        };
        let cancel = &self.options.cancel;
        let Some(reading) = read::planes(&self.data, header, size, chroma, cancel)? else {
            return Ok(None);
        };
        self.header = None;
        self.warnings.extend(reading.warning);
        Ok(Some(reading.planes))
    }
}

impl ImageStream for Stream {
    fn header(&self) -> &ImageHeader {
        &self.shown
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, MediaError> {
        let Some(header) = &self.header else {
            return Ok(None);
        };
        let size = self.frame_size(header);
        let Some(planes) = self.planes(size, Chroma::Full)? else {
            // A table is missing: the other decoder knows the usual ones.
            self.header = None;
            return super::decode::ImageCrate
                .open(&self.data, &self.options)?
                .next_frame();
        };
        Ok(Some(Frame {
            picture: to_picture(&planes)?,
            delay_ms: 0,
        }))
    }

    fn delivers(&self) -> Dimensions {
        let size = self.shown.size;
        self.header
            .as_ref()
            .map_or(size, |header| self.frame_size(header))
    }

    fn next_planes(
        &mut self,
        size: Dimensions,
        chroma: Chroma,
    ) -> Result<Option<Planes>, MediaError> {
        self.planes(size, chroma)
    }

    fn reduce(
        &mut self,
        size: Dimensions,
        chroma: Chroma,
        most: usize,
    ) -> Result<Option<Arc<dyn Reduced>>, MediaError> {
        let Some(header) = &self.header else {
            return Ok(None);
        };
        let points = low::points(header, size, chroma);
        if Low::octets_of(header, &points) > most {
            return Ok(None);
        }
        let cancel = &self.options.cancel;
        let low = Low::read(&self.data, header, &points, cancel)?;
        Ok(low.map(|low| -> Arc<dyn Reduced> { Arc::new(low) }))
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// Baseline JPEG: sequential, Huffman tables made for the picture, colour at half resolution
/// where that looks better for the octets, one component where the picture is grey. No metadata.
pub(super) struct JpegEncoder;

impl ImageEncoder for JpegEncoder {
    fn name(&self) -> &str {
        "jpeg"
    }

    fn format(&self) -> Format {
        Format::Jpeg
    }

    fn alpha(&self) -> bool {
        false
    }

    fn animation(&self) -> bool {
        false
    }

    fn encode(
        &self,
        frames: &[Frame],
        settings: &ImageSettings,
        cancel: &Cancel,
    ) -> Result<Vec<u8>, MediaError> {
        let frame = frames
            .first()
            .ok_or_else(|| MediaError::unsupported("a JPEG of no frame"))?;
        let flat = match frame.picture.layout() {
            Layout::Rgba8 => Some(flatten(&frame.picture)?),
            _ => None,
        };
        let picture = flat.as_ref().unwrap_or(&frame.picture);
        check_writable(picture.size())?;
        let planes = of_picture(picture, chroma_for(settings.quality, false));
        Ok(fit::fit(&planes, settings.quality, None, cancel)?.bytes)
    }

    fn fit_planes(
        &self,
        planes: &Planes,
        size: Dimensions,
        settings: &ImageSettings,
        cancel: &Cancel,
    ) -> Result<Option<Fitted>, MediaError> {
        check_writable(size)?;
        let smaller = (planes.size != size).then(|| fit::resized(planes, size));
        let planes = smaller.as_ref().unwrap_or(planes);
        fit::fit(planes, settings.quality, settings.max_bytes, cancel).map(Some)
    }
}

/// How colour has to be sampled for an encoding at a quality or below, `bounded` where there is a
/// bound on octets.
pub(super) const fn chroma_for(quality: u8, bounded: bool) -> Chroma {
    let full = if bounded { fit::FINE } else { fit::FULL_CHROMA };
    if quality >= full {
        Chroma::Full
    } else {
        Chroma::Half
    }
}

fn check_writable(size: Dimensions) -> Result<(), MediaError> {
    if size.width.max(size.height) > u32::from(u16::MAX) {
        return Err(MediaError::unsupported(format!("a JPEG of {size}")));
    }
    Ok(())
}
