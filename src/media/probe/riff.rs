//! Chunks of RIFF (little-endian) and of EA IFF 85 (big-endian).

use super::bytes::{Reader, Steps, index};

/// A chunk: its name and as much of its body as the file holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk<'a> {
    pub(super) kind: [u8; 4],
    pub(super) body: &'a [u8],
    /// Octet of the input at which the body starts.
    pub(super) offset: usize,
}

impl<'a> Chunk<'a> {
    pub(super) const fn reader(&self) -> Reader<'a> {
        Reader::based(self.body, self.offset)
    }
}

/// The chunks of a form or list, in order. Ends at the first header that is cut.
pub(super) struct Chunks<'a, 's> {
    reader: Reader<'a>,
    steps: &'s Steps,
    little: bool,
}

impl<'a, 's> Chunks<'a, 's> {
    /// Chunks of RIFF from `reader` on.
    pub(super) const fn riff(reader: Reader<'a>, steps: &'s Steps) -> Self {
        Self {
            reader,
            steps,
            little: true,
        }
    }

    /// Chunks of IFF from `reader` on.
    pub(super) const fn iff(reader: Reader<'a>, steps: &'s Steps) -> Self {
        Self {
            reader,
            steps,
            little: false,
        }
    }
}

impl<'a> Iterator for Chunks<'a, '_> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Chunk<'a>> {
        let kind = self.reader.array().ok()?;
        let declared = if self.little {
            self.reader.le32()
        } else {
            self.reader.be32()
        }
        .ok()?;
        if !self.steps.take() {
            return None;
        }
        let offset = self.reader.offset();
        let body = self.reader.take_up_to(index(declared));
        self.reader.take_up_to(index(declared & 1));
        Some(Chunk { kind, body, offset })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A chunk with its padding.
    pub(in super::super) fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap().to_le_bytes();
        let pad: &[u8] = if body.len() % 2 == 1 { &[0] } else { &[] };
        [kind, length.as_slice(), body, pad].concat()
    }

    /// A RIFF file of this form.
    pub(in super::super) fn riff(form: &[u8; 4], chunks: &[Vec<u8>]) -> Vec<u8> {
        chunk(b"RIFF", &[form.as_slice(), &chunks.concat()].concat())
    }

    #[test]
    fn odd_chunks_are_padded_and_long_ones_clipped() {
        let data = [chunk(b"odd ", b"abc"), b"long\xFF\xFF\xFF\xFFxy".to_vec()].concat();
        let steps = Steps::new(9);
        let chunks: Vec<_> = Chunks::riff(Reader::new(&data), &steps).collect();
        assert_eq!(chunks.len(), 2);
        assert_eq!((chunks[0].body, chunks[0].offset), (b"abc".as_slice(), 8));
        assert_eq!(chunks[1].body, b"xy");
    }

    #[test]
    fn steps_end_the_walk() {
        let data = chunk(b"zero", b"").repeat(10);
        let steps = Steps::new(4);
        assert_eq!(Chunks::riff(Reader::new(&data), &steps).count(), 4);
    }
}
