//! Dates of mail and HTTP headers to and from seconds since 1970.

/// Seconds since 1970-01-01 UTC of a date in the form of RFC 5322, RFC 9110, RFC 850 or `asctime`.
///
/// Day names are not checked, a missing zone is UTC, years of two digits are 1970 to 2069.
/// `None` for anything else and for a date before 1970.
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    let text = text.split('(').next().unwrap_or_default();
    let mut date = Parts::default();
    for token in text
        .split(|c: char| c.is_whitespace() || c == ',')
        .filter(|token| !token.is_empty())
        .take(12)
    {
        date.take(token)?;
    }
    let days = days_from_civil(date.year?, date.month?, date.day?)?;
    let (hour, minute, second) = date.clock?;
    let clock = hour
        .checked_mul(3600)?
        .checked_add(minute.checked_mul(60)?)?
        .checked_add(second)?;
    let local = days.checked_mul(86_400)?.checked_add(clock)?;
    u64::try_from(i64::try_from(local).ok()?.checked_sub(date.zone)?).ok()
}

/// `Thu, 13 Jan 2022 01:18:18 +0000` (RFC 5322 section 3.3).
#[must_use]
pub fn format_rfc5322(seconds: u64) -> String {
    format!("{} +0000", format(seconds))
}

/// `Thu, 13 Jan 2022 01:18:18 GMT` (RFC 9110 section 5.6.7).
#[must_use]
pub fn format_http(seconds: u64) -> String {
    format!("{} GMT", format(seconds))
}

fn format(seconds: u64) -> String {
    let (days, clock) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil_from_days(days);
    let name = |names: &[&'static str], at: u64| {
        usize::try_from(at)
            .ok()
            .and_then(|at| names.get(at).copied())
            .unwrap_or_default()
    };
    format!(
        "{}, {day:02} {} {year:04} {:02}:{:02}:{:02}",
        name(&DAYS, days.saturating_add(4) % 7),
        name(&MONTHS, month.saturating_sub(1)),
        clock / 3600,
        clock / 60 % 60,
        clock % 60,
    )
}

#[derive(Default)]
struct Parts {
    year: Option<u64>,
    month: Option<u64>,
    day: Option<u64>,
    clock: Option<(u64, u64, u64)>,
    /// Seconds east of Greenwich.
    zone: i64,
}

impl Parts {
    fn take(&mut self, token: &str) -> Option<()> {
        if token.contains(':') {
            return self.take_clock(token);
        }
        if self.clock.is_some() && token.starts_with(['+', '-']) {
            self.zone = offset(token)?;
            return Some(());
        }
        // RFC 850 joins day, month and year by hyphens.
        for piece in token.split('-').filter(|piece| !piece.is_empty()) {
            if let Ok(number) = piece.parse::<u64>() {
                self.take_number(piece, number)?;
            } else if let Some(month) = month(piece) {
                self.month = Some(month);
            } else if let Some(zone) = zone(piece) {
                self.zone = zone;
            } else if !is_day(piece) {
                return None;
            }
        }
        Some(())
    }

    fn take_number(&mut self, digits: &str, number: u64) -> Option<()> {
        if self.day.is_none() && digits.len() <= 2 {
            self.day = Some(number);
        } else if self.year.is_none() {
            self.year = Some(match digits.len() {
                1 | 2 if number < 70 => number.checked_add(2000)?,
                1..=3 => number.checked_add(1900)?,
                _ => number,
            });
        } else {
            return None;
        }
        Some(())
    }

    fn take_clock(&mut self, token: &str) -> Option<()> {
        let mut fields = token.splitn(3, ':').map(|field| field.parse::<u64>().ok());
        let hour = fields.next()??;
        let minute = fields.next()??;
        let second = fields.next().unwrap_or(Some(0))?;
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        self.clock = Some((hour, minute, second));
        Some(())
    }
}

fn offset(token: &str) -> Option<i64> {
    let (sign, digits) = match token.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, token.strip_prefix('+')?),
    };
    let number: i64 = digits.parse().ok()?;
    if digits.len() != 4 {
        return None;
    }
    Some(sign * (number / 100 * 3600 + number % 100 * 60))
}

/// The names RFC 5322 section 4.3 knows; the single letters are taken as UTC, as it asks.
fn zone(name: &str) -> Option<i64> {
    let hours = match name.to_ascii_uppercase().as_str() {
        "GMT" | "UT" | "UTC" => 0,
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        letter if letter.len() == 1 && letter.bytes().all(|o| o.is_ascii_alphabetic()) => 0,
        _ => return None,
    };
    Some(hours * 3600)
}

fn month(name: &str) -> Option<u64> {
    let short = name.get(..3)?;
    let at = MONTHS
        .iter()
        .position(|month| month.eq_ignore_ascii_case(short))?;
    u64::try_from(at).ok()?.checked_add(1)
}

fn is_day(name: &str) -> bool {
    name.get(..3)
        .is_some_and(|short| DAYS.iter().any(|day| day.eq_ignore_ascii_case(short)))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar; `None` before it and for a day the
/// month does not have.
fn days_from_civil(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    // Counted from 1 March of year 0, so that the leap day is the last of its year.
    let (shifted_year, shifted_month) = if month > 2 {
        (year, month.checked_sub(3)?)
    } else {
        (year.checked_sub(1)?, month.checked_add(9)?)
    };
    let day_of_year = (shifted_month.checked_mul(153)?.checked_add(2)? / 5)
        .checked_add(day)?
        .checked_sub(1)?;
    shifted_year
        .checked_mul(365)?
        .checked_add(shifted_year / 4)?
        .checked_sub(shifted_year / 100)?
        .checked_add(shifted_year / 400)?
        .checked_add(day_of_year)?
        .checked_sub(EPOCH)
}

fn days_in_month(year: u64, month: u64) -> u64 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let since_march = days.saturating_add(EPOCH);
    let era = since_march / 146_097;
    let day_of_era = since_march % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = era
        .saturating_mul(400)
        .saturating_add(year_of_era)
        .saturating_add(u64::from(month <= 2));
    (year, month, day)
}

/// Days from 0000-03-01 to 1970-01-01.
const EPOCH: u64 = 719_468;

const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_forms_in_use_are_read() {
        for (text, seconds) in [
            ("Thu, 13 Jan 2022 01:18:18 +0200 (IST)", 1_642_029_498),
            ("Thu, 20 Jan 2022 00:28:02 GMT", 1_642_638_482),
            ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
            ("Sun Nov  6 08:49:37 1994", 784_111_777),
            ("6 Nov 1994 08:49 EST", 784_129_740),
            ("29 Feb 2000 00:00:00 -0130", 951_787_800),
            ("1 Jan 1970 00:00:00 +0000", 0),
        ] {
            assert_eq!(parse(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "yesterday",
            "604800",
            "31 Feb 2020 00:00:00",
            "1 Jan 1969 00:00:00",
            "1 Jan 2020",
            "1 Jan 2020 25:00",
            "1 Jan 2020 00:00 +1",
            "1 1 2020 00:00",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn dates_are_written_for_mail_and_http() {
        assert_eq!(
            format_rfc5322(1_642_029_498),
            "Wed, 12 Jan 2022 23:18:18 +0000"
        );
        assert_eq!(format_http(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    proptest! {
        #[test]
        fn every_second_comes_back(seconds in prop_oneof![0..u64::from(u32::MAX), any::<u64>()]) {
            let seconds = seconds >> 2;
            prop_assert_eq!(parse(&format_rfc5322(seconds)), Some(seconds));
            prop_assert_eq!(parse(&format_http(seconds)), Some(seconds));
        }

        #[test]
        fn any_text_is_taken(text in "([0-9]{1,20}|[A-Z][a-z]{2}|[-+:, ]|GMT|.){0,20}") {
            let _ = parse(&text);
        }
    }
}
