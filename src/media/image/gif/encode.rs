//! The encoder: one palette for all frames, and of each frame after the first only the part that
//! changed.

use super::super::palette::{IndexOptions, Indexed, index_frames};
use super::super::transform::luma;
use super::super::wbmp::black_and_white;
use super::fit::fit;
use super::lzw::Coder;
use super::movie::{Movie, Tolerance};
use crate::media::cancel::Cancel;
use crate::media::codec::{Fitted, Fitting, ImageEncoder, ImageSettings};
use crate::media::error::MediaError;
use crate::media::info::Format;
use crate::media::picture::Frame;

/// Writes GIF89a.
pub(in super::super) struct GifEncoder;

impl ImageEncoder for GifEncoder {
    fn name(&self) -> &str {
        "gif"
    }

    fn format(&self) -> Format {
        Format::Gif
    }

    fn alpha(&self) -> bool {
        true
    }

    fn animation(&self) -> bool {
        true
    }

    fn encode(
        &self,
        frames: &[Frame],
        settings: &ImageSettings,
        cancel: &Cancel,
    ) -> Result<Vec<u8>, MediaError> {
        let first = frames
            .first()
            .ok_or_else(|| MediaError::unsupported("a GIF of no frame"))?;
        let indexed = indexed(frames, settings)?;
        let movie = Movie {
            size: first.picture.size(),
            indexed: &indexed,
            delays: frames.iter().map(|frame| frame.delay_ms).collect(),
            plays: settings.plays,
        };
        let file = movie.write(Tolerance::default(), u64::MAX, &mut Coder::new(), cancel)?;
        file.ok_or_else(|| MediaError::unsupported("a GIF of so many octets"))
    }

    fn fit(
        &self,
        frames: &[Frame],
        fitting: &Fitting,
        cancel: &Cancel,
    ) -> Option<Result<Fitted, MediaError>> {
        // One frame is scaled and dithered by the search that all still pictures share.
        let moves = frames.len() > 1 && fitting.colours.is_none_or(|colours| colours > 2);
        moves.then(|| fit(frames, fitting, cancel))
    }
}

fn indexed(frames: &[Frame], settings: &ImageSettings) -> Result<Indexed, MediaError> {
    let entries = settings.colours.unwrap_or(256);
    if entries == 2 && settings.dither {
        return two_colours(frames);
    }
    index_frames(
        frames,
        IndexOptions {
            entries,
            dither: settings.dither,
            // Pixels that do not change are written as transparent ones.
            transparent: frames.len() > 1 && entries > 2,
        },
    )
}

/// Black and white for a screen that has no more.
fn two_colours(frames: &[Frame]) -> Result<Indexed, MediaError> {
    let mut indices = Vec::with_capacity(frames.len());
    for frame in frames {
        let white = black_and_white(&luma(&frame.picture)?);
        indices.push(white.into_iter().map(u8::from).collect());
    }
    Ok(Indexed {
        colours: vec![[0; 3], [255; 3]],
        transparent: None,
        frames: indices,
        exact: false,
    })
}
