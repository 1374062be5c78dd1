//! Display matrices as EXIF orientations (ISO/IEC 14496-12 section 8.3.2, EXIF 2.3 section 4.6.4).

/// 1.0 in the 16.16 form of the first four numbers of a matrix.
const ONE: i32 = 0x0001_0000;

/// The linear part of a matrix as signs: a point (x, y) is shown at (a·x + c·y, b·x + d·y), y
/// growing downwards. Only quarter turns and mirrors matter, so signs are enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    a: i32,
    b: i32,
    c: i32,
    d: i32,
}

impl Turn {
    pub(super) const NONE: Self = Self::new(1, 0, 0, 1);

    pub(super) const fn new(a: i32, b: i32, c: i32, d: i32) -> Self {
        Self {
            a: a.signum(),
            b: b.signum(),
            c: c.signum(),
            d: d.signum(),
        }
    }

    /// This, then `next`: the matrix of a track, then that of its movie.
    pub(super) const fn then(self, next: Self) -> Self {
        Self::new(
            next.a * self.a + next.c * self.b,
            next.b * self.a + next.d * self.b,
            next.a * self.c + next.c * self.d,
            next.b * self.c + next.d * self.d,
        )
    }

    /// The EXIF orientation; 1 for what is no quarter turn.
    pub(super) fn orientation(self) -> u8 {
        (1..=8)
            .find(|orientation| Self::of(*orientation) == self)
            .unwrap_or(1)
    }

    /// The turn that an EXIF orientation asks for; none for a number that is none.
    const fn of(orientation: u8) -> Self {
        match orientation {
            2 => Self::new(-1, 0, 0, 1),
            3 => Self::new(-1, 0, 0, -1),
            4 => Self::new(1, 0, 0, -1),
            5 => Self::new(0, 1, 1, 0),
            6 => Self::new(0, 1, -1, 0),
            7 => Self::new(0, -1, -1, 0),
            8 => Self::new(0, -1, 1, 0),
            _ => Self::NONE,
        }
    }
}

/// The nine numbers of the matrix for an orientation. Its translation moves the turned picture
/// back to the origin, `width` and `height` being those of the picture before the turn.
pub(super) fn matrix(orientation: u8, width: u16, height: u16) -> [i32; 9] {
    let Turn { a, b, c, d } = Turn::of(orientation);
    let extent = |over_width: i32, over_height: i32| {
        let reach = |factor: i32, side: u16| factor.min(0) * i32::from(side);
        // 16.16; the sides of a track are below 32768 or the shift is lost, which only moves it.
        reach(over_width, width)
            .saturating_add(reach(over_height, height))
            .saturating_neg()
            .saturating_mul(ONE)
    };
    let (x, y) = (extent(a, c), extent(b, d));
    [a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, x, y, 0x4000_0000]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_orientation_survives_the_matrix() {
        for orientation in 1..=8 {
            let [a, b, _, c, d, ..] = matrix(orientation, 320, 240);
            assert_eq!(Turn::new(a, b, c, d).orientation(), orientation);
        }
        assert_eq!(Turn::new(46_341, 46_341, -46_341, 46_341).orientation(), 1);
    }

    #[test]
    fn a_turned_picture_comes_back_to_the_origin() {
        assert_eq!(matrix(6, 320, 240)[6..8], [240 * ONE, 0]);
        assert_eq!(matrix(3, 320, 240)[6..8], [320 * ONE, 240 * ONE]);
        assert_eq!(matrix(8, 320, 240)[6..8], [0, 320 * ONE]);
    }

    #[test]
    fn turns_add_up() {
        let quarter = Turn::of(6);
        assert_eq!(quarter.then(quarter).orientation(), 3);
        assert_eq!(quarter.then(Turn::of(8)), Turn::NONE);
        assert_eq!(Turn::of(2).then(quarter).orientation(), 7);
    }
}
