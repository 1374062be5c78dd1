//! How a page looks, and how it writes numbers.

/// The style of a page.
pub(super) const STYLE: &str = include_str!("page.css");

/// Text in HTML, in an attribute or between tags.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            sign if sign.is_control() => escaped.push('\u{FFFD}'),
            sign => escaped.push(sign),
        }
    }
    escaped
}

/// A count as a number that can be drawn. Beyond 2^53 it is rounded.
pub(super) fn float(count: u64) -> f64 {
    let half = |part: u64| f64::from(u32::try_from(part & 0xFFFF_FFFF).unwrap_or(u32::MAX));
    half(count >> 32) * 4_294_967_296.0 + half(count)
}

/// A number of octets.
pub(super) fn octets(count: u64) -> String {
    let count = float(count);
    let units = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    match units.iter().find(|(unit, _)| count >= *unit) {
        Some((unit, name)) if count / unit < 10.0 => format!("{:.1} {name}", count / unit),
        Some((unit, name)) => format!("{:.0} {name}", count / unit),
        None => format!("{count:.0} B"),
    }
}

/// Milliseconds.
pub(super) fn time(ms: f64) -> String {
    match ms {
        ms if ms >= 120_000.0 => format!("{:.0} min", ms / 60_000.0),
        ms if ms >= 10_000.0 => format!("{:.0} s", ms / 1000.0),
        ms if ms >= 1000.0 => format!("{:.1} s", ms / 1000.0),
        ms if ms >= 10.0 => format!("{ms:.0} ms"),
        ms => format!("{ms:.1} ms"),
    }
}

/// A part of a whole.
pub(super) fn per_cent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let share = float(part) / float(whole) * 100.0;
    if share > 99.0 && part < whole || share < 1.0 && part > 0 {
        format!("{share:.1} %")
    } else {
        format!("{share:.0} %")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_a_tag() {
        assert_eq!(
            escape("<a href=\"x\">'&\u{7}"),
            "&lt;a href=&quot;x&quot;&gt;&#39;&amp;\u{FFFD}"
        );
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(octets(999), "999 B");
        assert_eq!(octets(1500), "1.5 kB");
        assert_eq!(octets(231_831), "232 kB");
        assert_eq!(time(0.25), "0.2 ms");
        assert_eq!(time(1234.0), "1.2 s");
        assert_eq!(per_cent(1, 3), "33 %");
        assert_eq!(per_cent(999, 1000), "99.9 %");
        assert_eq!(per_cent(0, 0), "–");
        assert!((float(u64::from(u32::MAX) + 1) - 4_294_967_296.0).abs() < 1.0);
    }
}
