//! Times, and the timing of slides.

use super::Smil;

/// Duration of a slide that does not say how long it is: what phones assume.
const DEFAULT_SLIDE_MS: u64 = 5_000;

/// A SMIL clock value in milliseconds: `8s`, `500ms`, `1.5min`, `2h`, a bare number of seconds, or
/// the clock forms `mm:ss` and `hh:mm:ss`, each with fractions. `None` for anything else, such as
/// `indefinite`.
#[must_use]
pub fn parse_time(text: &str) -> Option<u64> {
    let text = text.trim();
    let text = text.strip_prefix('+').unwrap_or(text).trim_start();
    if text.contains(':') {
        let mut total = 0_u64;
        let mut fields = text.rsplit(':');
        total = total.checked_add(decimal(fields.next()?, 1_000)?)?;
        let mut unit = 60_000_u64;
        for field in fields {
            if unit > 3_600_000 {
                return None;
            }
            total = total.checked_add(field.trim().parse::<u64>().ok()?.checked_mul(unit)?)?;
            unit = unit.checked_mul(60)?;
        }
        return Some(total);
    }
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "s" | "sec" => 1_000,
        "ms" => 1,
        "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    decimal(number, unit)
}

/// A decimal number of `unit` milliseconds; fractions beyond the millisecond are cut off.
fn decimal(text: &str, unit: u64) -> Option<u64> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut value = whole.checked_mul(unit)?;
    let mut place = unit;
    for digit in fraction.chars() {
        let digit = u64::from(digit.to_digit(10)?);
        // Tenths of the place before; what is below a millisecond is lost.
        value = value.checked_add(digit.checked_mul(place)? / 10)?;
        place /= 10;
    }
    Some(value)
}

impl Smil {
    /// Gives every slide without a duration, or with one of 0, five seconds, and makes the slides
    /// named in `min_slide_ms` (number and milliseconds) at least that long. Other durations stay
    /// as they are written.
    pub fn fix_timing(&mut self, min_slide_ms: &[(usize, u64)]) {
        for (slide, node) in self.slide_nodes().into_iter().enumerate() {
            let time = |name: &str| self.attribute(node, name).and_then(parse_time);
            // A `par` may say when it ends instead of how long it is.
            let given = time("dur").or_else(|| {
                let end = time("end")?;
                end.checked_sub(time("begin").unwrap_or_default())
            });
            let least = min_slide_ms
                .iter()
                .filter(|(number, _)| *number == slide)
                .map(|(_, ms)| *ms)
                .max()
                .unwrap_or_default();
            let wanted = match given {
                Some(ms) if ms > 0 => ms.max(least),
                _ => DEFAULT_SLIDE_MS.max(least),
            };
            if given != Some(wanted) {
                self.retain_attributes(node, |name| name != "end");
                self.set_attribute(node, "dur", &format!("{wanted}ms"));
            }
        }
    }

    /// How long a slide is shown, in milliseconds; `None` where it does not say.
    #[must_use]
    pub fn slide_duration(&self, slide: usize) -> Option<u64> {
        let node = *self.slide_nodes().get(slide)?;
        parse_time(self.attribute(node, "dur")?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_in_many_forms() {
        for (text, ms) in [
            ("8s", Some(8_000)),
            (" 500ms ", Some(500)),
            ("7", Some(7_000)),
            ("2.5s", Some(2_500)),
            (".25", Some(250)),
            ("1.5min", Some(90_000)),
            ("1h", Some(3_600_000)),
            ("+3s", Some(3_000)),
            ("02:30", Some(150_000)),
            ("1:00:00.5", Some(3_600_500)),
            ("8 S", Some(8_000)),
            ("0", Some(0)),
            ("indefinite", None),
            ("", None),
            (".", None),
            ("-1s", None),
            ("1:2:3:4", None),
            ("99999999999999999999", None),
            ("18446744073709551615h", None),
        ] {
            assert_eq!(parse_time(text), ms, "{text}");
        }
    }
}
