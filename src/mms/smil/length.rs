//! Lengths of regions.

/// A length of a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// Whole pixels.
    Pixels(u32),
    /// Thousandths of a percent of the root.
    Percent(u32),
}

impl Length {
    /// `12`, `12px`, `50%`, with fractions; negative lengths are 0. `None` for another unit or no
    /// number, which is left alone.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(end)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return None;
        }
        let whole = if whole.is_empty() {
            0
        } else {
            whole.parse::<u32>().unwrap_or(MOST).min(MOST)
        };
        let thousandths: u32 = fraction
            .chars()
            .chain("000".chars())
            .take(3)
            .filter_map(|digit| digit.to_digit(10))
            .fold(0, |sum, digit| sum * 10 + digit);
        let sign = u32::from(!negative);
        match unit.trim().to_ascii_lowercase().as_str() {
            "" | "px" => Some(Self::Pixels(whole * sign)),
            "%" => Some(Self::Percent(
                whole.saturating_mul(1_000).saturating_add(thousandths) * sign,
            )),
            _ => None,
        }
    }

    /// Pixels on a root of `root` pixels, rounded down.
    pub(super) fn on(self, root: u32) -> u32 {
        match self {
            Self::Pixels(pixels) => pixels,
            Self::Percent(thousandths) => scale(thousandths, root, 100_000),
        }
    }

    /// The length where everything is `new` pixels that was `old`. A length that was not nothing
    /// does not become nothing.
    pub(super) fn scaled(self, new: u32, old: u32) -> Self {
        match self {
            Self::Pixels(pixels) if pixels > 0 => Self::Pixels(scale(pixels, new, old).max(1)),
            other => other,
        }
    }
}

/// Longest length that is told from an endless one.
const MOST: u32 = 1_000_000;

/// `value` × `by` / `from`, rounded down.
fn scale(value: u32, by: u32, from: u32) -> u32 {
    let product = u64::from(value) * u64::from(by);
    u32::try_from(product / u64::from(from.max(1))).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_pixels_or_percent() {
        for (text, length) in [
            ("12", Some(Length::Pixels(12))),
            (" 12.9 px", Some(Length::Pixels(12))),
            ("-5", Some(Length::Pixels(0))),
            ("99999999999999", Some(Length::Pixels(MOST))),
            ("50%", Some(Length::Percent(50_000))),
            ("33.3333%", Some(Length::Percent(33_333))),
            ("2em", None),
            ("auto", None),
            ("", None),
            ("1.2.3", None),
        ] {
            assert_eq!(Length::parse(text), length, "{text}");
        }
        assert_eq!(Length::Percent(33_333).on(300), 99);
        assert_eq!(Length::Pixels(1).scaled(10, 300), Length::Pixels(1));
        assert_eq!(Length::Pixels(100).scaled(240, 120), Length::Pixels(200));
    }
}
