//! A whole clip into a number of octets.

use super::config::{Config, H263Error, Target};
use super::encoder::{EncodedFrame, Encoder, Summary, YuvFrame};

/// A clip that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fitted {
    /// The pictures.
    pub pictures: Vec<EncodedFrame>,
    /// What was done.
    pub summary: Summary,
    /// Passes over the frames: 1 or 2.
    pub passes: u8,
}

/// Encodes a clip of `duration_us` so that its pictures take at most `max_bytes` together, and
/// nearly as many where the level's bit rate allows it. One pass, and a second one that knows the
/// first when that one missed the size by more than 3 % or had to vary its quality much.
///
/// `frames` starts the sequence of frames and their times from the beginning; it is called once
/// for each pass. [`Config::target`] is ignored.
///
/// # Errors
///
/// As [`Encoder::new`] and [`Encoder::encode`].
pub fn encode_to_size<'a, I>(
    config: &Config,
    max_bytes: u64,
    duration_us: u64,
    frames: impl Fn() -> I,
) -> Result<Fitted, H263Error>
where
    I: Iterator<Item = (YuvFrame<'a>, u64)>,
{
    let mut config = config.clone();
    config.target = Target::Bytes {
        max: max_bytes,
        duration_us,
    };
    let mut encoder = Encoder::new(config)?;
    let pictures = all(&mut encoder, frames())?;
    correct(&encoder, pictures, frames)
}

/// What `encoder`, which aims at [`Target::Bytes`], made of all frames, and where that missed, what
/// a second pass over them makes that knows the first.
///
/// # Errors
///
/// As [`encode_to_size`].
pub(in crate::media::video) fn correct<'a, I>(
    encoder: &Encoder,
    pictures: Vec<EncodedFrame>,
    frames: impl Fn() -> I,
) -> Result<Fitted, H263Error>
where
    I: Iterator<Item = (YuvFrame<'a>, u64)>,
{
    let first = Fitted {
        pictures,
        summary: encoder.summary(),
        passes: 1,
    };
    let config = encoder.config();
    let Target::Bytes { max, duration_us } = config.target else {
        return Ok(first);
    };
    let most = max.min(config.level.max_bit_rate().saturating_mul(duration_us) / 8_000_000);
    if !wants_correction(&first, most) {
        return Ok(first);
    }
    let mut second = Encoder::guided(config.clone(), Some(encoder))?;
    let corrected = all(&mut second, frames());
    let summary = second.summary();
    Ok(match corrected {
        Ok(pictures) if summary.left_out <= first.summary.left_out => Fitted {
            pictures,
            summary,
            passes: 2,
        },
        // The first pass stays where it shows more pictures.
        _ => Fitted { passes: 2, ..first },
    })
}

fn all<'a>(
    encoder: &mut Encoder,
    frames: impl Iterator<Item = (YuvFrame<'a>, u64)>,
) -> Result<Vec<EncodedFrame>, H263Error> {
    let mut pictures = Vec::new();
    for (frame, timestamp_us) in frames {
        pictures.extend(encoder.encode(&frame, timestamp_us)?);
    }
    Ok(pictures)
}

/// Whether a second pass would do better.
fn wants_correction(fitted: &Fitted, most: u64) -> bool {
    let steps = fitted.pictures.iter().map(|picture| picture.quantiser_256);
    let (low, high) = (steps.clone().min(), steps.max());
    let (Some(low), Some(high)) = (low, high) else {
        return false;
    };
    let short = fitted.summary.bytes * 100 < most * 97 && high > 3 * 256;
    let uneven = high > low + low / 2;
    short || uneven || fitted.summary.left_out > 0
}
