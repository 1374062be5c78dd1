//! Packets of an encoder as a track that a container's writer takes.

use bytes::Bytes;

use crate::media::container::{
    AvcConfig, BitRate, CodedTrack, H263Config, Sample, TrackCodec, TrackInfo,
};
use crate::media::error::MediaError;
use crate::media::info::Codec;
use crate::media::picture::Packet;
use crate::media::video::VideoSettings;
use crate::media::video::decode::start_code_units;

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
    let mut packets = packets;
    let codec = match settings.codec {
        Codec::H263 => TrackCodec::H263(H263Config {
            level: u8::try_from(settings.level).unwrap_or(10),
            profile: 0,
            bit_rate: Some(bit_rate(&packets, end_us)),
        }),
        Codec::H264 => h264(&mut packets)?,
        Codec::Mpeg4Visual => mpeg4(&mut packets)?,
        Codec::Av1 => av1(&packets)?,
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
        encodes: 1,
        warnings: Vec::new(),
    })
}

/// Takes the parameter sets out of the packets and puts lengths in the place of start codes.
fn h264(packets: &mut [Packet]) -> Result<TrackCodec, MediaError> {
    let (mut sps, mut pps) = (Vec::new(), Vec::new());
    for packet in packets {
        let mut data = Vec::with_capacity(packet.data.len());
        for unit in start_code_units(&packet.data) {
            // An octet of zero belongs to the start code behind it.
            let unit = unit.strip_suffix(&[0]).unwrap_or(unit);
            let sets = match unit.first().map(|header| header & 0x1F) {
                Some(7) => &mut sps,
                Some(8) => &mut pps,
                None => continue,
                Some(_) => {
                    let length = u32::try_from(unit.len()).unwrap_or(u32::MAX);
                    data.extend(length.to_be_bytes());
                    data.extend_from_slice(unit);
                    continue;
                }
            };
            let unit = Bytes::copy_from_slice(unit);
            if !sets.contains(&unit) {
                sets.push(unit);
            }
        }
        packet.data = Bytes::from(data);
    }
    AvcConfig::new(sps, pps)
        .map(TrackCodec::H264)
        .ok_or_else(|| MediaError::unsupported("H.264 without parameter sets"))
}

/// Takes the headers in front of the first picture out of the packets.
fn mpeg4(packets: &mut [Packet]) -> Result<TrackCodec, MediaError> {
    const PICTURE: [u8; 4] = [0, 0, 1, 0xB6];
    let mut config = None;
    for packet in packets {
        let at = packet.data.windows(4).position(|four| four == PICTURE);
        let headers = packet.data.split_to(at.unwrap_or(0));
        if config.is_none() && !headers.is_empty() {
            config = Some(headers);
        }
    }
    config
        .map(TrackCodec::Mpeg4Visual)
        .ok_or_else(|| MediaError::unsupported("MPEG-4 Visual without headers"))
}

/// The `av1C` record of the sequence header in the first packet (AV1-ISOBMFF section 2.3.3, AV1
/// section 5.5.1).
fn av1(packets: &[Packet]) -> Result<TrackCodec, MediaError> {
    let missing = || MediaError::unsupported("AV1 without a sequence header");
    let data = packets.first().map(|packet| packet.data.clone());
    let data = data.ok_or_else(missing)?;
    // obu_type 1 with obu_has_size_field, and a size of one octet.
    let &[0x0A, size, first, second, third, fourth, ..] = &*data else {
        return Err(missing());
    };
    if size >= 0x80 {
        return Err(missing());
    }
    let header = data
        .get(..usize::from(size).saturating_add(2))
        .ok_or_else(missing)?;
    let bits = u32::from_be_bytes([first, second, third, fourth]);
    // seq_profile 3, still_picture 1, reduced 1, timing_info_present 1, initial_display_delay 1,
    // operating_points 5, operating_point_idc 12, seq_level_idx 5, seq_tier 1 above level 3.3.
    let profile = (bits >> 29) & 7;
    if (bits >> 26) & 3 != 0 {
        return Err(MediaError::unsupported("AV1 with timing information"));
    }
    let level = (bits >> 3) & 0x1F;
    let tier = if level > 7 { (bits >> 2) & 1 } else { 0 };
    let octet = |value: u32| u8::try_from(value).unwrap_or(0);
    // Eight bits, 4:2:0, the position of chroma unknown: all that we write.
    let mut record = vec![
        0x81,
        octet(profile << 5 | level),
        octet(tier << 7 | 0x0C),
        0,
    ];
    record.extend_from_slice(header);
    Ok(TrackCodec::Av1(Bytes::from(record)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dimensions::Dimensions;

    fn packet(data: &[u8], timestamp_us: u64, key: bool) -> Packet {
        Packet {
            data: Bytes::copy_from_slice(data),
            timestamp_us,
            key,
            shown: true,
        }
    }

    fn settings(codec: Codec) -> VideoSettings {
        VideoSettings {
            codec,
            level: 10,
            size: Dimensions::new(176, 144),
            millihertz: 15_000,
            bit_rate: 64_000,
            max_bytes: None,
            end_us: None,
        }
    }

    #[test]
    fn parameter_sets_go_into_the_record_and_lengths_into_the_samples() {
        let first = [
            0, 0, 0, 1, 0x67, 66, 0xC0, 10, 9, 0, 0, 0, 1, 0x68, 5, 0, 0, 1, 0x65, 7, 7,
        ];
        let second = [0, 0, 0, 1, 0x41, 8];
        let packets = vec![packet(&first, 0, true), packet(&second, 66_733, false)];
        let made = track(&settings(Codec::H264), packets, 133_466).unwrap();
        let TrackCodec::H264(config) = &made.info.codec else {
            panic!("{:?}", made.info.codec);
        };
        assert_eq!((config.profile, config.level), (66, 10));
        assert_eq!(config.pps, [Bytes::from_static(&[0x68, 5])]);
        assert_eq!(*made.samples[0].data, [0, 0, 0, 3, 0x65, 7, 7]);
        assert_eq!(*made.samples[1].data, [0, 0, 0, 2, 0x41, 8]);
        let times: Vec<_> = made.samples.iter().map(|s| (s.pts, s.duration)).collect();
        assert_eq!(times, [(0, 6_006), (6_006, 6_006)]);
        assert_eq!(made.info.duration, 12_012);
    }

    #[test]
    fn headers_of_mpeg4_go_into_the_configuration() {
        let first = [0, 0, 1, 0xB0, 8, 0, 0, 1, 0xB6, 1, 2];
        let second = [0, 0, 1, 0xB6, 3];
        let packets = vec![packet(&first, 0, true), packet(&second, 1, false)];
        let made = track(&settings(Codec::Mpeg4Visual), packets, 2).unwrap();
        let config = Bytes::from_static(&[0, 0, 1, 0xB0, 8]);
        assert_eq!(made.info.codec, TrackCodec::Mpeg4Visual(config));
        assert_eq!(*made.samples[0].data, first[5..]);
        assert_eq!(*made.samples[1].data, second);
    }

    #[test]
    fn the_record_of_av1_repeats_its_sequence_header() {
        // Profile 0, level index 4, no timing: 000 0 0 0 0 00000 000000000000 00100 …
        let unit = [0x0A, 4, 0x00, 0x00, 0x00, 0x20, 0x32, 1, 9];
        let made = track(&settings(Codec::Av1), vec![packet(&unit, 0, true)], 1).unwrap();
        let record = Bytes::from_static(&[0x81, 4, 0x0C, 0, 0x0A, 4, 0, 0, 0, 0x20]);
        assert_eq!(made.info.codec, TrackCodec::Av1(record));
        let bare = vec![packet(&[0x32, 1, 9], 0, true)];
        assert!(track(&settings(Codec::Av1), bare, 1).is_err());
    }

    #[test]
    fn the_highest_rate_is_that_of_the_fullest_second() {
        let packets: Vec<Packet> = [
            (1_000, 0),
            (100, 500_000),
            (100, 1_000_000),
            (100, 1_500_000),
        ]
        .iter()
        .map(|(length, time)| packet(&vec![1; *length], *time, *time == 0))
        .collect();
        let made = track(&settings(Codec::H263), packets, 2_000_000).unwrap();
        let TrackCodec::H263(config) = made.info.codec else {
            panic!("{:?}", made.info.codec);
        };
        let rate = config.bit_rate.unwrap();
        assert_eq!((rate.average, rate.maximum), (5_200, 8_800));
    }
}
