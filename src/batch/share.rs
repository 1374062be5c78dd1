//! The inputs of a job as lines, for workers on other machines that share it.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::hex;
use super::input::Input;
use super::journal::unhex;

/// A line.
#[derive(Serialize, Deserialize)]
struct Line {
    /// The octets of its name, in hexadecimal digits where they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    octets: Option<String>,
    dir: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    devices: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

/// Inputs, one a line of JSON.
///
/// # Errors
/// Where one cannot be written as JSON.
pub fn to_lines(inputs: &[Input]) -> Result<Vec<u8>, serde_json::Error> {
    let mut lines = Vec::new();
    for input in inputs {
        let text = input.path.to_str();
        let line = Line {
            path: text.map(str::to_owned),
            octets: text
                .is_none()
                .then(|| hex(input.path.as_os_str().as_bytes())),
            dir: input.dir.clone(),
            devices: input.devices.as_ref().map(|devices| devices.to_vec()),
            output: input.output.as_ref().map(|output| output.to_string()),
            fault: input.fault.clone(),
        };
        serde_json::to_writer(&mut lines, &line)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

/// The inputs of lines that [`to_lines`] made.
///
/// # Errors
/// Where a line is none of these.
pub fn from_lines(lines: &[u8]) -> Result<Vec<Input>, serde_json::Error> {
    lines
        .split(|octet| *octet == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| {
            let line: Line = serde_json::from_slice(line)?;
            let name = match line.octets.as_deref().and_then(unhex) {
                Some(octets) => OsString::from_vec(octets),
                None => line.path.unwrap_or_default().into(),
            };
            Ok(Input {
                path: PathBuf::from(name),
                dir: line.dir,
                devices: line.devices.map(Into::into),
                output: line.output.map(Into::into),
                fault: line.fault,
                found: None,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_come_back_as_they_were() {
        let plain = Input {
            path: PathBuf::from("a/b c.jpg"),
            dir: "a".to_owned(),
            devices: None,
            output: None,
            fault: None,
            found: None,
        };
        let odd = Input {
            path: PathBuf::from(OsString::from_vec(vec![b'x', 0xFF, b'\n'])),
            devices: Some(vec!["safe".to_owned()].into()),
            output: Some("{stem}".into()),
            fault: Some("is a socket".to_owned()),
            ..plain.clone()
        };
        let inputs = vec![plain, odd];
        let lines = to_lines(&inputs).unwrap();
        assert_eq!(lines.iter().filter(|octet| **octet == b'\n').count(), 2);
        assert_eq!(from_lines(&lines).unwrap(), inputs);
        assert!(from_lines(b"{}\n").is_err());
        assert_eq!(from_lines(b"").unwrap(), []);
    }
}
