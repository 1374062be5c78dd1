//! Keeping the inputs that are worked on at the same time within a number of octets.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::adapt::Formed;
use crate::limits::Limits;
use crate::media::{self, MediaKind};

/// Octets the process takes beside what it works on: its code, the devices, and what the allocator
/// keeps for every thread.
const PROCESS: u64 = 40 << 20;

/// Octets a job keeps beside its input: stacks, tables, what the allocator does not give back.
const EACH_JOB: u64 = 24 << 20;

/// A door that lets inputs in while there is memory for them, in the order in which they came.
#[derive(Debug)]
pub(super) struct Gate {
    most: u64,
    state: Mutex<State>,
    left: Condvar,
}

#[derive(Debug, Default)]
struct State {
    used: u64,
    next: u64,
    queue: VecDeque<u64>,
}

impl Gate {
    /// A door for a job that may take `memory` octets in all, working on `jobs` inputs; `None` where
    /// it may take what it wants.
    pub(super) fn new(memory: Option<u64>, jobs: usize) -> Self {
        let jobs = u64::try_from(jobs).unwrap_or(u64::MAX);
        let own = PROCESS.saturating_add(EACH_JOB.saturating_mul(jobs));
        Self {
            most: memory.map_or(u64::MAX, |memory| memory.saturating_sub(own)),
            state: Mutex::default(),
            left: Condvar::new(),
        }
    }

    /// The most octets that one input may take.
    pub(super) const fn most(&self) -> u64 {
        self.most
    }

    /// Waits until there is room for `octets`; `None` once `go_on` says no.
    pub(super) fn enter(&self, octets: u64, go_on: impl Fn() -> bool) -> Option<Pass<'_>> {
        let mut state = self.lock();
        let ticket = state.next;
        state.next = ticket.saturating_add(1);
        state.queue.push_back(ticket);
        loop {
            let first = state.queue.front() == Some(&ticket);
            let fits = state.used.saturating_add(octets) <= self.most;
            let entered = first && fits && go_on();
            if entered || !go_on() {
                state.queue.retain(|waiting| *waiting != ticket);
                if entered {
                    state.used = state.used.saturating_add(octets);
                }
                self.left.notify_all();
                return entered.then(|| Pass { gate: self, octets });
            }
            let waited = self.left.wait_timeout(state, Duration::from_millis(50));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Room for one input, until it is dropped.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    gate: &'a Gate,
    octets: u64,
}

impl Pass<'_> {
    /// Takes more room if there is some now. Waiting for it with the first room in hand could wait
    /// for one that waits for this.
    pub(super) fn grow(&mut self, octets: u64) -> bool {
        let more = octets.saturating_sub(self.octets);
        let mut state = self.gate.lock();
        let fits = state.used.saturating_add(more) <= self.gate.most;
        if fits {
            state.used = state.used.saturating_add(more);
            self.octets = self.octets.saturating_add(more);
        }
        fits
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        state.used = state.used.saturating_sub(self.octets);
        self.gate.left.notify_all();
    }
}

/// Octets that an input of this length takes while its header is read.
pub(super) const fn to_read(len: u64) -> u64 {
    len.saturating_mul(2)
}

/// Octets a pixel of a picture takes while it is decoded and scaled: as decoded, the coefficients of
/// a progressive JPEG or the planes of a deep PNG, and what is turned upright.
const PICTURE_PIXEL: u64 = 14;

/// Octets a pixel of a clip takes: the frames its decoder refers to and those between the stages.
const CLIP_PIXEL: u64 = 64;

/// Octets that sound takes: blocks between the stages, and the result.
const SOUND: u64 = 8 << 20;

/// Octets that decoded frames take that are kept for the next device, at most.
pub(super) fn to_share(gate: &Gate, limits: &Limits) -> usize {
    let most = limits.adapt_bytes.min(gate.most() / 4);
    usize::try_from(most).unwrap_or(usize::MAX)
}

/// Octets that adapting this takes at most, by its headers: the largest of its media, and the message
/// as it came and as it becomes. With `shared` octets its decoded pictures are kept.
pub(super) fn to_adapt(formed: &Formed, shared: Option<usize>, limits: &Limits) -> u64 {
    let len = u64::try_from(formed.octets.len()).unwrap_or(u64::MAX);
    let (mut largest, mut kept) = (0_u64, 0_u64);
    for part in &formed.message.body.parts {
        let Ok(info) = media::probe(&part.data, limits) else {
            continue;
        };
        let track = info.video.as_ref().and_then(|track| track.size);
        let pixels = info.size.or(track).map_or(0, |size| {
            u64::from(size.width).saturating_mul(u64::from(size.height))
        });
        let frames = u64::from(info.frames.unwrap_or(1).max(1));
        let takes = match info.kind {
            MediaKind::Image => {
                kept = kept.saturating_add(pixels.saturating_mul(4).saturating_mul(frames));
                let moving = if frames > 1 { 2 } else { 1 };
                // Frames are held after they are scaled, up to a limit.
                let held = pixels
                    .saturating_mul(4)
                    .saturating_mul(frames.saturating_sub(1))
                    .min(limits.decode_bytes);
                pixels
                    .saturating_mul(PICTURE_PIXEL)
                    .saturating_mul(moving)
                    .saturating_add(held)
            }
            MediaKind::Video => pixels.saturating_mul(CLIP_PIXEL).saturating_add(SOUND),
            MediaKind::Audio => SOUND,
            _ => 0,
        };
        largest = largest.max(takes);
    }
    let shared = shared.map_or(0, |most| u64::try_from(most).unwrap_or(u64::MAX));
    len.saturating_mul(4)
        .saturating_add(largest)
        .saturating_add(kept.min(shared))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapt::Form;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn gate(most: u64) -> Gate {
        Gate {
            most,
            ..Gate::new(None, 1)
        }
    }

    #[test]
    fn what_is_inside_never_exceeds_the_bound() {
        let gate = gate(100);
        let inside = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for thread in 0..8_u64 {
                let (gate, inside) = (&gate, &inside);
                scope.spawn(move || {
                    for round in 0..200 {
                        let octets = (thread * 13 + round * 7) % 60 + 1;
                        let mut pass = gate.enter(octets, || true).unwrap();
                        let more = if pass.grow(octets + 10) { 10 } else { 0 };
                        let now = inside.fetch_add(octets + more, Ordering::SeqCst);
                        assert!(now + octets + more <= 100);
                        inside.fetch_sub(octets + more, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(gate.lock().used, 0);
    }

    #[test]
    fn who_is_told_to_stop_does_not_wait_and_does_not_block() {
        let gate = gate(10);
        let all = gate.enter(10, || true).unwrap();
        assert!(gate.enter(5, || false).is_none());
        drop(all);
        assert!(gate.enter(10, || true).is_some());
    }

    #[test]
    fn an_estimate_grows_with_the_pixels_and_with_what_is_shared() {
        let limits = Limits::default();
        let png = |width: u32| {
            let mut data = b"\x89PNG\r\n\x1A\n\0\0\0\rIHDR".to_vec();
            data.extend(width.to_be_bytes());
            data.extend(1000_u32.to_be_bytes());
            data.extend([8, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            let read = Form::read(data.into(), Some("a.png"), &limits);
            read.unwrap()
        };
        let small = to_adapt(&png(1000), None, &limits);
        let large = to_adapt(&png(4000), None, &limits);
        assert!(small > 10_000_000 && large > 3 * small, "{small} {large}");
        let shared = to_adapt(&png(4000), Some(1 << 30), &limits);
        assert_eq!(shared, large + 16_000_000);
        assert_eq!(to_adapt(&png(4000), Some(1000), &limits), large + 1000);
    }
}
