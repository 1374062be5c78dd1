//! Boxes of the ISO base media file format (ISO/IEC 14496-12 section 4.2).

use super::bytes::{Reader, Steps, index};

/// A box: its type and as much of its body as the file holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct IsoBox<'a> {
    pub(super) kind: [u8; 4],
    pub(super) body: &'a [u8],
    /// Octet of the input at which the body starts.
    pub(super) offset: usize,
}

impl<'a> IsoBox<'a> {
    pub(super) const fn reader(&self) -> Reader<'a> {
        Reader::based(self.body, self.offset)
    }

    /// The body of a full box: version, flags, and a reader of the rest.
    pub(super) fn full(&self) -> Option<(u8, u32, Reader<'a>)> {
        let mut reader = self.reader();
        Some((reader.u8().ok()?, reader.be24().ok()?, reader))
    }
}

/// The boxes from a reader on, in order. Ends at a header that is cut or that claims less than
/// its own length; a body that claims more than there is gets what there is.
pub(super) struct Boxes<'a, 's> {
    reader: Reader<'a>,
    steps: &'s Steps,
}

impl<'a, 's> Boxes<'a, 's> {
    pub(super) const fn new(reader: Reader<'a>, steps: &'s Steps) -> Self {
        Self { reader, steps }
    }
}

impl<'a> Iterator for Boxes<'a, '_> {
    type Item = IsoBox<'a>;

    fn next(&mut self) -> Option<IsoBox<'a>> {
        let size = self.reader.be32().ok()?;
        let kind = self.reader.array().ok()?;
        if !self.steps.take() {
            return None;
        }
        let length = match size {
            0 => usize::MAX,
            1 => index(self.reader.be64().ok()?.checked_sub(16)?),
            _ => index(size.checked_sub(8)?),
        };
        let offset = self.reader.offset();
        Some(IsoBox {
            kind,
            body: self.reader.take_up_to(length),
            offset,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A box of these parts.
    pub(in super::super) fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
        let body = parts.concat();
        let length = u32::try_from(body.len() + 8).unwrap().to_be_bytes();
        [length.as_slice(), kind, &body].concat()
    }

    fn kinds(data: &[u8]) -> Vec<([u8; 4], usize)> {
        Boxes::new(Reader::new(data), &Steps::new(100))
            .map(|part| (part.kind, part.body.len()))
            .collect()
    }

    #[test]
    fn all_forms_of_size() {
        let data = [
            boxed(b"free", &[b"ab"]),
            b"\0\0\0\x01wide\0\0\0\0\0\0\0\x12cd".to_vec(),
            b"\0\0\0\0mdatrest".to_vec(),
        ]
        .concat();
        assert_eq!(kinds(&data), [(*b"free", 2), (*b"wide", 2), (*b"mdat", 4)]);
    }

    #[test]
    fn hostile_sizes_end_the_walk_or_are_clipped() {
        for size in 2..8_u8 {
            assert_eq!(kinds(&[0, 0, 0, size, b'f', b'r', b'e', b'e', 0]), []);
        }
        for size in [0_u64, 1, 15] {
            let data = [b"\0\0\0\x01mdat".as_slice(), &size.to_be_bytes()].concat();
            assert_eq!(kinds(&data), []);
        }
        for size in [u64::MAX, 1 << 63, u64::from(u32::MAX)] {
            let data = [b"\0\0\0\x01mdat".as_slice(), &size.to_be_bytes(), b"xyz"].concat();
            assert_eq!(kinds(&data), [(*b"mdat", 3)]);
        }
        assert_eq!(kinds(b"\xFF\xFF\xFF\xFFmoov"), [(*b"moov", 0)]);
    }

    #[test]
    fn steps_end_the_walk() {
        let data = boxed(b"free", &[]).repeat(9);
        assert_eq!(Boxes::new(Reader::new(&data), &Steps::new(3)).count(), 3);
    }
}
