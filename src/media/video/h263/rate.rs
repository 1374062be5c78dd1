//! Rate control: which QUANT each picture gets, and which pictures are left out.
//!
//! The bits of a picture are taken to be an overhead plus complexity · k · QUANT^−α. Complexity is
//! known before coding (what motion leaves over, or the activity of an INTRA picture) and k is
//! learnt. QUANT is the smallest one with which all pictures to come would fit into the bits that
//! are left, so that it hardly moves: even quality is the best quality for a given size. The
//! decoder's buffer and the budget bound every single picture on top.

use super::config::{Config, Target};
use super::cost::{
    Bucket, INTER_K, INTER_POWERS, INTRA_K, INTRA_POWERS, Kind, Model, Record, power, scale,
};
use super::still::Lasting;

/// What is known of a picture before it is coded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub(super) kind: Kind,
    /// Sum of absolute differences to code.
    pub(super) complexity: u64,
    /// Microseconds from the first picture.
    pub(super) time_us: u64,
    /// Count of frames pushed before this one.
    pub(super) index: usize,
}

/// How to code a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// PQUANT.
    pub(super) quantiser: u8,
    /// Bits it must not exceed.
    pub(super) limit: u64,
    /// Bits it should have, where a first INTRA picture has to find its QUANT by trial.
    pub(super) aim: Option<u64>,
}

/// What a picture of an earlier pass took: `None` where it was left out.
pub(super) type History = Vec<Option<Record>>;

/// The state of the rate control.
#[derive(Debug, Clone)]
pub(super) struct RateControl {
    goal: Goal,
    /// Microseconds between the pictures that will be coded.
    interval_us: u64,
    keyframe_interval: u64,
    max_picture_bits: u64,
    bucket: Bucket,
    spent: u64,
    inter: Model,
    intra: Model,
    /// Running mean of the complexity of INTER pictures.
    mean_complexity: Option<u64>,
    /// QUANT of the last picture.
    last: Option<u8>,
    /// Frames left out since the last picture.
    left_out: u64,
    guide: Option<Guide>,
}

/// What is to be met.
#[derive(Debug, Clone, Copy)]
enum Goal {
    /// A constant QUANT.
    Quantiser(u8),
    /// A rate over a sliding horizon.
    Rate { bits_per_second: u64 },
    /// A sum at the end, to be exceeded by a hundredth at most, or by nothing if `strict`.
    Total {
        bits: u64,
        duration_us: u64,
        strict: bool,
    },
}

/// Pictures over which a rate without a duration is met.
const HORIZON: u64 = 75;
/// The finest QUANT rate control uses: below it, INTRA levels overflow (127 · 2 · QUANT).
const FINEST: u8 = 2;

impl RateControl {
    /// For a checked configuration and pictures of `macroblocks`; `history` is what an earlier
    /// pass over the same frames took.
    pub(super) fn new(
        config: &Config,
        macroblocks: usize,
        history: Option<&History>,
        lasting: &Lasting,
    ) -> Self {
        let level_rate = config.level.max_bit_rate();
        let within =
            |bits: u64, duration_us: u64| bits.min(scale(level_rate, duration_us, 1_000_000));
        let goal = match config.target {
            Target::Quantiser(step) => Goal::Quantiser(step),
            Target::BitRate {
                bits_per_second,
                duration_us: None,
            } => Goal::Rate {
                bits_per_second: bits_per_second.min(level_rate),
            },
            Target::BitRate {
                bits_per_second,
                duration_us: Some(duration_us),
            } => Goal::Total {
                bits: within(scale(bits_per_second, duration_us, 1_000_000), duration_us),
                duration_us,
                strict: false,
            },
            Target::Bytes { max, duration_us } => Goal::Total {
                bits: within(max.saturating_mul(8), duration_us),
                duration_us,
                strict: true,
            },
        };
        // Frames that come faster than the level's pictures are thinned out.
        let shortest = config.level.picture_interval(config.size).unwrap_or(1) * TICK_US;
        let every = shortest
            .saturating_sub(TICK_US / 4)
            .div_ceil(config.frame_interval_us)
            .max(1);
        let macroblocks = u64::try_from(macroblocks).unwrap_or(u64::MAX);
        // What a whole clip has taught is not forgotten for a few odd pictures.
        let memory = if history.is_some() { 32 } else { 8 };
        let mut inter = Model::new(&INTER_POWERS, INTER_K, 56 + macroblocks, memory);
        let mut intra = Model::new(&INTRA_POWERS, INTRA_K, 56 + 50 * macroblocks, memory);

        for record in history.into_iter().flatten().flatten() {
            match record.kind {
                Kind::Inter => inter.learn(record),
                Kind::Intra => intra.learn(record),
            }
        }
        Self {
            goal,
            interval_us: config.frame_interval_us.saturating_mul(every),
            keyframe_interval: u64::from(config.keyframe_interval),
            max_picture_bits: config.size.max_picture_bits(),
            bucket: Bucket::new(level_rate, config.size.max_picture_bits()),
            spent: 0,
            inter,
            intra,
            mean_complexity: None,
            last: None,
            left_out: 0,
            guide: history.map(|history| Guide::new(history, lasting)),
        }
    }

    /// QUANT of the last picture, or a usual one.
    pub(super) fn last_quantiser(&self) -> u8 {
        match self.goal {
            Goal::Quantiser(step) => step,
            _ => self.last.unwrap_or(10),
        }
    }

    /// How to code the picture, or `None` to leave it out.
    pub(super) fn plan(&mut self, request: &Request) -> Option<Plan> {
        self.bucket.drain(request.time_us);
        let limit = match self.goal {
            Goal::Quantiser(step) => {
                return Some(Plan {
                    quantiser: step,
                    limit: self.max_picture_bits,
                    aim: None,
                });
            }
            Goal::Total { bits, strict, .. } => {
                let over = if strict { 0 } else { bits / 100 };
                self.bucket
                    .room()
                    .min((bits + over).saturating_sub(self.spent))
            }
            _ => self.bucket.room(),
        };
        let limit = limit.min(self.max_picture_bits);
        let (left, pictures) = self.left(request.time_us);
        // A quarter of a picture is kept back for what the models get wrong.
        let left = left - left / (4 * pictures);
        let known = self.guide.is_some();
        if self.last.is_none() && !known {
            return Some(self.first(request, left, pictures, limit));
        }
        let mut step = FINEST;
        while step < 31 && self.need(request, step, pictures) > left {
            step += 1;
        }
        let need = self.need(request, step, pictures);
        if step == 31 && request.kind == Kind::Inter && need > left {
            // Even the coarsest QUANT is too much for every picture: code every second, third …
            let every = (need / left.max(1)).saturating_add(1);
            if self.left_out + 1 < every {
                return None;
            }
        }
        if let Some(last) = self.last {
            let rise = if pictures < 8 { 8 } else { 3 };
            step = step.clamp(last.saturating_sub(2).max(FINEST), (last + rise).min(31));
        }
        if request.kind == Kind::Intra {
            step = self.finer(request, step);
        }
        let model = self.model(request.kind);
        while step < 31 && model.predict(request.complexity, step) > limit {
            step += 1;
        }
        let floor = self.model(request.kind).overhead / 2;
        if limit < floor {
            return None;
        }
        Some(Plan {
            quantiser: step,
            limit,
            aim: None,
        })
    }

    /// Enters a coded picture.
    pub(super) fn enter(&mut self, record: &Record) {
        self.spent = self.spent.saturating_add(record.bits);
        self.bucket.fill(record.bits);
        self.left_out = 0;
        let step = u8::try_from((record.quantiser_256 + 128) >> 8).unwrap_or(31);
        if record.kind == Kind::Inter || self.last.is_none() {
            self.last = Some(step.clamp(1, 31));
        }
        match record.kind {
            Kind::Inter => {
                self.inter.learn(record);
                let mean = self.mean_complexity.unwrap_or(record.complexity);
                self.mean_complexity = Some((mean * 7 + record.complexity) / 8);
            }
            Kind::Intra => self.intra.learn(record),
        }
    }

    /// Enters a frame that was left out.
    pub(super) fn enter_left_out(&mut self) {
        self.left_out = self.left_out.saturating_add(1);
    }

    /// A QUANT for another try, after `bits` came out with `step` and `aim` was wanted.
    pub(super) fn retry(&self, kind: Kind, step: u8, bits: u64, aim: u64) -> u8 {
        let model = self.model(kind);
        let texture = |bits: u64| bits.saturating_sub(model.overhead).max(model.overhead / 8);
        let wanted = scale(
            u64::from(power(model.powers, u32::from(step) << 8)),
            texture(aim),
            texture(bits).max(1),
        );
        let mut other = FINEST;
        while other < 31 && u64::from(power(model.powers, u32::from(other) << 8)) > wanted {
            other += 1;
        }
        other
    }

    fn model(&self, kind: Kind) -> &Model {
        match kind {
            Kind::Inter => &self.inter,
            Kind::Intra => &self.intra,
        }
    }

    /// The bits that are left for the pictures from `time_us` on, and how many those are.
    fn left(&self, time_us: u64) -> (u64, u64) {
        match self.goal {
            Goal::Quantiser(_) => (u64::MAX, 1),
            Goal::Rate { bits_per_second } => {
                let end = time_us.saturating_add(HORIZON * self.interval_us);
                let earned = scale(bits_per_second, end, 1_000_000);
                (earned.saturating_sub(self.spent), HORIZON)
            }
            Goal::Total {
                bits, duration_us, ..
            } => {
                let rest = duration_us.saturating_sub(time_us);
                let pictures = (rest + self.interval_us / 2) / self.interval_us;
                (bits.saturating_sub(self.spent), pictures.max(1))
            }
        }
    }

    /// Bits for this and all pictures to come with QUANT `step`.
    fn need(&self, request: &Request, step: u8, pictures: u64) -> u64 {
        let to_come = self.to_come(request, pictures);
        let key = if request.kind == Kind::Intra {
            self.finer(request, step)
        } else {
            step
        };
        self.model(request.kind)
            .predict(request.complexity, key)
            .saturating_add(self.inter.all(to_come.inter, step))
            .saturating_add(self.intra.all(to_come.intra, step))
    }

    /// The pictures after this one, as far as they are known.
    fn to_come(&self, request: &Request, pictures: u64) -> ToCome {
        if let Some(guide) = &self.guide {
            return guide.after(request.index);
        }
        let mean = self.mean_complexity.unwrap_or(request.complexity);
        let keys = (pictures - 1) / self.keyframe_interval;
        let inter = pictures - 1 - keys;
        ToCome {
            inter: (inter, mean.saturating_mul(inter)),
            intra: (keys, self.intra.last_complexity.saturating_mul(keys)),
        }
    }

    /// QUANT of an INTRA picture among pictures with QUANT `step`. It is the finer the less is
    /// coded after it, since that much of it stays on the screen.
    fn finer(&self, request: &Request, step: u8) -> u8 {
        let (count, complexity) = match &self.guide {
            Some(guide) => guide.after(request.index).inter,
            None => (1, self.mean_complexity.unwrap_or(request.complexity)),
        };
        let each = self.inter.texture(complexity / count.max(1), step);
        let key = self.intra.predict(request.complexity, step).max(1);
        // Found by trial: 0.4 where a picture takes 6 % of the bits of an INTRA one, 0.9 from 16 %.
        let share = (each.saturating_mul(256) / key).min(256);
        let factor = (share * 5 + 26).clamp(102, 230);
        let stillness = self
            .guide
            .as_ref()
            .map(|guide| guide.stillness(request.index));
        let factor = factor.min(stillness.unwrap_or(256));
        let step = (u64::from(step) * factor + 128) / 256;
        u8::try_from(step).unwrap_or(31).clamp(FINEST, 31)
    }

    /// The first picture, when nothing is known: ten times the mean, found by trial. Moving
    /// pictures would do with six, still ones with more.
    fn first(&self, request: &Request, left: u64, pictures: u64, limit: u64) -> Plan {
        let mean = left / pictures;
        let aim = (mean * FIRST_SHARE)
            .min((left / 2).max(mean))
            .min(limit.saturating_mul(7) / 8);
        let model = self.model(request.kind);
        let mut step = FINEST;
        while step < 31 && model.predict(request.complexity, step) > aim {
            step += 1;
        }
        Plan {
            quantiser: step,
            limit,
            aim: Some(aim),
        }
    }
}

/// Bits of the first picture against the mean.
const FIRST_SHARE: u64 = 10;

/// One unit of TR in microseconds, rounded.
const TICK_US: u64 = 33_367;

/// Counts and summed complexities of pictures.
#[derive(Debug, Clone, Copy, Default)]
struct ToCome {
    inter: (u64, u64),
    intra: (u64, u64),
}

/// What an earlier pass tells of the pictures to come.
#[derive(Debug, Clone)]
struct Guide {
    /// For each frame, all later ones.
    after: Vec<ToCome>,
    /// For each frame, [`Lasting::share_256`].
    stillness: Vec<u64>,
}

impl Guide {
    fn new(history: &History, lasting: &Lasting) -> Self {
        let inter = |record: &Record| (record.kind == Kind::Inter).then_some(record.complexity);
        let known: Vec<u64> = history.iter().flatten().filter_map(inter).collect();
        let count = u64::try_from(known.len()).unwrap_or(1).max(1);
        let mean = known.iter().sum::<u64>() / count;
        let mut sum = ToCome::default();
        let mut after = Vec::with_capacity(history.len());
        for record in history.iter().rev() {
            after.push(sum);
            // A frame that was left out would have cost what the others do.
            let (kind, complexity) = record.map_or((Kind::Inter, mean), |record| {
                (record.kind, record.complexity)
            });
            let of = match kind {
                Kind::Inter => &mut sum.inter,
                Kind::Intra => &mut sum.intra,
            };
            *of = (of.0 + 1, of.1 + complexity);
        }
        after.reverse();
        let stillness = (0..history.len())
            .map(|index| lasting.share_256(index))
            .collect();
        Self { after, stillness }
    }

    fn stillness(&self, index: usize) -> u64 {
        self.stillness.get(index).copied().unwrap_or(256)
    }

    fn after(&self, index: usize) -> ToCome {
        self.after.get(index).copied().unwrap_or_default()
    }
}

#[cfg(test)]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::needless_range_loop,
    reason = "the small numbers of a test"
)]
mod tests {
    use super::super::config::{Level, Size};
    use super::*;

    #[test]
    fn pictures_are_thinned_out_when_nothing_else_helps() {
        let target = Target::Bytes {
            max: 2_000,
            duration_us: 10_000_000,
        };
        let config = Config::new(Size::Qcif, Level::L10, target);
        let mut rate = RateControl::new(&config, 99, None, &Lasting::default());
        let mut coded = 0;
        for index in 0..150usize {
            let request = Request {
                kind: if index == 0 { Kind::Intra } else { Kind::Inter },
                complexity: 150_000,
                time_us: index as u64 * 66_733,
                index,
            };
            match rate.plan(&request) {
                Some(plan) => {
                    coded += 1;
                    assert!(plan.limit <= 16_000);
                    let record = Record {
                        kind: request.kind,
                        bits: plan.limit.min(if index == 0 { 6_000 } else { 800 }),
                        complexity: request.complexity,
                        quantiser_256: u32::from(plan.quantiser) << 8,
                    };
                    rate.enter(&record);
                }
                None => rate.enter_left_out(),
            }
        }
        assert!((5..=16).contains(&coded), "{coded}");
        assert!(rate.spent <= 16_000);
    }
}
