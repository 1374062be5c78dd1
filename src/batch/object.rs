//! Inputs that are objects of a bucket, by their URLs.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

/// What the URLs of objects begin with.
const S3: &str = "s3://";
/// What the URLs of files begin with (RFC 8089).
const FILE: &str = "file://";

/// What is known of an input before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Its octets.
    pub len: u64,
    /// When it was written last, in nanoseconds since 1970.
    pub modified: Option<i64>,
}

/// Where objects are. Errors are for the person whose job it is, without the URL.
pub trait Objects: fmt::Debug + Send + Sync {
    /// The URLs of the objects below `url`, in the order of their keys; where there are none, `url`
    /// itself if it is an object.
    ///
    /// # Errors
    /// Where they cannot be listed.
    fn below(&self, url: &str) -> Result<Vec<(String, Found)>, String>;

    /// What is known of an object.
    ///
    /// # Errors
    /// Where it is not there, or nobody says.
    fn look(&self, url: &str) -> Result<Found, String>;

    /// Its octets, of which there may be `most`.
    ///
    /// # Errors
    /// Where it cannot be read, or holds more by now than it did when it was looked at.
    fn read(&self, url: &str, most: usize) -> Result<Bytes, String>;
}

/// No objects anywhere, and why.
#[derive(Debug, Clone, Copy)]
pub struct NoObjects(pub &'static str);

impl Objects for NoObjects {
    fn below(&self, _: &str) -> Result<Vec<(String, Found)>, String> {
        Err(self.0.to_owned())
    }

    fn look(&self, _: &str) -> Result<Found, String> {
        Err(self.0.to_owned())
    }

    fn read(&self, _: &str, _: usize) -> Result<Bytes, String> {
        Err(self.0.to_owned())
    }
}

/// The URL, where the name of an input is that of an object.
#[must_use]
pub fn url(path: &Path) -> Option<&str> {
    path.to_str().filter(|text| text.starts_with(S3))
}

/// Bucket and key of a URL; the key may be empty.
#[must_use]
pub fn parts(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix(S3)?;
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    (!bucket.is_empty()).then_some((bucket, key))
}

/// The URL of an object.
#[must_use]
pub fn of(bucket: &str, key: &str) -> String {
    format!("{S3}{bucket}/{key}")
}

/// The path that a `file://` URL of this machine stands for, or the name as it is.
#[must_use]
pub fn local(path: PathBuf) -> PathBuf {
    let Some(rest) = path.to_str().and_then(|text| text.strip_prefix(FILE)) else {
        return path;
    };
    let place = rest.strip_prefix("localhost").unwrap_or(rest);
    if !place.starts_with('/') {
        return path;
    }
    let mut octets = Vec::with_capacity(place.len());
    let mut left = place.as_bytes();
    while let [first, rest @ ..] = left {
        let escaped = match rest {
            [high, low, ..] if *first == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                octets.push(high << 4 | low);
                left = rest.get(2..).unwrap_or_default();
            }
            None => {
                octets.push(*first);
                left = rest;
            }
        }
    }
    OsString::from_vec(octets).into()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| value.try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_a_file_is_a_path() {
        for (url, path) in [
            ("file:///in/a%20b.jpg", "/in/a b.jpg"),
            ("file://localhost/x%2", "/x%2"),
            ("file://elsewhere/x", "file://elsewhere/x"),
            ("in/a%20b.jpg", "in/a%20b.jpg"),
        ] {
            assert_eq!(local(url.into()), PathBuf::from(path));
        }
    }

    #[test]
    fn a_url_of_an_object_has_a_bucket() {
        assert_eq!(parts("s3://mms/in/a.jpg"), Some(("mms", "in/a.jpg")));
        assert_eq!(parts("s3://mms"), Some(("mms", "")));
        assert_eq!(parts("s3:///a"), None);
        assert_eq!(of("mms", "a/b"), "s3://mms/a/b");
        assert_eq!(url(Path::new("s3:/mms/a")), None);
        assert_eq!(
            NoObjects("none").read("s3://a/b", 9),
            Err("none".to_owned())
        );
    }
}
