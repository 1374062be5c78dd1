//! The body of a request, read within bounds.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use tokio::sync::OwnedSemaphorePermit;

use super::Edge;
use crate::relay::{Happening, Interface};

/// The unit in which held bodies are counted.
pub(super) const KIB: usize = 1 << 10;
/// Octets that are set aside for a body before any of it has come.
const PROMISED: usize = 64 << 10;
/// Octets that are set aside for the rest of a body once that many have come: growing by and by would
/// copy a photo several times.
const REST: usize = 1 << 20;
/// Octets beyond the limit that are read and forgotten, so that the phone comes to hear why its
/// message was refused: most read no answer before they have sent everything.
const OVERRUN: usize = 16 << 20;
/// Octets of a message that is too large which are kept: those that say which request it is.
const HEAD: usize = 128;

/// A body, and what it takes of the room for bodies.
pub(super) struct Body {
    pub(super) octets: Bytes,
    /// Given back when the body is done with.
    pub(super) room: Vec<OwnedSemaphorePermit>,
}

/// Why there is no body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is larger than a message may be. Its first octets, where the rest was waited for.
    TooLarge(Bytes),
    /// There is no room for it now.
    Busy,
    /// The connection ended in it.
    CutOff,
    /// It took longer than the time for a body.
    Slow,
}

/// Reads a body.
pub(super) async fn read(edge: &Edge, body: Incoming) -> Result<Body, Unread> {
    let most = edge.relay.terms().message_bytes;
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if declared > most.saturating_add(OVERRUN) {
        return Err(Unread::TooLarge(Bytes::new()));
    }
    let reading = keep(edge, body, most, declared);
    match tokio::time::timeout(edge.bounds.body_timeout, reading).await {
        Ok(result) => result,
        Err(_) => Err(Unread::Slow),
    }
}

async fn keep(
    edge: &Edge,
    mut body: Incoming,
    most: usize,
    declared: usize,
) -> Result<Body, Unread> {
    // No more is set aside for a promise than a small message takes.
    let mut octets = BytesMut::with_capacity(declared.min(PROMISED));
    let (mut room, mut counted) = (Vec::new(), 0_usize);
    while let Some(data) = next(&mut body).await? {
        let size = octets.len().saturating_add(data.len());
        if size > most || declared > most {
            // What was held of it is not needed to throw the rest away.
            drop(room);
            octets.extend_from_slice(&data);
            return Err(overrun(body, octets, most.saturating_sub(size)).await);
        }
        let needed = size.div_ceil(KIB).saturating_sub(counted);
        let permits = u32::try_from(needed).map_err(|_| Unread::Busy)?;
        let place = edge.room.clone().try_acquire_many_owned(permits);
        room.push(place.map_err(|_| Unread::Busy)?);
        counted = counted.saturating_add(needed);
        if size > octets.capacity() {
            let rest = declared.saturating_sub(octets.len()).min(REST);
            octets.reserve(rest.max(data.len()));
        }
        octets.extend_from_slice(&data);
    }
    let received = u64::try_from(octets.len()).unwrap_or(u64::MAX);
    let watch = edge.relay.watch();
    watch.happened(&Happening::Received(Interface::Mm1, received));
    let octets = octets.freeze();
    Ok(Body { octets, room })
}

/// Throws the rest of a body away, of which `within` octets may come in addition to the overrun.
async fn overrun(mut body: Incoming, read: BytesMut, within: usize) -> Unread {
    let mut head = Vec::with_capacity(HEAD);
    head.extend(read.iter().take(HEAD));
    drop(read);
    let mut left = OVERRUN.saturating_add(within);
    loop {
        match next(&mut body).await {
            Ok(Some(data)) if data.len() <= left => {
                left = left.saturating_sub(data.len());
                head.extend(data.iter().take(HEAD.saturating_sub(head.len())));
            }
            Ok(Some(_)) => return Unread::TooLarge(Bytes::new()),
            Ok(None) => return Unread::TooLarge(head.into()),
            Err(unread) => return unread,
        }
    }
}

/// The next octets of a body, trailers left out.
async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Unread> {
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(|_| Unread::CutOff)?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}
