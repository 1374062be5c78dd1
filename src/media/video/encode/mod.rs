//! Encoders of moving pictures.

mod h263;
mod level;
pub(super) mod wrap;

use std::sync::Arc;

use crate::media::codec::VideoEncoder;

pub(super) use level::Level;

/// The encoders that are compiled in.
pub(crate) fn encoders() -> Vec<Arc<dyn VideoEncoder>> {
    vec![Arc::new(h263::H263)]
}
