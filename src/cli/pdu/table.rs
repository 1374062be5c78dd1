//! The human form of a message: aligned tables.

use serde_json::Value;

use super::json;
use super::read::Input;
use super::values;
use crate::mms::header::Header;
use crate::mms::pdu::Pdu;
use crate::mms::{Field, HeaderName, HeaderValue, Headers, Part, Time, Warning};

/// A message as text with a line for every header and every part.
pub(super) fn table(input: &Input, warnings: &[Warning], files: &[String]) -> String {
    let mut out = String::new();
    match input {
        Input::Pdu(pdu) => show_pdu(&mut out, pdu, files),
        Input::Push(push, pdu) => {
            out.push_str("WAP push\n");
            let mut rows = vec![vec![
                "Content-Type".to_owned(),
                push.content_type.to_string(),
            ]];
            for header in json::push_headers(push) {
                rows.push(vec![header.name, plain(&header.value)]);
            }
            columns(&mut out, &rows, &[]);
            out.push('\n');
            show_pdu(&mut out, pdu, files);
        }
        Input::Multipart(parts) => {
            out.push_str("multipart body\n");
            show_parts(&mut out, parts, files);
        }
        Input::Mime(message) => {
            out.push_str("MIME message\n");
            let mut rows = header_rows(&message.headers);
            let content_type = message.body.content_type.to_string();
            rows.push(vec!["Content-Type".to_owned(), content_type]);
            columns(&mut out, &rows, &[]);
            show_parts(&mut out, &message.body.parts, files);
        }
    }
    if !warnings.is_empty() {
        out.push_str("\nWarnings\n");
        let row =
            |warning: &Warning| vec![format!("byte {}", warning.offset), warning.message.clone()];
        let rows: Vec<_> = warnings.iter().map(row).collect();
        columns(&mut out, &rows, &[]);
    }
    out
}

fn show_pdu(out: &mut String, pdu: &Pdu, files: &[String]) {
    out.push_str(pdu.pdu_type.name());
    out.push('\n');
    let mut rows = header_rows(&pdu.headers);
    if let Some(body) = &pdu.body {
        rows.push(vec![
            "Content-Type".to_owned(),
            body.content_type.to_string(),
        ]);
    }
    columns(out, &rows, &[]);
    if let Some(body) = &pdu.body {
        show_parts(out, &body.parts, files);
    }
}

fn header_rows(headers: &Headers) -> Vec<Vec<String>> {
    let row = |Header { name, value }: &Header| {
        let text = match value {
            HeaderValue::From(None) => "(inserted by the server)".to_owned(),
            HeaderValue::Date(seconds) | HeaderValue::Time(Time::Absolute(seconds)) => {
                utc(*seconds)
            }
            HeaderValue::Time(Time::Relative(seconds)) => format!("{seconds} s from now"),
            HeaderValue::Integer(number) if *name == HeaderName::Field(Field::MessageSize) => {
                format!("{number} octets")
            }
            _ => plain(&values::to_json(name, value)),
        };
        vec![name.as_text().into_owned(), text]
    };
    headers.iter().map(row).collect()
}

fn show_parts(out: &mut String, parts: &[Part], files: &[String]) {
    let mut head = vec!["#", "bytes", "type", "name", "content-id"];
    if !files.is_empty() {
        head.push("file");
    }
    let mut rows = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    let mut names = files.iter();
    for (index, part) in parts.iter().enumerate() {
        let mut row = vec![
            index.to_string(),
            part.data.len().to_string(),
            part.content_type.to_string(),
            part.name().unwrap_or_default().to_owned(),
            part.content_id.clone().unwrap_or_default(),
        ];
        row.extend(names.next().cloned());
        rows.push(row);
    }
    out.push_str("\nParts\n");
    columns(out, &rows, &[0, 1]);
}

/// Rows with their columns aligned; those of `right` to the right.
fn columns(out: &mut String, rows: &[Vec<String>], right: &[usize]) {
    let cleaned: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| printable(cell)).collect())
        .collect();
    let width = |column: usize| {
        let cells = cleaned.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let count = cleaned.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count).map(width).collect();
    for row in &cleaned {
        let mut line = String::from(" ");
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            line.push(' ');
            if right.contains(&column) {
                line.push_str(&format!("{cell:>width$} "));
            } else {
                line.push_str(&format!("{cell:<width$} "));
            }
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

/// Text without characters that would steer a terminal.
fn printable(text: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    text.replace(steers, "\u{FFFD}")
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Seconds since 1970 as a date and a time in UTC (Howard Hinnant's civil calendar: years that
/// begin in March, so that the day of a leap year is the last).
fn utc(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, want) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_700_000_000, "2023-11-14 22:13:20 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(utc(seconds), want);
        }
        assert!(utc(u64::MAX).ends_with("UTC"));
    }

    #[test]
    fn columns_are_aligned_and_free_of_controls() {
        let mut out = String::new();
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        columns(
            &mut out,
            &[row(["a", "x\u{1B}[2J"]), row(["long", "y"])],
            &[],
        );
        assert_eq!(out, "  a     x\u{FFFD}[2J\n  long  y\n");
    }
}
