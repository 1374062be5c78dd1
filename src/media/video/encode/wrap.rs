//! Packets of an encoder as a track that a container's writer takes.

use bytes::Bytes;

use crate::media::container::{BitRate, CodedTrack, H263Config, Sample, TrackCodec, TrackInfo};
use crate::media::error::MediaError;
use crate::media::info::Codec;
use crate::media::picture::Packet;
use crate::media::video::VideoSettings;

/// Ticks per second of what is written: a divisor of every usual frame rate.
const TIMESCALE: u32 = 90_000;

/// A track of `packets` in the order of their frames, which ends at `end_us`.
///
/// # Errors
///
/// [`MediaError::Unsupported`] where the packets lack what the container keeps apart.
pub(in crate::media::video) fn track(
    settings: &VideoSettings,
    packets: Vec<Packet>,
    end_us: u64,
) -> Result<CodedTrack, MediaError> {
    let codec = match settings.codec {
        Codec::H263 => TrackCodec::H263(H263Config {
            level: u8::try_from(settings.level).unwrap_or(10),
            profile: 0,
            bit_rate: Some(bit_rate(&packets, end_us)),
        }),
        other => return Err(MediaError::unsupported(format!("writing {other:?}"))),
    };
    let mut info = TrackInfo::video(1, codec, TIMESCALE, settings.size);
    let ends = packets
        .iter()
        .skip(1)
        .map(|packet| packet.timestamp_us)
        .chain([end_us])
        .map(ticks)
        .collect::<Vec<_>>();
    let samples: Vec<Sample> = packets
        .into_iter()
        .zip(ends)
        .map(|(packet, end)| {
            let start = ticks(packet.timestamp_us);
            let time = i64::try_from(start).unwrap_or(i64::MAX);
            Sample {
                dts: time,
                pts: time,
                duration: u32::try_from(end.saturating_sub(start)).unwrap_or(u32::MAX),
                keyframe: packet.key,
                data: packet.data,
            }
        })
        .collect();
    info.duration = ticks(end_us);
    Ok(CodedTrack {
        info,
        samples,
        warnings: Vec::new(),
    })
}

/// Microseconds in ticks, to the nearest.
fn ticks(time_us: u64) -> u64 {
    let value = u128::from(time_us)
        .saturating_mul(u128::from(TIMESCALE))
        .saturating_add(500_000)
        / 1_000_000;
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// The mean, and the most in any second from a picture on.
fn bit_rate(packets: &[Packet], end_us: u64) -> BitRate {
    let octets = |data: &Bytes| u64::try_from(data.len()).unwrap_or(u64::MAX);
    let (mut total, mut inside, mut most) = (0_u64, 0_u64, 0_u64);
    let mut oldest = packets.iter();
    for packet in packets {
        total = total.saturating_add(octets(&packet.data));
        inside = inside.saturating_add(octets(&packet.data));
        while let Some(first) = oldest.as_slice().first()
            && packet.timestamp_us.saturating_sub(first.timestamp_us) >= 1_000_000
        {
            inside = inside.saturating_sub(octets(&first.data));
            oldest.next();
        }
        most = most.max(inside);
    }
    let mean = u128::from(total).saturating_mul(8_000_000) / u128::from(end_us.max(1));
    let average = u32::try_from(mean).unwrap_or(u32::MAX);
    let maximum = u32::try_from(most.saturating_mul(8)).unwrap_or(u32::MAX);
    BitRate {
        average,
        maximum: maximum.max(average),
    }
}
