//! From many channels to two or one (ITU-R BS.775-3 section 5 and table 2).

/// Half the power: the share of the centre and of the surround channels.
const HALF: f32 = std::f32::consts::FRAC_1_SQRT_2;

/// How channels are mixed. Channels of more than two are in the order of RIFF WAVE: front left,
/// front right, centre, low frequencies, then those behind and at the sides.
///
/// Every row is divided by the sum of its shares, so that nothing can clip. Low frequencies are
/// left out, as the recommendation has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mixer {
    from: usize,
    /// For each channel that comes out, the share of each that goes in.
    rows: Vec<Vec<f32>>,
}

impl Mixer {
    /// A mixer from `from` channels to `to`, both at least 1.
    pub(super) fn new(from: u16, to: u16) -> Self {
        let from = usize::from(from.max(1));
        let to = usize::from(to.max(1));
        let rows = match (from, to) {
            (from, to) if from == to => (0..to).map(|row| one_of(from, row)).collect(),
            (1, to) => vec![vec![1.0]; to],
            (from, 1) => {
                let [left, right] = stereo(from);
                vec![normal(
                    left.iter().zip(&right).map(|(l, r)| l + r).collect(),
                )]
            }
            (from, 2) => stereo(from).into_iter().map(normal).collect(),
            (from, to) => (0..to).map(|row| one_of(from, row)).collect(),
        };
        Self { from, rows }
    }

    /// Whether what comes out is what goes in.
    pub(super) fn is_idle(&self) -> bool {
        self.rows.len() == self.from
    }

    /// Mixes interleaved samples.
    pub(super) fn mix(&self, samples: &[f32]) -> Vec<f32> {
        let frames = samples.len() / self.from;
        let mut out = Vec::with_capacity(frames.saturating_mul(self.rows.len()));
        for frame in samples.chunks_exact(self.from) {
            for row in &self.rows {
                out.push(row.iter().zip(frame).map(|(share, x)| share * x).sum());
            }
        }
        out
    }
}

fn one_of(from: usize, row: usize) -> Vec<f32> {
    (0..from)
        .map(|at| if at == row { 1.0 } else { 0.0 })
        .collect()
}

fn normal(row: Vec<f32>) -> Vec<f32> {
    let sum: f32 = row.iter().sum();
    if sum > 1.0 {
        row.into_iter().map(|share| share / sum).collect()
    } else {
        row
    }
}

/// What of each channel goes left and right.
fn stereo(from: usize) -> [Vec<f32>; 2] {
    let (centre, none) = ((HALF, HALF), (0.0, 0.0));
    let (left, right) = ((1.0, 0.0), (0.0, 1.0));
    let (behind_left, behind_right) = ((HALF, 0.0), (0.0, HALF));
    let behind = (0.5, 0.5);
    let pairs = match from {
        1 => vec![centre],
        2 => vec![left, right],
        3 => vec![left, right, centre],
        4 => vec![left, right, behind_left, behind_right],
        5 => vec![left, right, centre, behind_left, behind_right],
        6 => vec![left, right, centre, none, behind_left, behind_right],
        7 => vec![left, right, centre, none, behind, behind_left, behind_right],
        _ => {
            let mut pairs = vec![left, right, centre, none];
            for at in 4..from {
                pairs.push(if at % 2 == 0 {
                    behind_left
                } else {
                    behind_right
                });
            }
            pairs
        }
    };
    let (left, right) = pairs.into_iter().unzip();
    [left, right]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mono_is_the_mean_of_stereo() {
        let mixer = Mixer::new(2, 1);
        assert_eq!(mixer.mix(&[0.5, 0.25, -1.0, 1.0]), [0.375, 0.0]);
        assert_eq!(Mixer::new(1, 2).mix(&[0.5]), [0.5, 0.5]);
        assert!(Mixer::new(2, 2).is_idle());
    }

    #[test]
    fn full_scale_in_every_channel_does_not_clip() {
        for from in 1..=12_u16 {
            for to in 1..=2_u16 {
                let out = Mixer::new(from, to).mix(&vec![1.0; usize::from(from)]);
                assert_eq!(out.len(), usize::from(to));
                assert!(out.iter().all(|x| *x <= 1.000_001), "{from} {to}");
                assert!(out.iter().all(|x| *x > 0.7), "{from} {to}");
            }
        }
    }

    #[test]
    fn surround_has_the_shares_of_the_standard() {
        let out = Mixer::new(6, 2).mix(&[0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
        let share = HALF / (1.0 + HALF + HALF);
        assert!(out.iter().all(|x| (x - share).abs() < 1e-6));
    }
}
