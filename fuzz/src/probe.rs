//! What the octets of a medium are.

use remold::Limits;
use remold::media::probe as prober;
use remold::mms::sniff;

/// Any octets have a format, or break the promise of one at an octet of the input. The answer is
/// the same each time and takes no more steps than allowed.
pub fn probe(data: &[u8]) {
    let limits = Limits::default();
    let found = prober::probe(data, &limits);
    match &found {
        Ok(info) => {
            assert!((1..=8).contains(&info.orientation), "{info:?}");
            assert_ne!(info.frames, Some(0), "{info:?}");
            let _ = info.shown_size();
        }
        Err(error) => assert!(error.offset <= data.len(), "{error}"),
    }
    assert_eq!(prober::probe(data, &limits), found);
    let few = Limits {
        probe_steps: 3,
        ..limits
    };
    let _ = prober::probe(data, &few);
    let _ = prober::exif::read(data);
    let _ = sniff(data);
}
