//! Sample entries: `stsd` and what is in it.

use super::super::super::error::WriteError;
use super::super::super::track::{AmrConfig, H263Config, TrackCodec};
use super::super::esds::{self, StreamRates, object_type};
use super::Brand;
use super::header::{boxed, full_box};
use super::layout::{self, Plan};

/// Who made the decoder that `damr` and `d263` describe.
const VENDOR: [u8; 4] = *b"RMLD";

/// `stsd` with the one entry of the track.
pub(super) fn stsd(brand: Brand, plan: &Plan<'_>) -> Result<Vec<u8>, WriteError> {
    let (kind, child) = match &plan.info.codec {
        codec if !brand.holds(codec) => return Err(refused(brand, codec)),
        TrackCodec::AmrNb(config) => (*b"samr", damr(*config)),
        TrackCodec::AmrWb(config) => (*b"sawb", damr(*config)),
        TrackCodec::Aac(config) => (*b"mp4a", esds(plan, object_type::AAC, &config.specific)?),
        TrackCodec::Mp3 => {
            let low = plan.info.sample_rate.is_some_and(|rate| rate < 32_000);
            let object_type = if low {
                object_type::MP3_LOW_RATE
            } else {
                object_type::MP3
            };
            (*b"mp4a", esds(plan, object_type, &[])?)
        }
        TrackCodec::H263(config) => (*b"s263", d263(*config)),
        TrackCodec::Mpeg4Visual(config) => {
            (*b"mp4v", esds(plan, object_type::MPEG4_VISUAL, config)?)
        }
        TrackCodec::H264(config) => (*b"avc1", boxed(b"avcC", &[&config.record])),
        TrackCodec::Hevc(config) => {
            // hvc1 promises that all parameter sets are in the record.
            let kind = if config.nals.is_empty() {
                *b"hev1"
            } else {
                *b"hvc1"
            };
            (kind, boxed(b"hvcC", &[&config.record]))
        }
        TrackCodec::Av1(config) => (*b"av01", boxed(b"av1C", &[config])),
        codec => return Err(refused(brand, codec)),
    };
    let fixed = if plan.info.size.is_some() {
        visual(plan)?
    } else {
        audio(brand, plan)
    };
    let entry = boxed(&kind, &[&fixed, &child]);
    Ok(full_box(b"stsd", 0, 0, &[&1_u32.to_be_bytes(), &entry]))
}

fn refused(brand: Brand, codec: &TrackCodec) -> WriteError {
    let codec = match codec {
        TrackCodec::Other(name) => name.clone(),
        known => format!("{:?}", known.codec()),
    };
    WriteError::Codec {
        codec,
        brand: brand.code(),
    }
}

/// The fixed fields of a visual entry: 72 dots per inch, one frame per sample, 24 bits.
fn visual(plan: &Plan<'_>) -> Result<Vec<u8>, WriteError> {
    let (width, height) = super::header::sides(plan)?;
    let mut out = vec![0, 0, 0, 0, 0, 0, 0, 1];
    out.extend([0; 16]);
    out.extend(width.to_be_bytes());
    out.extend(height.to_be_bytes());
    out.extend([0, 0x48, 0, 0, 0, 0x48, 0, 0]);
    out.extend([0; 4]);
    out.extend([0, 1]);
    out.extend([0; 32]);
    out.extend([0, 24, 0xFF, 0xFF]);
    Ok(out)
}

/// The fixed fields of an audio entry. 3GP has two channels there whatever the truth is
/// (3GPP TS 26.244 section 6.5); MP4 says how many there are.
fn audio(brand: Brand, plan: &Plan<'_>) -> Vec<u8> {
    let amr = matches!(plan.info.codec, TrackCodec::AmrNb(_) | TrackCodec::AmrWb(_));
    let channels = match brand {
        Brand::Mp42 if !amr => plan.info.channels.unwrap_or(2),
        _ => 2,
    };
    let rate = if amr {
        plan.info.timescale
    } else {
        plan.info.sample_rate.unwrap_or(plan.info.timescale)
    };
    let mut out = vec![0, 0, 0, 0, 0, 0, 0, 1];
    out.extend([0; 8]);
    out.extend(channels.to_be_bytes());
    out.extend([0, 16, 0, 0, 0, 0]);
    out.extend(u16::try_from(rate).unwrap_or(0).to_be_bytes());
    out.extend([0, 0]);
    out
}

fn damr(config: AmrConfig) -> Vec<u8> {
    let [high, low] = config.mode_set.to_be_bytes();
    let fields = [
        0,
        high,
        low,
        config.mode_change_period,
        config.frames_per_sample.max(1),
    ];
    boxed(b"damr", &[&VENDOR, &fields])
}

fn d263(config: H263Config) -> Vec<u8> {
    let bitr = config.bit_rate.map_or_else(Vec::new, |rate| {
        boxed(
            b"bitr",
            &[&rate.average.to_be_bytes(), &rate.maximum.to_be_bytes()],
        )
    });
    boxed(
        b"d263",
        &[&VENDOR, &[0, config.level, config.profile], &bitr],
    )
}

fn esds(plan: &Plan<'_>, object_type: u8, config: &[u8]) -> Result<Vec<u8>, WriteError> {
    let (average, maximum) = layout::rates(plan);
    let rates = StreamRates {
        buffer: layout::largest(plan),
        maximum,
        average,
    };
    let video = plan.info.size.is_some();
    let body = esds::write(object_type, video, config, rates)
        .ok_or(WriteError::Field("a decoder configuration"))?;
    Ok(full_box(b"esds", 0, 0, &[&body]))
}
