//! `avcC` and `hvcC`: the decoder configuration records of ISO/IEC 14496-15.

use bytes::Bytes;

use super::error::ContainerError;
use super::reader::Reader;

/// `AVCDecoderConfigurationRecord` (section 5.3.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AvcConfig {
    /// `profile_idc`.
    pub profile: u8,
    /// The constraint flags as they stand between profile and level.
    pub compatibility: u8,
    /// `level_idc`.
    pub level: u8,
    /// Octets of the length in front of each NAL unit: 1, 2 or 4.
    pub nal_length: u8,
    /// Sequence parameter sets, without start codes.
    pub sps: Vec<Bytes>,
    /// Picture parameter sets, without start codes.
    pub pps: Vec<Bytes>,
    /// The record as a whole.
    pub record: Bytes,
}

impl AvcConfig {
    /// The record of a stream with these parameter sets and lengths of four octets. `None` where a
    /// set is longer than the record can say, there are too many, or the first has no profile.
    #[must_use]
    pub fn new(sps: Vec<Bytes>, pps: Vec<Bytes>) -> Option<Self> {
        let &[_, profile, compatibility, level] = sps.first()?.first_chunk::<4>()?;
        let mut record = vec![1, profile, compatibility, level, 0xFF];
        let count = u8::try_from(sps.len()).ok().filter(|n| *n < 32)?;
        record.push(0xE0 | count);
        put_sets(&mut record, &sps)?;
        record.push(u8::try_from(pps.len()).ok()?);
        put_sets(&mut record, &pps)?;
        if matches!(profile, 100 | 110 | 122 | 144) {
            // 4:2:0 at eight bits, no extension sets: all that we ever write.
            record.extend([0xFD, 0xF8, 0xF8, 0]);
        }
        Some(Self {
            profile,
            compatibility,
            level,
            nal_length: 4,
            sps,
            pps,
            record: Bytes::from(record),
        })
    }

    /// Reads a record.
    ///
    /// # Errors
    ///
    /// [`ContainerError::Malformed`] where it is cut short or of another version; offsets count
    /// from the start of the record.
    pub fn parse(record: &Bytes) -> Result<Self, ContainerError> {
        Self::read(&mut Reader::new(record))
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, ContainerError> {
        let record = reader.clone().rest_bytes();
        if reader.u8()? != 1 {
            return Err(reader.malformed("avcC of an unknown version"));
        }
        let [profile, compatibility, level, length] = reader.array()?;
        let nal_length = (length & 3).saturating_add(1);
        if nal_length == 3 {
            return Err(reader.malformed("avcC with lengths of three octets"));
        }
        let count = reader.u8()? & 0x1F;
        let sps = sets(reader, count)?;
        let count = reader.u8()?;
        let pps = sets(reader, count)?;
        Ok(Self {
            profile,
            compatibility,
            level,
            nal_length,
            sps,
            pps,
            record,
        })
    }
}

/// `HEVCDecoderConfigurationRecord` (section 8.3.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HevcConfig {
    /// `general_profile_idc`.
    pub profile: u8,
    /// `general_level_idc`: thirty times the level.
    pub level: u8,
    /// Octets of the length in front of each NAL unit: 1, 2 or 4.
    pub nal_length: u8,
    /// Parameter sets and SEI messages in their order, without start codes.
    pub nals: Vec<Bytes>,
    /// The record as a whole.
    pub record: Bytes,
}

impl HevcConfig {
    /// Reads a record.
    ///
    /// # Errors
    ///
    /// [`ContainerError::Malformed`] where it is cut short or of another version; offsets count
    /// from the start of the record.
    pub fn parse(record: &Bytes) -> Result<Self, ContainerError> {
        Self::read(&mut Reader::new(record))
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, ContainerError> {
        let record = reader.clone().rest_bytes();
        // Version 0 was written by encoders that were earlier than the standard.
        if reader.u8()? > 1 {
            return Err(reader.malformed("hvcC of an unknown version"));
        }
        let profile = reader.u8()? & 0x1F;
        reader.skip(10)?;
        let level = reader.u8()?;
        reader.skip(8)?;
        let nal_length = (reader.u8()? & 3).saturating_add(1);
        if nal_length == 3 {
            return Err(reader.malformed("hvcC with lengths of three octets"));
        }
        let mut nals = Vec::new();
        for _ in 0..reader.u8()? {
            reader.skip(1)?;
            for _ in 0..reader.be16()? {
                let length = usize::from(reader.be16()?);
                nals.push(reader.bytes(length)?);
            }
        }
        Ok(Self {
            profile,
            level,
            nal_length,
            nals,
            record,
        })
    }
}

fn sets(reader: &mut Reader<'_>, count: u8) -> Result<Vec<Bytes>, ContainerError> {
    (0..count)
        .map(|_| {
            let length = usize::from(reader.be16()?);
            reader.bytes(length)
        })
        .collect()
}

fn put_sets(record: &mut Vec<u8>, sets: &[Bytes]) -> Option<()> {
    for set in sets {
        record.extend(u16::try_from(set.len()).ok()?.to_be_bytes());
        record.extend_from_slice(set);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn avc_sets_survive_the_record() {
        let sps = vec![Bytes::from_static(&[0x67, 66, 0xC0, 11, 1, 2])];
        let pps = vec![Bytes::from_static(&[0x68, 3]), Bytes::from_static(&[0x68])];
        let config = AvcConfig::new(sps.clone(), pps.clone()).unwrap();
        assert_eq!((config.profile, config.level), (66, 11));
        let read = AvcConfig::parse(&config.record).unwrap();
        assert_eq!(read, config);
        let cut = config.record.slice(..config.record.len() - 1);
        assert_eq!(
            AvcConfig::parse(&cut),
            Err(ContainerError::malformed(cut.len(), "cut short"))
        );
        assert_eq!(AvcConfig::new(vec![], pps), None);
    }

    #[test]
    fn hevc_arrays_are_bounded_by_what_is_there() {
        let mut record = vec![1, 1];
        record.extend([0; 10]);
        record.push(93);
        record.extend([0; 8]);
        record.extend([3, 1, 0x20, 0, 1, 0, 2, 0x40, 1]);
        let config = HevcConfig::parse(&Bytes::from(record.clone())).unwrap();
        assert_eq!(
            (config.profile, config.level, config.nal_length),
            (1, 93, 4)
        );
        assert_eq!(config.nals, [Bytes::from_static(&[0x40, 1])]);
        if let Some(count) = record.get_mut(25) {
            *count = 0xFF;
        }
        assert!(HevcConfig::parse(&Bytes::from(record)).is_err());
    }
}
