//! A fuzzer's octets cut into settings, fields and packets.

use bytes::Bytes;
use remold::media::picture::Packet;

/// Packets that are tried at most: enough for a key picture, some others and a second key.
const PACKETS: usize = 48;

/// What is left of the input. Where it has ended, there are zeros.
pub struct Cut<'a>(pub &'a [u8]);

impl<'a> Cut<'a> {
    pub fn octet(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// Two octets, the high one first.
    pub fn pair(&mut self) -> u16 {
        u16::from_be_bytes([self.octet(), self.octet()])
    }

    /// As many octets as two octets say, or what there is.
    pub fn field(&mut self) -> &'a [u8] {
        let length = self.pair();
        self.take(usize::from(length))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is left as packets, `interval_us` apart. In front of each are 16 bits: whether decoding
    /// can start there, and its length in the other 15.
    pub fn packets(&mut self, interval_us: u64) -> Vec<Packet> {
        let mut packets = Vec::new();
        while !self.is_empty() && packets.len() < PACKETS {
            let head = self.pair();
            let data = self.take(usize::from(head & 0x7FFF));
            packets.push(Packet {
                data: Bytes::copy_from_slice(data),
                timestamp_us: interval_us * packets.len() as u64,
                key: head & 0x8000 != 0,
                shown: true,
            });
        }
        packets
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
