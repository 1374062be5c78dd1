//! A whole track of moving pictures: decoded, shaped, coded.

use bytes::Bytes;

use super::encode::wrap;
use super::plan::Plan;
use super::read::Reader;
use super::shape::Shaper;
use super::VideoSettings;
use crate::limits::Limits;
use crate::media::cancel::Cancel;
use crate::media::codec::{RateTarget, Stage, VideoEncoder, VideoFormat};
use crate::media::container::{CodedTrack, Track};
use crate::media::error::MediaError;
use crate::media::info::Format;
use crate::media::picture::{Packet, VideoFrame};
use crate::media::registry::Registry;

/// Frames that are decoded while as many before them are scaled and coded.
const BATCH: usize = 2;

/// Codes a track anew; see [`transcode`](super::transcode).
pub(super) fn transcode(
    track: &Track,
    settings: &VideoSettings,
    registry: &Registry,
    limits: &Limits,
    cancel: &Cancel,
) -> Result<CodedTrack, MediaError> {
    let codec = track.info.codec.codec();
    let decoder = registry
        .video_decoder(codec)
        .ok_or_else(|| MediaError::unsupported(format!("decoding {codec:?}")))?;
    let encoder = registry
        .video_encoder(settings.codec)
        .ok_or_else(|| MediaError::unsupported(format!("encoding {:?}", settings.codec)))?;
    let plan = Plan::new(track, settings);
    let mut reader = Reader::open(
        &*decoder,
        track,
        (track.samples(), track.len()),
        &plan,
        limits,
        cancel,
    )?;
    let shaper = Shaper::new(
        track.info.orientation,
        track.info.pixel_aspect,
        settings.size,
    );
    let mut sink = Sink::open(&*encoder, settings, settings.bit_rate, &plan, shaper, cancel)?;
    let mut frames = reader.batch(BATCH)?;
    while !frames.is_empty() {
        let (next, taken) = rayon::join(|| reader.batch(BATCH), || sink.take(frames));
        taken?;
        frames = next?;
    }
    let packets = sink.finish()?;
    if packets.is_empty() {
        return Err(MediaError::malformed(
            Format::Mp4,
            "not one picture of the track could be decoded",
        ));
    }
    let mut coded = wrap::track(settings, packets, plan.end_us())?;
    let lost = plan.frames().saturating_sub(reader.decoded());
    if lost > 0 {
        coded.warnings.push(format!(
            "{lost} of {} pictures could not be decoded",
            plan.samples()
        ));
    }
    Ok(coded)
}

/// Shapes and codes frames.
struct Sink {
    shaper: Shaper,
    stage: Box<dyn Stage<VideoFrame, Packet>>,
    packets: Vec<Packet>,
}

impl Sink {
    fn open(
        encoder: &dyn VideoEncoder,
        settings: &VideoSettings,
        bit_rate: u64,
        plan: &Plan,
        shaper: Shaper,
        cancel: &Cancel,
    ) -> Result<Self, MediaError> {
        let format = VideoFormat {
            codec: settings.codec,
            size: settings.size,
            millihertz: Some(settings.millihertz),
            config: u8::try_from(settings.level)
                .map(|level| Bytes::from(vec![level]))
                .unwrap_or_default(),
        };
        let target = RateTarget {
            bit_rate: Some(bit_rate),
            max_bytes: settings.max_bytes,
            duration_us: Some(plan.end_us().max(1)),
        };
        Ok(Self {
            shaper,
            stage: encoder.open(&format, &target, cancel)?,
            packets: Vec::new(),
        })
    }

    fn take(&mut self, frames: Vec<VideoFrame>) -> Result<(), MediaError> {
        for frame in frames {
            let planes = self.shaper.shape(&frame.planes)?;
            self.stage.push(VideoFrame { planes, ..frame })?;
            self.collect()?;
        }
        Ok(())
    }

    fn collect(&mut self) -> Result<(), MediaError> {
        while let Some(packet) = self.stage.pull()? {
            self.packets.push(packet);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<Packet>, MediaError> {
        self.stage.finish()?;
        self.collect()?;
        Ok(self.packets)
    }
}
