//! A page of a report: tables, plots and pictures in one file of HTML that needs no network.

mod picture;
mod plot;
mod row;
mod style;

use std::collections::BTreeMap;
use std::fmt::Write;

pub use picture::{Pair, pairs};
pub use row::{Row, read};

use plot::{Bar, Dot};
use style::{STYLE, escape, float, octets, per_cent, time};

/// Rows of a long table; what is beyond is counted.
const LONGEST_TABLE: usize = 500;

/// Results that are named as the slowest.
const SLOWEST: usize = 10;

/// The page of these results.
#[must_use]
pub fn render(title: &str, rows: &[Row], pairs: &[Pair]) -> String {
    let mut page = String::new();
    let title = escape(title);
    page.push_str("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n");
    page.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    page.push_str("<meta name=\"color-scheme\" content=\"light dark\">\n");
    page.push_str("<meta http-equiv=\"Content-Security-Policy\" ");
    page.push_str("content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n");
    put(
        &mut page,
        format_args!("<title>{title}</title>\n<style>{STYLE}</style>\n"),
    );
    put(
        &mut page,
        format_args!("<main>\n<header><h1>{title}</h1>{}</header>\n", lead(rows)),
    );
    page.push_str(&tiles(rows));
    page.push_str(&section("What became of them", &verdicts(rows)));
    page.push_str(&section("Before and after", &sizes(rows)));
    page.push_str(&section("Pictures", &pictures(pairs)));
    page.push_str(&section("Why", &reasons(rows)));
    page.push_str(&section("By device", &devices(rows)));
    page.push_str(&section("Time", &times(rows)));
    page.push_str(&section("What failed", &failures(rows)));
    page.push_str(&section("All results", &everything(rows)));
    page.push_str("</main>\n</html>\n");
    page
}

fn put(page: &mut String, text: std::fmt::Arguments<'_>) {
    // A string takes whatever is written to it.
    let _ = page.write_fmt(text);
}

/// A section, unless there is nothing in it.
fn section(title: &str, inside: &str) -> String {
    if inside.is_empty() {
        return String::new();
    }
    format!("<section><h2>{title}</h2>\n{inside}\n</section>\n")
}

fn lead(rows: &[Row]) -> String {
    let mut engines: Vec<&str> = rows.iter().map(|row| row.engine.as_str()).collect();
    engines.sort_unstable();
    engines.dedup();
    let inputs: std::collections::BTreeSet<&str> = rows.iter().map(Row::input).collect();
    let count = inputs.len();
    format!(
        "<p class=\"lead\">{} of {} by {}</p>",
        counted(rows.len(), "result"),
        counted(count, "input"),
        escape(&engines.join(", "))
    )
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// The figures that a reader looks for first.
fn tiles(rows: &[Row]) -> String {
    let (before, after) = written(rows);
    let saved = before.saturating_sub(after);
    let failed = rows.iter().filter(|row| row.is_failure()).count();
    let mut times: Vec<f64> = rows.iter().map(|row| row.ms.total).collect();
    let tile = |figure: &str, what: &str, more: &str| {
        format!(
            "<div class=\"tile\"><b>{figure}</b><span>{what}</span><small>{more}</small></div>\n"
        )
    };
    let sizes = format!("{} became {}", octets(before), octets(after));
    let mut page = String::from("<div class=\"tiles\">\n");
    page.push_str(&tile(
        &per_cent(saved, before),
        "of the octets saved",
        &sizes,
    ));
    let whole = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    let good = whole.saturating_sub(u64::try_from(failed).unwrap_or(u64::MAX));
    let came = format!("{good} of {whole}");
    page.push_str(&tile(&per_cent(good, whole), "came to a result", &came));
    let slow = format!("nine in ten within {}", time(percentile(&mut times, 90)));
    let median = time(percentile(&mut times, 50));
    page.push_str(&tile(&median, "for one (median)", &slow));
    page.push_str("</div>\n");
    page
}

/// Octets before and after of all results that were written.
fn written<'a>(rows: impl IntoIterator<Item = &'a Row>) -> (u64, u64) {
    rows.into_iter()
        .filter_map(Row::sizes)
        .fold((0, 0), |(before, after), (one, other)| {
            (
                u64::saturating_add(before, one),
                u64::saturating_add(after, other),
            )
        })
}

fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values
        .get(last.saturating_mul(percent) / 100)
        .copied()
        .unwrap_or(0.0)
}

/// The verdicts in the order in which they are shown.
const VERDICTS: [&str; 4] = ["adapted", "unchanged", "refused", "failed"];

fn verdicts(rows: &[Row]) -> String {
    let bars: Vec<Bar> = VERDICTS
        .iter()
        .filter_map(|verdict| {
            let count = rows.iter().filter(|row| row.verdict == *verdict).count();
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            (count > 0).then(|| Bar {
                name: (*verdict).to_owned(),
                class: verdict,
                count,
            })
        })
        .collect();
    plot::stacked(&bars)
}

fn sizes(rows: &[Row]) -> String {
    let dots: Vec<Dot> = rows
        .iter()
        .filter_map(|row| {
            let (before, after) = row.sizes()?;
            let (input, device) = (row.input(), row.target());
            Some(Dot {
                x: float(before),
                y: float(after),
                class: row.verdict_class(),
                title: format!(
                    "{input} for {device}: {} → {}",
                    octets(before),
                    octets(after)
                ),
            })
        })
        .collect();
    plot::scatter(&dots)
}

fn pictures(pairs: &[Pair]) -> String {
    let mut page = String::new();
    for pair in pairs {
        put(
            &mut page,
            format_args!(
                "<figure><div class=\"pair\"><img src=\"{}\" alt=\"before\" loading=\"lazy\">\
                 <img src=\"{}\" alt=\"after\" loading=\"lazy\"></div><figcaption><b>{}</b> for {}\
                 <br>{} → {}</figcaption></figure>\n",
                pair.before,
                pair.after,
                escape(&pair.input),
                escape(&pair.device),
                escape(&pair.was),
                escape(&pair.is),
            ),
        );
    }
    if page.is_empty() {
        return page;
    }
    format!("<div class=\"pictures\">\n{page}</div>")
}

fn reasons(rows: &[Row]) -> String {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for row in rows {
        for reason in row.reasons() {
            let count = counts.entry(reason.to_owned()).or_insert(0);
            *count = count.saturating_add(1);
        }
    }
    let mut bars: Vec<Bar> = counts
        .into_iter()
        .map(|(name, count)| Bar {
            name,
            class: "adapted",
            count,
        })
        .collect();
    bars.sort_by_key(|bar| std::cmp::Reverse(bar.count));
    plot::bars(&bars)
}

fn devices(rows: &[Row]) -> String {
    let mut devices: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        devices.entry(row.target()).or_default().push(row);
    }
    let head = [
        "device", "limit", "results", "failed", "before", "after", "saved", "median",
    ];
    table(
        &head,
        devices.into_iter().map(|(device, rows)| {
            let (before, after) = written(rows.iter().copied());
            let mut times: Vec<f64> = rows.iter().map(|row| row.ms.total).collect();
            let limit = rows.iter().find_map(|row| row.limit);
            vec![
                escape(device),
                limit.map_or("–".to_owned(), octets),
                rows.len().to_string(),
                rows.iter()
                    .filter(|row| row.is_failure())
                    .count()
                    .to_string(),
                octets(before),
                octets(after),
                per_cent(before.saturating_sub(after), before),
                time(percentile(&mut times, 50)),
            ]
        }),
    )
}

fn times(rows: &[Row]) -> String {
    let times: Vec<f64> = rows.iter().map(|row| row.ms.total).collect();
    let mut slowest: Vec<&Row> = rows.iter().collect();
    slowest.sort_by(|a, b| b.ms.total.total_cmp(&a.ms.total));
    slowest.truncate(SLOWEST);
    let table = table(
        &["slowest", "device", "time"],
        slowest.into_iter().map(|row| {
            let (input, device) = (escape(row.input()), escape(row.target()));
            vec![input, device, time(row.ms.total)]
        }),
    );
    format!("{}\n{table}", plot::histogram(&times))
}

fn failures(rows: &[Row]) -> String {
    let failed: Vec<&Row> = rows.iter().filter(|row| row.is_failure()).collect();
    if failed.is_empty() {
        return String::new();
    }
    long_table(&["input", "device", "kind", "reason"], &failed, |row| {
        let (kind, reason) = row.failure();
        let (input, device) = (escape(row.input()), escape(row.target()));
        vec![input, device, escape(kind), escape(reason)]
    })
}

fn everything(rows: &[Row]) -> String {
    let rows: Vec<&Row> = rows.iter().collect();
    let head = [
        "input", "device", "verdict", "before", "after", "why", "time",
    ];
    let table = long_table(&head, &rows, |row| {
        let sizes = row.sizes();
        let size = |size: Option<u64>| size.map_or("–".to_owned(), octets);
        vec![
            escape(row.input()),
            escape(row.target()),
            format!("<i class=\"{0}\">{0}</i>", row.verdict_class()),
            size(row.input_bytes.or(Some(row.size_in))),
            size(sizes.map(|(_, after)| after)),
            escape(&row.reasons().join(", ")),
            time(row.ms.total),
        ]
    });
    format!("<details><summary>Show</summary>\n{table}\n</details>")
}

fn long_table(head: &[&str], rows: &[&Row], cells: impl Fn(&Row) -> Vec<String>) -> String {
    let shown = rows.iter().take(LONGEST_TABLE);
    let mut page = table(head, shown.map(|row| cells(row)));
    let more = rows.len().saturating_sub(LONGEST_TABLE);
    if more > 0 {
        put(
            &mut page,
            format_args!("<p class=\"more\">and {more} more in the report</p>"),
        );
    }
    page
}

/// A table whose cells are HTML already.
fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut page = String::from("<div class=\"scroll\"><table><thead><tr>");
    for cell in head {
        put(&mut page, format_args!("<th>{cell}</th>"));
    }
    page.push_str("</tr></thead><tbody>\n");
    for row in rows {
        page.push_str("<tr>");
        for cell in row {
            put(&mut page, format_args!("<td>{cell}</td>"));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table></div>");
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = concat!(
        r#"{"schema":1,"engine":"remold 0.1.0","input":"a<b>.jpg","output":"o/a.jpg","device":{"id":"x"},"#,
        r#""target":"phone","verdict":"adapted","size_in":5000,"size_out":900,"limit":1000,"#,
        r#""input_bytes":4900,"output_bytes":880,"parts":[{"reasons":[{"rule":"MmsMaxMessageSize","#,
        r#""limit":"1000","was":"5000"}]}],"warnings":[],"ms":{"total":12.5}}"#,
        "\n",
        r#"{"schema":1,"engine":"remold 0.1.0","input":"empty","output":null,"device":{"id":"x"},"#,
        r#""verdict":"failed","size_in":0,"size_out":0,"limit":null,"parts":[],"#,
        r#""error":{"code":"undecodable","message":"no octets","offset":0},"ms":{"total":0.1}}"#,
        "\n",
    );

    #[test]
    fn a_page_has_all_sections_and_nothing_from_elsewhere() {
        let rows = read(LINES.as_bytes()).unwrap();
        let page = render("Job & report", &rows, &[]);
        for text in [
            "<title>Job &amp; report</title>",
            "a&lt;b&gt;.jpg",
            "What failed",
            "no octets",
            "MmsMaxMessageSize",
            "prefers-color-scheme: dark",
            "<svg",
            "</html>",
        ] {
            assert!(page.contains(text), "{text}");
        }
        for text in ["<script", "http://", "https://", "<b>.jpg", "NaN", "inf"] {
            assert!(!page.contains(text), "{text}");
        }
    }

    #[test]
    fn a_page_of_nothing_is_a_page() {
        let page = render("nothing", &[], &[]);
        assert!(page.contains("0 results") && page.ends_with("</html>\n"));
        assert!(!page.contains("NaN"));
    }

    #[test]
    fn percentiles_are_values_that_were_there() {
        let mut values = [5.0, 1.0, 3.0, 2.0, 4.0];
        assert!((percentile(&mut values, 50) - 3.0).abs() < 1e-9);
        assert!((percentile(&mut values, 100) - 5.0).abs() < 1e-9);
        assert!(percentile(&mut [], 50).abs() < 1e-9);
    }
}
