//! Boxes of the ISO base media file format (ISO/IEC 14496-12 section 4.2).

use super::super::error::{ContainerError, Warning};
use super::super::reader::{Reader, index};
use crate::limits::Limits;

/// Warnings kept of one file; more say nothing new.
const WARNINGS: usize = 32;

/// What is shared by all that read one file: the allowances and the warnings.
#[derive(Debug)]
pub(super) struct Context<'l> {
    pub(super) limits: &'l Limits,
    boxes: usize,
    pub(super) warnings: Vec<Warning>,
}

impl<'l> Context<'l> {
    pub(super) const fn new(limits: &'l Limits) -> Self {
        Self {
            limits,
            boxes: limits.container_boxes,
            warnings: Vec::new(),
        }
    }

    pub(super) fn warn(&mut self, offset: usize, what: &'static str) {
        if self.warnings.len() < WARNINGS {
            self.warnings.push(Warning { offset, what });
        }
    }
}

/// A box: its type and as much of its body as the input holds.
#[derive(Debug, Clone)]
pub(super) struct IsoBox<'a> {
    pub(super) kind: [u8; 4],
    /// Octet of the input at which its header starts.
    pub(super) start: usize,
    pub(super) body: Reader<'a>,
}

impl<'a> IsoBox<'a> {
    /// The body of a full box: version, flags, and a reader of the rest.
    pub(super) fn full(&self) -> Result<(u8, u32, Reader<'a>), ContainerError> {
        let mut reader = self.body.clone();
        Ok((reader.u8()?, reader.be24()?, reader))
    }
}

/// The boxes from a reader on, in order. The walk ends at a header that is cut or claims less than
/// its own length; a body that claims more than there is gets what there is. Both give a warning.
#[derive(Debug)]
pub(super) struct Boxes<'a> {
    reader: Reader<'a>,
}

impl<'a> Boxes<'a> {
    pub(super) const fn new(reader: Reader<'a>) -> Self {
        Self { reader }
    }

    pub(super) fn next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Result<Option<IsoBox<'a>>, ContainerError> {
        let start = self.reader.offset();
        // QuickTime ends some lists of atoms with a 32-bit zero.
        if self.reader.left() < 8 {
            return Ok(None);
        }
        context.boxes = context.boxes.checked_sub(1).ok_or(ContainerError::Limit {
            what: "container_boxes",
            limit: context.limits.container_boxes,
        })?;
        let size = self.reader.be32()?;
        let kind = self.reader.array()?;
        let length = match size {
            0 => Some(u64::MAX),
            1 if self.reader.left() < 8 => None,
            1 => self.reader.be64()?.checked_sub(16),
            _ => u64::from(size).checked_sub(8),
        };
        let Some(length) = length else {
            context.warn(start, "a box shorter than its header");
            return Ok(None);
        };
        if size != 0 && length > u64::try_from(self.reader.left()).unwrap_or(u64::MAX) {
            context.warn(start, "a box is longer than what holds it");
        }
        let body = self.reader.split_up_to(index(length));
        Ok(Some(IsoBox { kind, start, body }))
    }
}

#[cfg(test)]
pub(in super::super) mod tests {
    use bytes::Bytes;

    use super::*;

    /// A box of these parts.
    pub(in super::super::super) fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
        let body = parts.concat();
        let length = u32::try_from(body.len() + 8).unwrap().to_be_bytes();
        [length.as_slice(), kind, &body].concat()
    }

    fn walk(data: &[u8]) -> (Vec<([u8; 4], usize)>, usize) {
        let data = Bytes::copy_from_slice(data);
        let limits = Limits::default();
        let mut context = Context::new(&limits);
        let mut boxes = Boxes::new(Reader::new(&data));
        let mut found = Vec::new();
        while let Some(part) = boxes.next(&mut context).unwrap() {
            found.push((part.kind, part.body.left()));
        }
        (found, context.warnings.len())
    }

    #[test]
    fn all_forms_of_size() {
        let data = [
            boxed(b"free", &[b"ab"]),
            b"\0\0\0\x01wide\0\0\0\0\0\0\0\x12cd".to_vec(),
            b"\0\0\0\0mdatrest".to_vec(),
        ]
        .concat();
        let expected = vec![(*b"free", 2), (*b"wide", 2), (*b"mdat", 4)];
        assert_eq!(walk(&data), (expected, 0));
    }

    #[test]
    fn hostile_sizes_end_the_walk_or_are_clipped() {
        for size in 2..8_u8 {
            assert_eq!(
                walk(&[0, 0, 0, size, b'f', b'r', b'e', b'e', 0]),
                (vec![], 1)
            );
        }
        for size in [0_u64, 1, 15] {
            let data = [b"\0\0\0\x01mdat".as_slice(), &size.to_be_bytes()].concat();
            assert_eq!(walk(&data), (vec![], 1));
        }
        for size in [u64::MAX, 1 << 63, u64::from(u32::MAX)] {
            let data = [b"\0\0\0\x01mdat".as_slice(), &size.to_be_bytes(), b"xyz"].concat();
            assert_eq!(walk(&data), (vec![(*b"mdat", 3)], 1));
        }
    }

    #[test]
    fn boxes_are_counted() {
        let data = Bytes::from(boxed(b"free", &[]).repeat(9));
        let limits = Limits {
            container_boxes: 3,
            ..Limits::default()
        };
        let mut context = Context::new(&limits);
        let mut boxes = Boxes::new(Reader::new(&data));
        for _ in 0..3 {
            assert!(boxes.next(&mut context).unwrap().is_some());
        }
        assert!(boxes.next(&mut context).is_err());
    }
}
