//! Lists of inputs: a name a line, JSON Lines, or CSV.

use std::path::PathBuf;

use serde::Deserialize;

/// An input that a list names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// The file, from the working folder.
    pub path: PathBuf,
    /// Devices that it is for, where not for those of the whole job.
    pub devices: Vec<String>,
    /// How its results are called, where not as all others.
    pub output: Option<String>,
}

/// Why a list cannot be read: the line, from 1, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ManifestError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl ManifestError {
    fn new(line: usize, what: impl Into<String>) -> Self {
        Self {
            line,
            what: what.into(),
        }
    }
}

/// Names that are ended by line feeds or, as `find -print0` writes them, by zeros.
#[must_use]
pub fn names(octets: &[u8]) -> Vec<Entry> {
    let zeros = octets.contains(&0);
    octets
        .split(|octet| *octet == if zeros { 0 } else { b'\n' })
        .map(|name| match zeros {
            true => name,
            false => name.strip_suffix(b"\r").unwrap_or(name),
        })
        .filter(|name| !name.is_empty())
        .map(|name| Entry {
            path: path(name),
            ..Entry::default()
        })
        .collect()
}

/// A path of these octets, which need not be UTF-8.
fn path(octets: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(octets))
}

/// One object of a manifest in JSON Lines.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Object {
    input: PathBuf,
    #[serde(default)]
    device: Devices,
    output: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
enum Devices {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

/// A manifest: JSON Lines with `input` and, if wanted, `device` and `output`; or CSV (RFC 4180) with
/// these names in its first line.
///
/// # Errors
/// The first line that is neither.
pub fn read(text: &str) -> Result<Vec<Entry>, ManifestError> {
    if text.trim_start().starts_with('{') {
        objects(text)
    } else {
        table(text)
    }
}

fn objects(text: &str) -> Result<Vec<Entry>, ManifestError> {
    let lines = text.lines().zip(1_usize..);
    lines
        .filter(|(line, _)| !line.trim().is_empty())
        .map(|(line, number)| {
            let object: Object = serde_json::from_str(line)
                .map_err(|error| ManifestError::new(number, error.to_string()))?;
            let devices = match object.device {
                Devices::None => Vec::new(),
                Devices::One(list) => split(&list),
                Devices::Many(list) => list,
            };
            entry(object.input, devices, object.output, number)
        })
        .collect()
}

fn entry(
    path: PathBuf,
    devices: Vec<String>,
    output: Option<String>,
    line: usize,
) -> Result<Entry, ManifestError> {
    if path.as_os_str().is_empty() {
        return Err(ManifestError::new(line, "the input has no name"));
    }
    Ok(Entry {
        path,
        devices,
        output,
    })
}

fn split(list: &str) -> Vec<String> {
    list.split(',')
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

fn table(text: &str) -> Result<Vec<Entry>, ManifestError> {
    let mut rows = rows(text)?.into_iter();
    let Some((_, head)) = rows.next() else {
        return Ok(Vec::new());
    };
    let column = |name: &str| head.iter().position(|cell| cell.trim() == name);
    if let Some(unknown) = head
        .iter()
        .find(|cell| !["input", "device", "output"].contains(&cell.trim()))
    {
        let what = format!("the column {unknown:?} is none of input, device and output");
        return Err(ManifestError::new(1, what));
    }
    let input = column("input").ok_or_else(|| ManifestError::new(1, "no column input"))?;
    let (device, output) = (column("device"), column("output"));
    rows.map(|(line, row)| {
        if row.len() != head.len() {
            let what = format!("{} cells, {} in the first line", row.len(), head.len());
            return Err(ManifestError::new(line, what));
        }
        let cell = |column: usize| row.get(column).cloned().unwrap_or_default();
        let devices = device
            .map(|column| split(&cell(column)))
            .unwrap_or_default();
        let output = output.map(cell).filter(|output| !output.is_empty());
        entry(cell(input).into(), devices, output, line)
    })
    .collect()
}

/// Rows of cells, each with the line it begins on.
fn rows(text: &str) -> Result<Vec<(usize, Vec<String>)>, ManifestError> {
    let mut rows = Vec::new();
    let (mut row, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let (mut line, mut begun) = (1_usize, 1_usize);
    let mut signs = text.chars().peekable();
    while let Some(sign) = signs.next() {
        match sign {
            '"' if quoted && signs.peek() == Some(&'"') => {
                signs.next();
                cell.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if cell.is_empty() => quoted = true,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted && signs.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                let row = std::mem::take(&mut row);
                if row.iter().any(|cell| !cell.is_empty()) {
                    rows.push((begun, row));
                }
                line = line.saturating_add(1);
                begun = line;
            }
            sign => {
                line = line.saturating_add(usize::from(sign == '\n'));
                cell.push(sign);
            }
        }
    }
    if quoted {
        return Err(ManifestError::new(
            begun,
            "a quotation mark is never closed",
        ));
    }
    row.push(cell);
    if row.iter().any(|cell| !cell.is_empty()) {
        rows.push((begun, row));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(path: &str) -> Entry {
        Entry {
            path: path.into(),
            ..Entry::default()
        }
    }

    #[test]
    fn names_come_one_a_line_or_with_zeros() {
        assert_eq!(
            names(b"a.jpg\r\nb c.mms\n\n"),
            [plain("a.jpg"), plain("b c.mms")]
        );
        assert_eq!(names(b"a\nb\0c\0"), [plain("a\nb"), plain("c")]);
    }

    #[test]
    fn json_lines_name_devices_and_outputs() {
        let text = "{\"input\":\"a.jpg\"}\n\n{\"input\":\"b\",\"device\":\"x, y\",\"output\":\"o/{stem}\"}\n\
                    {\"input\":\"c\",\"device\":[\"z\"]}\n";
        let read = read(text).unwrap();
        assert_eq!(read[0], plain("a.jpg"));
        assert_eq!(read[1].devices, ["x", "y"]);
        assert_eq!(read[1].output.as_deref(), Some("o/{stem}"));
        assert_eq!(read[2].devices, ["z"]);
    }

    #[test]
    fn csv_is_read_with_its_quotation_marks() {
        let text = "device,input\r\n\"a,b\",\"say \"\"hi\"\".jpg\"\r\n,\"two\nlines\"\r\nc,d";
        let read = read(text).unwrap();
        assert_eq!(read.len(), 3);
        assert_eq!(read[0].devices, ["a", "b"]);
        assert_eq!(read[0].path, PathBuf::from("say \"hi\".jpg"));
        assert_eq!(read[1].path, PathBuf::from("two\nlines"));
        assert_eq!(read[2].devices, ["c"]);
    }

    #[test]
    fn a_broken_line_is_named() {
        for (text, line) in [
            ("{\"input\":\"a\"}\n{\"inptu\":\"b\"}", 2),
            ("input\na\nb,c\n", 3),
            ("file\na\n", 1),
            ("input\n\"a", 2),
            ("input,device\n,x\n", 2),
        ] {
            assert_eq!(read(text).unwrap_err().line, line, "{text}");
        }
        assert_eq!(read("").unwrap(), []);
    }
}
