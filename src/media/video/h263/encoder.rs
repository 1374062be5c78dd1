//! The encoder: frames in, pictures out.

use super::config::{Config, H263Error, MAX_DURATION_US, Size};
use super::cost::{Kind, Record};
use super::header::Header;
use super::motion::Estimate;
use super::picture::{Coder, Outcome};
use super::rate::{History, Plan, RateControl, Request};
use super::still::{Lasting, Stills};

/// Samples of one plane, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct YuvPlane<'a> {
    /// Rows from top to bottom.
    pub data: &'a [u8],
    /// Octets from one row to the next; at least the width.
    pub stride: usize,
}

impl<'a> YuvPlane<'a> {
    /// The first `width` samples of `height` rows, or `None` where some are missing.
    fn rows(&self, width: usize, height: usize) -> Option<impl Iterator<Item = &'a [u8]>> {
        let needed = self.stride.checked_mul(height - 1)?.checked_add(width)?;
        if self.stride < width || self.data.len() < needed {
            return None;
        }
        Some(
            self.data
                .chunks(self.stride)
                .take(height)
                .filter_map(move |row| row.get(..width)),
        )
    }
}

/// A frame in 4:2:0, BT.601 limited range, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct YuvFrame<'a> {
    /// Luma.
    pub y: YuvPlane<'a>,
    /// Blue difference, half as wide and high.
    pub cb: YuvPlane<'a>,
    /// Red difference, half as wide and high.
    pub cr: YuvPlane<'a>,
}

impl<'a> YuvFrame<'a> {
    /// Three planes without gaps between their rows.
    #[must_use]
    pub fn packed(size: Size, y: &'a [u8], cb: &'a [u8], cr: &'a [u8]) -> Self {
        let (width, _) = size.lengths();
        let plane = |data, stride| YuvPlane { data, stride };
        Self {
            y: plane(y, width),
            cb: plane(cb, width / 2),
            cr: plane(cr, width / 2),
        }
    }
}

/// One coded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedFrame {
    /// The picture, from its start code on, in whole octets.
    pub data: Vec<u8>,
    /// The time of the frame, as it was pushed.
    pub timestamp_us: u64,
    /// Whether it is an INTRA picture, at which decoding can start.
    pub keyframe: bool,
    /// TR.
    pub temporal_reference: u8,
    /// Mean QUANT in 256ths.
    pub quantiser_256: u32,
    /// Sum of squared errors of the luma, for a PSNR.
    pub luma_error: u64,
}

/// What an encoder did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Pictures written.
    pub pictures: u64,
    /// INTRA pictures among them.
    pub keyframes: u64,
    /// Frames left out: by the rate control, or since the level has no pictures so close.
    pub left_out: u64,
    /// Octets of all pictures.
    pub bytes: u64,
    /// Sum of squared errors of the luma of the pictures written.
    pub luma_error: u64,
}

/// A baseline encoder for one sequence of frames.
#[derive(Debug)]
pub struct Encoder {
    config: Config,
    coder: Coder,
    rate: RateControl,
    /// Time of the first frame.
    start_us: Option<u64>,
    /// Time of the last frame pushed.
    pushed_us: Option<u64>,
    /// Time and TR, not yet modulo 256, of the last picture.
    last: Option<(u64, u64)>,
    /// Pictures since the last INTRA one, with it.
    since_key: u32,
    history: History,
    stills: Stills,
    lasting: Lasting,
    summary: Summary,
}

impl Encoder {
    /// An encoder that has seen no frame.
    ///
    /// # Errors
    ///
    /// [`H263Error::Level`] or [`H263Error::Setting`].
    pub fn new(config: Config) -> Result<Self, H263Error> {
        Self::guided(config, None)
    }

    /// As [`new`](Self::new), knowing what an earlier pass over the same frames took.
    pub(super) fn guided(config: Config, first: Option<&Self>) -> Result<Self, H263Error> {
        config.check()?;
        let (width, height) = config.size.lengths();
        let coder = Coder::new(width, height);
        let history = first.map(|first| &first.history);
        let lasting = first.map(|first| Lasting::new(&first.stills));
        let lasting = lasting.unwrap_or_default();
        let rate = RateControl::new(&config, coder.grid().count(), history, &lasting);
        Ok(Self {
            config,
            coder,
            rate,
            start_us: None,
            pushed_us: None,
            last: None,
            since_key: 0,
            history: History::new(),
            stills: Stills::new(),
            lasting,
            summary: Summary::default(),
        })
    }

    /// What it was told.
    pub(super) const fn config(&self) -> &Config {
        &self.config
    }

    /// Encodes a frame that is shown at `timestamp_us`, or leaves it out and returns `None`: the
    /// picture before it is then shown longer. The first frame is never left out.
    ///
    /// # Errors
    ///
    /// [`H263Error::Frame`], [`H263Error::Timestamp`], or [`H263Error::Budget`] where not even the
    /// first picture fits. The encoder is as before then.
    pub fn encode(
        &mut self,
        frame: &YuvFrame<'_>,
        timestamp_us: u64,
    ) -> Result<Option<EncodedFrame>, H263Error> {
        let late = timestamp_us > MAX_DURATION_US;
        if late || self.pushed_us.is_some_and(|last| timestamp_us <= last) {
            return Err(H263Error::Timestamp { timestamp_us });
        }
        self.load(frame)?;
        let start = *self.start_us.get_or_insert(timestamp_us);
        let Some(reference) = self.temporal_reference(timestamp_us) else {
            self.leave_out(timestamp_us);
            return Ok(None);
        };
        let (kind, complexity) = self.judge();
        let request = Request {
            kind,
            complexity,
            time_us: timestamp_us - start,
            index: self.history.len(),
        };
        let first = self.last.is_none();
        let header = Header {
            temporal_reference: low_octet(reference),
            source_format: self.config.size.source_format(),
            intra: kind == Kind::Intra,
            quantiser: 0,
            gob_headers: self.config.gob_headers,
        };
        let coded = self
            .rate
            .plan(&request)
            .and_then(|plan| self.code(header, kind, plan));
        let Some(outcome) = coded else {
            if first {
                self.start_us = None;
                return Err(self.too_small());
            }
            self.leave_out(timestamp_us);
            return Ok(None);
        };
        let data = self.coder.keep().to_vec();
        let macroblocks = u32::try_from(self.coder.grid().count()).unwrap_or(1).max(1);
        let record = Record {
            kind,
            bits: outcome.bits,
            complexity,
            quantiser_256: outcome.planned * 256 / macroblocks,
        };
        self.rate.enter(&record);
        self.history.push(Some(record));
        self.stills.push(Some(self.coder.still().collect()));
        self.pushed_us = Some(timestamp_us);
        self.last = Some((timestamp_us, reference));
        self.since_key = if header.intra { 1 } else { self.since_key + 1 };
        self.summary.pictures += 1;
        self.summary.keyframes += u64::from(header.intra);
        self.summary.bytes += outcome.bits / 8;
        self.summary.luma_error += outcome.luma_error;
        Ok(Some(EncodedFrame {
            data,
            timestamp_us,
            keyframe: header.intra,
            temporal_reference: header.temporal_reference,
            quantiser_256: outcome.quantisers * 256 / macroblocks,
            luma_error: outcome.luma_error,
        }))
    }

    /// The last picture as a decoder shows it. Black before the first.
    #[must_use]
    pub fn reconstruction(&self) -> YuvFrame<'_> {
        let (y, cb, cr) = self.coder.shown();
        let plane = |(data, stride)| YuvPlane { data, stride };
        YuvFrame {
            y: plane(y.samples()),
            cb: plane(cb.samples()),
            cr: plane(cr.samples()),
        }
    }

    /// What has been done so far. Nothing is held back, so that there is nothing to flush at the
    /// end of the sequence.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.summary
    }

    fn too_small(&self) -> H263Error {
        let max = match self.config.target {
            super::Target::Bytes { max, .. } => max,
            _ => self.config.size.max_picture_bits() / 8,
        };
        H263Error::Budget { max }
    }

    fn load(&mut self, frame: &YuvFrame<'_>) -> Result<(), H263Error> {
        let (width, height) = self.config.size.lengths();
        let rows = frame.y.rows(width, height);
        let cb = frame.cb.rows(width / 2, height / 2);
        let cr = frame.cr.rows(width / 2, height / 2);
        let (Some(y), Some(cb), Some(cr)) = (rows, cb, cr) else {
            return Err(H263Error::Frame {
                size: self.config.size.dimensions(),
            });
        };
        self.coder.load(y, cb, cr);
        Ok(())
    }

    fn leave_out(&mut self, timestamp_us: u64) {
        self.pushed_us = Some(timestamp_us);
        self.rate.enter_left_out();
        self.history.push(None);
        self.stills.push(None);
        self.summary.left_out += 1;
    }

    /// TR of a picture at that time, or `None` where it comes too soon for the level. TR counts
    /// 1001/30000 s (clause 5.1.2).
    fn temporal_reference(&self, timestamp_us: u64) -> Option<u64> {
        let ticks = ticks(timestamp_us);
        let Some((last_us, last)) = self.last else {
            return Some(ticks);
        };
        let interval = self.config.level.picture_interval(self.config.size)?;
        // A quarter of a unit is left for times that were rounded, and for 15.000 Hz.
        let soonest = last_us + interval * 100_100 / 3 - 8_342;
        (timestamp_us >= soonest).then(|| ticks.max(last + interval))
    }

    /// INTRA or INTER, and how much there is to code.
    fn judge(&mut self) -> (Kind, u64) {
        if self.last.is_none() || self.since_key >= self.config.keyframe_interval {
            return (Kind::Intra, self.coder.activity());
        }
        let field = self.coder.estimate(self.rate.last_quantiser());
        if is_cut(field) {
            return (Kind::Intra, self.coder.activity());
        }
        let left = field.iter().map(|e| u64::from(e.sad.min(e.activity))).sum();
        (Kind::Inter, left)
    }

    /// Codes the loaded picture as planned, coarser if it has to be; `None` if it does not fit
    /// even so.
    fn code(&mut self, header: Header, kind: Kind, plan: Plan) -> Option<Outcome> {
        let mut header = header;
        header.quantiser = plan.quantiser;
        let macroblocks = u32::try_from(self.coder.grid().count()).unwrap_or(1);
        let lasting = self.lasting.of(self.history.len());
        let mut outcome = self.coder.code(&header, plan.limit, lasting);
        if let Some(aim) = plan.aim {
            for _ in 0..2 {
                let off = outcome.bits.abs_diff(aim) * 5 > aim;
                let other = self.rate.retry(kind, header.quantiser, outcome.bits, aim);
                if !off || other == header.quantiser {
                    break;
                }
                header.quantiser = other;
                outcome = self.coder.code(&header, plan.limit, lasting);
            }
        }
        // One even QUANT is better than one that had to rise on the way.
        for _ in 0..3 {
            if outcome.planned * 8 <= u32::from(header.quantiser) * macroblocks * 9 {
                break;
            }
            header.quantiser = (header.quantiser + 1 + header.quantiser / 8).min(31);
            outcome = self.coder.code(&header, plan.limit, lasting);
        }
        while outcome.bits > plan.limit {
            if header.quantiser >= 31 {
                return None;
            }
            header.quantiser = (header.quantiser + header.quantiser / 4 + 1).min(31);
            outcome = self.coder.code(&header, plan.limit, lasting);
        }
        Some(outcome)
    }
}

/// Whether the picture has little to do with the last: more than half of its macroblocks would
/// rather be coded by themselves, and the change is not mere noise.
fn is_cut(field: &[Estimate]) -> bool {
    let foreign = field
        .iter()
        .filter(|estimate| estimate.activity < estimate.sad)
        .count();
    let sad: u64 = field.iter().map(|estimate| u64::from(estimate.sad)).sum();
    let count = u64::try_from(field.len()).unwrap_or(u64::MAX);
    foreign * 2 > field.len() && sad > count * 256 * 4
}

/// A time in units of TR, rounded.
fn ticks(timestamp_us: u64) -> u64 {
    let ticks = (u128::from(timestamp_us) * 6 + 100_100) / 200_200;
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

fn low_octet(value: u64) -> u8 {
    let [.., low] = value.to_be_bytes();
    low
}
