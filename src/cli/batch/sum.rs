//! The sum of a job for a person.

use std::time::Duration;

use crate::batch::Tally;
use crate::cli::table::Table;

/// The summary at the end.
pub(super) fn page(tally: &Tally, dry_run: bool) -> String {
    let mut page = String::new();
    let mut head = Table::plain();
    head.row(["inputs", &tally.inputs.to_string()]);
    let done = tally.done.to_string();
    let results = match tally.skipped {
        0 => done,
        skipped => format!("{done}, and {skipped} that were there already"),
    };
    head.row([if dry_run { "planned" } else { "results" }, &results]);
    if tally.left() > 0 {
        head.row(["left", &tally.left().to_string()]);
    }
    if tally.bytes_in > 0 {
        head.row(["before", &octets(tally.bytes_in)]);
        head.row([
            "after",
            &format!("{}{}", octets(tally.bytes_out), saved(tally)),
        ]);
    }
    let time = Duration::try_from_secs_f64(tally.seconds).unwrap_or_default();
    head.row(["time", &duration(time)]);
    page.push_str(&head.render());
    let whole = tally.done;
    if !tally.verdicts.is_empty() {
        let mut verdicts = Table::new(["verdict", "results", "share"]);
        for (verdict, count) in &tally.verdicts {
            verdicts.row([*verdict, &count.to_string(), &share(*count, whole)]);
        }
        page.push('\n');
        page.push_str(&verdicts.render());
    }
    if !tally.reasons.is_empty() {
        let mut counts: Vec<(&String, &u64)> = tally.reasons.iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let mut reasons = Table::new(["reason", "results", "share"]);
        for (reason, count) in counts {
            reasons.row([reason, &count.to_string(), &share(*count, whole)]);
        }
        page.push('\n');
        page.push_str(&reasons.render());
    }
    if tally.done > 1 && !dry_run {
        let mut slowest = Table::new(["slowest", "device", "time"]);
        for slow in &tally.slowest {
            let time = Duration::try_from_secs_f64(slow.ms / 1000.0).unwrap_or_default();
            slowest.row([&slow.input, &slow.target, &duration(time)]);
        }
        page.push('\n');
        page.push_str(&slowest.render());
    }
    page
}

/// One line for who asks while it runs.
pub(super) fn status(tally: &Tally) -> String {
    let ready = tally.skipped.saturating_add(tally.done);
    let mut line = format!(
        "{ready} of {} results, {} failed, {}{}",
        tally.results,
        tally.failures(),
        octets(tally.bytes_out),
        saved(tally),
    );
    if let Some(left) = tally.time_left() {
        line.push_str(&format!(", about {} left", duration(left)));
    }
    line
}

/// How many octets were saved, in per cent.
fn saved(tally: &Tally) -> String {
    match tally.bytes_in.checked_sub(tally.bytes_out) {
        Some(saved) if saved > 0 => format!(", {} saved", share(saved, tally.bytes_in)),
        _ => String::new(),
    }
}

/// A part of a whole in per cent.
pub(super) fn share(part: u64, whole: u64) -> String {
    let thousandths = part
        .saturating_mul(1000)
        .saturating_add(whole / 2)
        .checked_div(whole)
        .unwrap_or(0);
    format!("{}.{} %", thousandths / 10, thousandths % 10)
}

/// A number of octets for a person.
pub(super) fn octets(count: u64) -> String {
    let mut unit = 1_u64;
    for name in ["B", "kB", "MB", "GB", "TB"] {
        let next = unit.saturating_mul(1000);
        if count < next || name == "TB" {
            if name == "B" {
                return format!("{count} B");
            }
            let tenths = count.saturating_mul(10) / unit;
            return format!("{}.{} {name}", tenths / 10, tenths % 10);
        }
        unit = next;
    }
    format!("{count} B")
}

/// A time for a person.
pub(super) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..=9 => format!("{:.2} s", time.as_secs_f64()),
        10..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_for_people() {
        assert_eq!(octets(999), "999 B");
        assert_eq!(octets(1_250_000), "1.2 MB");
        assert_eq!(octets(u64::MAX), "1844674.4 TB");
        assert_eq!(share(1, 3), "33.3 %");
        assert_eq!(share(1, 0), "0.0 %");
        assert_eq!(duration(Duration::from_millis(1234)), "1.23 s");
        assert_eq!(duration(Duration::from_secs(3725)), "62 min 5 s");
        assert_eq!(duration(Duration::from_secs(90_000)), "25 h 0 min");
    }

    #[test]
    fn the_page_has_what_counts() {
        let tally = Tally {
            inputs: 4,
            results: 8,
            skipped: 2,
            done: 5,
            verdicts: [("adapted", 4), ("failed", 1)].into(),
            reasons: [("deadline".to_owned(), 1), ("MmsCcppAccept".to_owned(), 4)].into(),
            bytes_in: 1000,
            bytes_out: 250,
            seconds: 5.0,
            ..Tally::default()
        };
        let page = page(&tally, false);
        for text in [
            "75.0 % saved",
            "2 that were there",
            "left",
            "80.0 %",
            "deadline",
        ] {
            assert!(page.contains(text), "{text}: {page}");
        }
        let (first, second) = (page.find("MmsCcppAccept"), page.find("deadline"));
        assert!(first < second, "the most frequent come first");
        let line = status(&tally);
        assert_eq!(
            line,
            "7 of 8 results, 1 failed, 250 B, 75.0 % saved, about 1.00 s left"
        );
    }
}
