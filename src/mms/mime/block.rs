//! Header blocks: lines, unfolding, and where the body starts.

use std::ops::Range;

use crate::mms::error::{DecodeError, DecodeErrorKind, Warning};
use crate::mms::text::{decode_octets, words};

use super::is_structure;

/// One header field as it stood in the input.
#[derive(Debug)]
pub(super) struct RawField {
    /// The name as it was spelt.
    pub(super) name: String,
    /// The value unfolded and trimmed: one line. 8-bit octets are read as UTF-8, else windows-1252.
    pub(super) value: String,
    /// Octet at which the field starts.
    pub(super) offset: usize,
}

impl RawField {
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// The fields in front of a body.
#[derive(Debug)]
pub(super) struct Block {
    /// The fields in their order.
    pub(super) fields: Vec<RawField>,
    /// Octet at which the body starts.
    pub(super) body: usize,
}

/// Reads the header block at the start of `region`.
///
/// The block ends at an empty line, or with a warning at a line that is no header field: some
/// senders leave the empty line out. A line of white space alone is an empty continuation line
/// where a field or continuation follows it, and the end of the block where none does. More than
/// `limit` fields are an error, those that tell the structure of MIME counted by themselves: a
/// writer must add them to what it has read.
pub(super) fn read(
    input: &[u8],
    region: Range<usize>,
    limit: usize,
    warnings: &mut Vec<Warning>,
) -> Result<Block, DecodeError> {
    let mut fields: Vec<RawField> = Vec::new();
    let mut value: Vec<u8> = Vec::new();
    let (mut structure, mut others) = (0_usize, 0_usize);
    let mut at = region.start;
    while let Some(line) = line_at(input, at, region.end) {
        let content = line.content;
        if content.is_empty() {
            at = line.next;
            break;
        }
        let blank = content.iter().all(|octet| is_blank(*octet));
        if content.first().is_some_and(|octet| is_blank(*octet)) && !fields.is_empty() {
            if blank && !goes_on(input, line.next, region.end) {
                at = line.next;
                break;
            }
            value.extend_from_slice(content);
        } else if let Some((name, first)) = split_field(content) {
            let count = if is_structure(&name.to_ascii_lowercase()) {
                &mut structure
            } else {
                &mut others
            };
            *count = count.saturating_add(1);
            if *count > limit {
                return Err(DecodeError::new(
                    at,
                    DecodeErrorKind::Limit {
                        what: "header fields",
                        limit: u64::try_from(limit).unwrap_or(u64::MAX),
                    },
                ));
            }
            close(&mut fields, &mut value);
            value.extend_from_slice(first);
            fields.push(RawField {
                name,
                value: String::new(),
                offset: at,
            });
        } else if !blank {
            warnings.push(Warning {
                offset: at,
                message: "no empty line between the header and the body".to_owned(),
            });
            break;
        }
        at = line.next;
    }
    close(&mut fields, &mut value);
    Ok(Block { fields, body: at })
}

/// A line and where the next one starts.
pub(super) struct Line<'a> {
    /// The line without its CR and LF octets.
    pub(super) content: &'a [u8],
    /// Octet after the line.
    pub(super) next: usize,
}

/// The line that starts at `at`, up to `end`; `None` at the end.
pub(super) fn line_at(input: &[u8], at: usize, end: usize) -> Option<Line<'_>> {
    let rest = input.get(at..end).filter(|rest| !rest.is_empty())?;
    let length = rest
        .iter()
        .position(|octet| *octet == b'\n')
        .map_or(rest.len(), |lf| lf.saturating_add(1));
    let mut content = rest.get(..length)?;
    while let [before @ .., b'\r' | b'\n'] = content {
        content = before;
    }
    Some(Line {
        content,
        next: at.saturating_add(length),
    })
}

/// The name of a header field and the first line of its value, if `line` starts one.
pub(super) fn split_field(line: &[u8]) -> Option<(String, &[u8])> {
    let colon = line.iter().position(|octet| *octet == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    let name = std::str::from_utf8(name)
        .ok()?
        .trim_end_matches([' ', '\t']);
    let valid = !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_graphic());
    // Two hyphens begin a delimiter (RFC 2046 section 5.1.1), which may be the first line there is.
    let valid = valid && !name.starts_with("--");
    // `<?xml version="1.0"` or a line of base64 is no field name.
    let likely = name
        .bytes()
        .all(|octet| octet.is_ascii_alphanumeric() || b"-_./+*#$%&'!~^|".contains(&octet));
    (valid && likely).then(|| (name.to_owned(), value.get(1..).unwrap_or_default()))
}

fn goes_on(input: &[u8], at: usize, end: usize) -> bool {
    line_at(input, at, end).is_some_and(|line| {
        split_field(line.content).is_some()
            || line.content.iter().any(|octet| !is_blank(*octet))
                && line.content.first().is_some_and(|octet| is_blank(*octet))
    })
}

fn close(fields: &mut [RawField], value: &mut Vec<u8>) {
    if let Some(field) = fields.last_mut() {
        let text = words::without_controls(&decode_octets(value));
        text.trim_matches([' ', '\t']).clone_into(&mut field.value);
    }
    value.clear();
}

fn is_blank(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &str) -> (Vec<(String, String)>, usize, usize) {
        let mut warnings = Vec::new();
        let block = read(text.as_bytes(), 0..text.len(), 10, &mut warnings).unwrap();
        let pairs = block
            .fields
            .into_iter()
            .map(|f| (f.name, f.value))
            .collect();
        (pairs, block.body, warnings.len())
    }

    #[test]
    fn folded_lines_are_one_value() {
        let (fields, body, warnings) = block("To: a,\r\n b\r\n    \r\nX:c\r\nY:\r\n\r\nbody");
        let want = [("To", "a, b"), ("X", "c"), ("Y", "")];
        assert_eq!(fields, want.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert_eq!((body, warnings), (29, 0));
    }

    #[test]
    fn a_line_of_blanks_ends_the_block_where_no_header_follows() {
        let (fields, body, _) = block("A: b\n  \nthe body: no\n");
        assert_eq!((fields.len(), body), (1, 8));
    }

    #[test]
    fn a_missing_empty_line_is_noticed() {
        let (fields, body, warnings) = block("A: b\n<?xml version=\"1.0\" a:b?>\n");
        assert_eq!((fields.len(), body, warnings), (1, 5, 1));
    }

    #[test]
    fn a_name_that_looks_like_a_delimiter_is_none() {
        assert_eq!(split_field(b"--a: b"), None);
        assert_eq!(split_field(b"-a: b"), Some(("-a".to_owned(), &b" b"[..])));
    }

    #[test]
    fn fields_are_bounded() {
        let structure = "Content-Type: a/b\n".repeat(10);
        let enough = structure + &"A: b\n".repeat(10);
        let read_enough = read(enough.as_bytes(), 0..enough.len(), 10, &mut Vec::new());
        assert_eq!(read_enough.unwrap().fields.len(), 20);
        let many = "A: b\n".repeat(11);
        let error = read(many.as_bytes(), 0..many.len(), 10, &mut Vec::new()).unwrap_err();
        assert_eq!(error.offset, 50);
        assert!(matches!(
            error.kind,
            DecodeErrorKind::Limit { limit: 10, .. }
        ));
    }
}
