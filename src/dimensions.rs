//! Width and height, and the unoriented box.

use std::fmt;

/// Width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dimensions {
    /// Horizontal.
    pub width: u32,
    /// Vertical.
    pub height: u32,
}

impl Dimensions {
    /// A width and a height.
    #[must_use]
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// Whether `other` fits inside when this is read as an unoriented box: either way round.
    #[must_use]
    pub fn holds(self, other: Self) -> bool {
        (other.width <= self.width && other.height <= self.height)
            || (other.width <= self.height && other.height <= self.width)
    }

    /// `self` turned so that it is landscape exactly where `other` is.
    #[must_use]
    pub fn oriented_like(self, other: Self) -> Self {
        if (self.width >= self.height) == (other.width >= other.height) {
            self
        } else {
            Self::new(self.height, self.width)
        }
    }
}

impl fmt::Display for Dimensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_holds_either_way_round() {
        let vga = Dimensions::new(640, 480);
        assert!(vga.holds(Dimensions::new(480, 640)));
        assert!(!vga.holds(Dimensions::new(500, 500)));
        assert_eq!(
            vga.oriented_like(Dimensions::new(3, 4)),
            Dimensions::new(480, 640)
        );
        assert_eq!(vga.oriented_like(Dimensions::new(4, 3)), vga);
        assert_eq!(vga.to_string(), "640x480");
    }
}
