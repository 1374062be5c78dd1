//! EXIF: the first directory of a TIFF structure (EXIF 2.3 section 4.6, TIFF 6.0 section 2).

use super::bytes::index;

/// What the first directory of an EXIF block says that adapting a picture needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exif {
    /// How to show the picture upright, 1..=8; `None` where the tag is absent or senseless.
    pub orientation: Option<u8>,
    /// Whether there is a directory that tells where the picture was taken.
    pub gps: bool,
}

/// The orientation that an EXIF block asks for, 1..=8.
///
/// `data` is the TIFF structure, with or without the `Exif` prefix it has in JPEG. At most one
/// directory is read, entry by entry, so the time is bounded by the length of `data`.
#[must_use]
pub fn orientation(data: &[u8]) -> Option<u8> {
    read(data).orientation
}

/// Reads the first directory of an EXIF block. Broken blocks read as empty.
#[must_use]
pub fn read(data: &[u8]) -> Exif {
    let data = data.strip_prefix(b"Exif\0\0").unwrap_or(data);
    let mut exif = Exif::default();
    let Some(directory) = Directory::first(data) else {
        return exif;
    };
    for entry in directory.entries() {
        match entry.tag {
            ORIENTATION => {
                exif.orientation = entry
                    .number()
                    .and_then(|value| u8::try_from(value).ok())
                    .filter(|value| (1..=8).contains(value));
            }
            GPS => exif.gps = true,
            _ => {}
        }
    }
    exif
}

/// Tag of the orientation.
pub(super) const ORIENTATION: u16 = 0x0112;
/// Tag that points at the directory of the position.
const GPS: u16 = 0x8825;

/// A directory of a TIFF structure, classic or BigTIFF.
#[derive(Debug, Clone, Copy)]
pub(super) struct Directory<'a> {
    data: &'a [u8],
    little: bool,
    big: bool,
    /// Octets from the start of the structure to the first entry.
    entries_at: usize,
    count: usize,
}

impl<'a> Directory<'a> {
    /// The first directory of the structure that starts with `data`.
    pub(super) fn first(data: &'a [u8]) -> Option<Self> {
        let little = match data.get(..2)? {
            b"II" => true,
            b"MM" => false,
            _ => return None,
        };
        let big = match number(data, 2, 2, little)? {
            42 => false,
            43 => true,
            _ => return None,
        };
        let at = if big {
            number(data, 8, 8, little)?
        } else {
            number(data, 4, 4, little)?
        };
        Self::at(data, little, big, index(at))
    }

    fn at(data: &'a [u8], little: bool, big: bool, at: usize) -> Option<Self> {
        let width = if big { 8 } else { 2 };
        let count = number(data, at, width, little)?;
        Some(Self {
            data,
            little,
            big,
            entries_at: at.checked_add(width)?,
            count: index(count),
        })
    }

    const fn entry_bytes(self) -> usize {
        if self.big { 20 } else { 12 }
    }

    /// The directory that follows this one, if there is one.
    pub(super) fn next(self) -> Option<Self> {
        let link = self
            .count
            .checked_mul(self.entry_bytes())?
            .checked_add(self.entries_at)?;
        let width = if self.big { 8 } else { 4 };
        match number(self.data, link, width, self.little)? {
            0 => None,
            at => Self::at(self.data, self.little, self.big, index(at)),
        }
    }

    /// The entries that lie inside the data.
    pub(super) fn entries(self) -> impl Iterator<Item = Entry<'a>> {
        let entries = self.data.get(self.entries_at..).unwrap_or_default();
        entries
            .chunks_exact(self.entry_bytes())
            .take(self.count)
            .filter_map(move |entry| {
                let wide = if self.big { 8 } else { 4 };
                Some(Entry {
                    tag: u16::try_from(number(entry, 0, 2, self.little)?).ok()?,
                    kind: number(entry, 2, 2, self.little)?,
                    count: number(entry, 4, wide, self.little)?,
                    value: entry.get(wide.checked_add(4)?..)?,
                    little: self.little,
                    data: self.data,
                })
            })
    }
}

/// An entry of a directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) tag: u16,
    kind: u64,
    pub(super) count: u64,
    value: &'a [u8],
    little: bool,
    data: &'a [u8],
}

impl Entry<'_> {
    /// The first number of the entry.
    pub(super) fn number(self) -> Option<u64> {
        let width = match self.kind {
            1 => 1,
            3 => 2,
            4 => 4,
            16 => 8,
            _ => return None,
        };
        let octets = wide_mul(self.count, width)?;
        if octets <= self.value.len() {
            number(self.value, 0, width, self.little)
        } else {
            let at = number(self.value, 0, self.value.len(), self.little)?;
            number(self.data, index(at), width, self.little)
        }
    }
}

fn wide_mul(count: u64, width: usize) -> Option<usize> {
    usize::try_from(count).ok()?.checked_mul(width)
}

/// The unsigned number of `width` octets (at most eight) at `at`.
fn number(data: &[u8], at: usize, width: usize, little: bool) -> Option<u64> {
    let octets = data.get(at..at.checked_add(width)?)?;
    let fold = |value: u64, octet: &u8| value.wrapping_shl(8) | u64::from(*octet);
    Some(if little {
        octets.iter().rev().fold(0, fold)
    } else {
        octets.iter().fold(0, fold)
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A big-endian EXIF block with these short tags.
    pub(in super::super) fn block(tags: &[(u16, u16)]) -> Vec<u8> {
        let mut data = b"MM\0\x2A\0\0\0\x08".to_vec();
        data.extend(u16::try_from(tags.len()).unwrap().to_be_bytes());
        for (tag, value) in tags {
            data.extend(tag.to_be_bytes());
            data.extend([0, 3, 0, 0, 0, 1]);
            data.extend(value.to_be_bytes());
            data.extend([0, 0]);
        }
        data.extend([0; 4]);
        data
    }

    #[test]
    fn orientation_and_position_are_found_with_and_without_prefix() {
        let bare = block(&[(ORIENTATION, 6), (GPS, 1)]);
        let prefixed = [b"Exif\0\0".as_slice(), &bare].concat();
        for data in [bare, prefixed] {
            assert_eq!(
                read(&data),
                Exif {
                    orientation: Some(6),
                    gps: true
                }
            );
        }
    }

    #[test]
    fn little_endian_is_read_too() {
        let data = b"II\x2A\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x08\0\0\0\0\0\0\0";
        assert_eq!(orientation(data), Some(8));
    }

    #[test]
    fn senseless_orientations_and_cut_blocks_are_none() {
        assert_eq!(orientation(&block(&[(ORIENTATION, 0)])), None);
        assert_eq!(orientation(&block(&[(ORIENTATION, 9)])), None);
        let whole = block(&[(ORIENTATION, 6)]);
        for end in 0..whole.len() - 4 {
            let cut = whole.get(..end).unwrap();
            assert!(orientation(cut).is_none_or(|value| value == 6));
        }
        assert_eq!(orientation(b"MM\0\x2A\xFF\xFF\xFF\xFF"), None);
    }
}
