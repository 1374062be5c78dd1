//! Rotation and mirroring as one of the eight EXIF orientations (EXIF 2.3 section 4.6.4).

/// The linear part of a display transform: `x' = a·x + c·y`, `y' = b·x + d·y`, y growing downwards.
///
/// Only the signs count, so fixed-point matrices fit as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Matrix {
    pub(super) a: i32,
    pub(super) b: i32,
    pub(super) c: i32,
    pub(super) d: i32,
}

impl Matrix {
    pub(super) const IDENTITY: Self = Self::new(1, 0, 0, 1);

    pub(super) const fn new(a: i32, b: i32, c: i32, d: i32) -> Self {
        Self { a, b, c, d }
    }

    /// This transform followed by a quarter turn anticlockwise.
    pub(super) const fn turned_left(self) -> Self {
        Self::new(
            self.b,
            self.a.saturating_neg(),
            self.d,
            self.c.saturating_neg(),
        )
    }

    /// This transform followed by exchanging left and right.
    pub(super) const fn mirrored(self) -> Self {
        Self::new(
            self.a.saturating_neg(),
            self.b,
            self.c.saturating_neg(),
            self.d,
        )
    }

    /// This transform followed by exchanging top and bottom.
    pub(super) const fn flipped(self) -> Self {
        Self::new(
            self.a,
            self.b.saturating_neg(),
            self.c,
            self.d.saturating_neg(),
        )
    }

    /// The EXIF orientation; 1 for a transform that is no quarter turn.
    pub(super) const fn orientation(self) -> u8 {
        let signs = (
            self.a.signum(),
            self.b.signum(),
            self.c.signum(),
            self.d.signum(),
        );
        match signs {
            (-1, 0, 0, 1) => 2,
            (-1, 0, 0, -1) => 3,
            (1, 0, 0, -1) => 4,
            (0, 1, 1, 0) => 5,
            (0, 1, -1, 0) => 6,
            (0, -1, -1, 0) => 7,
            (0, -1, 1, 0) => 8,
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_and_mirrors_compose() {
        let left = Matrix::IDENTITY.turned_left();
        assert_eq!(left.orientation(), 8);
        assert_eq!(left.turned_left().orientation(), 3);
        assert_eq!(left.turned_left().turned_left().orientation(), 6);
        assert_eq!(Matrix::IDENTITY.mirrored().orientation(), 2);
        assert_eq!(Matrix::IDENTITY.flipped().orientation(), 4);
        assert_eq!(left.mirrored().orientation(), 7);
        assert_eq!(left.flipped().orientation(), 5);
    }

    #[test]
    fn fixed_point_and_skew_are_read_by_sign() {
        assert_eq!(Matrix::new(0, 0x1_0000, -0x1_0000, 0).orientation(), 6);
        assert_eq!(Matrix::new(0x8000, 3, 9, 0x8000).orientation(), 1);
        assert_eq!(Matrix::new(i32::MIN, 0, 0, i32::MIN).orientation(), 3);
    }
}
