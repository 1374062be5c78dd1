//! The lines of a report, as far as a page needs them.

use std::collections::HashMap;
use std::io::{self, BufRead};

use serde::Deserialize;

/// One line of a report.
#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    #[serde(default)]
    pub(super) engine: String,
    input: Option<String>,
    /// Where the result is.
    pub(super) output: Option<String>,
    device: Device,
    target: Option<String>,
    pub(super) verdict: String,
    #[serde(default)]
    pub(super) size_in: u64,
    #[serde(default)]
    size_out: u64,
    pub(super) limit: Option<u64>,
    pub(super) input_bytes: Option<u64>,
    output_bytes: Option<u64>,
    #[serde(default)]
    pub(super) parts: Vec<Part>,
    error: Option<Failure>,
    #[serde(default)]
    pub(super) ms: Time,
}

#[derive(Debug, Clone, Deserialize)]
struct Device {
    id: String,
}

/// What became of a part.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Part {
    pub(super) action: Option<String>,
    pub(super) type_out: Option<String>,
    pub(super) media_in: Option<Media>,
    #[serde(default)]
    reasons: Vec<Reason>,
}

/// What a medium is.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Media {
    pub(super) kind: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Reason {
    rule: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Failure {
    code: String,
    message: String,
}

/// Milliseconds.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(super) struct Time {
    pub(super) total: f64,
}

impl Row {
    /// The input.
    pub(super) fn input(&self) -> &str {
        self.input.as_deref().unwrap_or("?")
    }

    /// The device, as the job calls it.
    pub(super) fn target(&self) -> &str {
        self.target.as_deref().unwrap_or(&self.device.id)
    }

    /// Whether there is no result.
    pub(super) fn is_failure(&self) -> bool {
        matches!(self.verdict_class(), "refused" | "failed")
    }

    /// The verdict, as one of those a page knows.
    pub(super) fn verdict_class(&self) -> &'static str {
        let known = super::VERDICTS.iter().find(|name| **name == self.verdict);
        known.copied().unwrap_or("failed")
    }

    /// Octets before and after, where there is a result.
    pub(super) fn sizes(&self) -> Option<(u64, u64)> {
        if self.is_failure() {
            return None;
        }
        match (self.input_bytes, self.output_bytes) {
            (Some(before), Some(after)) => Some((before, after)),
            _ => Some((self.size_in, self.size_out)),
        }
    }

    /// The rules that its parts break, and the kind of failure, each once.
    pub(super) fn reasons(&self) -> Vec<&str> {
        let rules = self.parts.iter().flat_map(|part| &part.reasons);
        let rules = rules.map(|reason| reason.rule.as_str());
        let error = self.error.as_ref().map(|error| error.code.as_str());
        let mut reasons: Vec<&str> = rules.chain(error).collect();
        reasons.sort_unstable();
        reasons.dedup();
        reasons
    }

    /// The kind of failure, and the sentence.
    pub(super) fn failure(&self) -> (&str, &str) {
        match &self.error {
            Some(error) => (&error.code, &error.message),
            None => (&self.verdict, "nothing of it fits"),
        }
    }
}

/// Reads reports: lines of JSON. The last line about an input and a device counts; lines that are torn
/// are passed over.
///
/// # Errors
/// What the reader says, or that there is no line of a report in it.
pub fn read(mut from: impl BufRead) -> io::Result<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    let mut places: HashMap<(String, String), usize> = HashMap::new();
    let mut line = Vec::new();
    let mut damaged = false;
    loop {
        line.clear();
        if from.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let Ok(row) = serde_json::from_slice::<Row>(&line) else {
            damaged = true;
            continue;
        };
        let key = (row.input().to_owned(), row.target().to_owned());
        match places.get(&key).and_then(|at| rows.get_mut(*at)) {
            Some(before) => *before = row,
            None => {
                places.insert(key, rows.len());
                rows.push(row);
            }
        }
    }
    if rows.is_empty() && damaged {
        let message = "no line of a report is in it";
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts_and_a_torn_one_does_not() {
        let line = |verdict: &str| {
            format!("{{\"input\":\"a\",\"device\":{{\"id\":\"x\"}},\"verdict\":\"{verdict}\"}}\n")
        };
        let text = format!("{}{}{{\"inp", line("failed"), line("adapted"));
        let rows = read(text.as_bytes()).unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(
            (rows[0].verdict_class(), rows[0].target()),
            ("adapted", "x")
        );
        assert!(read(&b"dear diary"[..]).is_err());
        assert!(read(&b""[..]).unwrap().is_empty());
    }
}
