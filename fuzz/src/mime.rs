//! MIME messages.

use bytes::Bytes;
use remold::Limits;
use remold::mms::mime as reader;

/// A message that was read is written as lines a mail server takes, keeps the data of its parts,
/// and a second round trip changes nothing; or it is refused.
pub fn mime(data: &[u8]) {
    let limits = Limits::default();
    let read = match reader::decode(&Bytes::copy_from_slice(data), &limits) {
        Ok(read) => read.value,
        Err(error) => {
            assert!(error.offset <= data.len(), "{error}");
            return;
        }
    };
    assert!(read.body.parts.len() <= limits.parts);
    let Ok(written) = reader::encode(&read) else {
        return;
    };
    assert_lines(&written);
    let shown = || String::from_utf8_lossy(&written).into_owned();
    let second = decode(&written, &limits);
    let third = match reader::encode(&second) {
        Ok(written) => decode(&written, &limits),
        Err(error) => panic!("written once but not twice: {error}\n{}", shown()),
    };
    assert_eq!(third, second, "{}", shown());
    let data = |message: &remold::Message| -> Vec<Bytes> {
        message
            .body
            .parts
            .iter()
            .map(|part| part.data.clone())
            .collect()
    };
    if !read.body.parts.is_empty() {
        assert_eq!(data(&second), data(&read), "{}", shown());
    }
}

fn decode(octets: &[u8], limits: &Limits) -> remold::Message {
    reader::decode(&Bytes::copy_from_slice(octets), limits)
        .unwrap_or_else(|error| panic!("{error}\n{}", String::from_utf8_lossy(octets)))
        .value
}

fn assert_lines(written: &[u8]) {
    assert!(written.is_ascii(), "not 7-bit");
    for line in written.split(|octet| *octet == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        assert!(line.len() <= 998, "a line of {} octets", line.len());
        assert!(!line.contains(&b'\r'), "a bare CR");
        assert!(!line.contains(&0), "a NUL");
    }
    let bare = written
        .windows(2)
        .any(|pair| pair[1] == b'\n' && pair[0] != b'\r');
    assert!(!bare, "a bare LF");
}
