//! The notes of a melody on a clock of microseconds.

use super::super::error::{ContainerError, Warning};
use super::super::reader::index;
use crate::limits::Limits;

/// An event at its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timed {
    pub(super) at_us: u64,
    pub(super) status: u8,
    pub(super) data: [u8; 2],
}

/// What a synthesiser is told, and until when.
#[derive(Debug, Clone, Default)]
pub(super) struct Score {
    pub(super) events: Vec<Timed>,
    pub(super) end_us: u64,
    pub(super) warnings: Vec<Warning>,
}

impl Score {
    /// Adds an event.
    ///
    /// # Errors
    ///
    /// [`ContainerError::Limit`].
    pub(super) fn add(
        &mut self,
        at_us: u64,
        status: u8,
        data: [u8; 2],
        limits: &Limits,
    ) -> Result<(), ContainerError> {
        if self.events.len() >= limits.container_samples {
            return Err(ContainerError::Limit {
                what: "container_samples",
                limit: limits.container_samples,
            });
        }
        self.end_us = self.end_us.max(at_us);
        self.events.push(Timed {
            at_us,
            status,
            data,
        });
        Ok(())
    }

    /// Whether any note is struck.
    pub(super) fn sounds(&self) -> bool {
        let struck = |event: &Timed| event.status & 0xF0 == 0x90 && event.data.last() != Some(&0);
        self.events.iter().any(struck)
    }

    /// By time; events of one time stay in their order.
    pub(super) fn sort(&mut self) {
        self.events.sort_by_key(|event| event.at_us);
    }
}

/// A ring tone: one voice, note after note.
pub(super) struct Ringer<'a> {
    score: Score,
    at_us: u64,
    limits: &'a Limits,
}

/// The sound of a phone's buzzer: "Lead 1 (square)" of General MIDI level 1.
const SQUARE: u8 = 80;

impl<'a> Ringer<'a> {
    /// A ring tone without a note yet.
    ///
    /// # Errors
    ///
    /// [`ContainerError::Limit`].
    pub(super) fn new(limits: &'a Limits) -> Result<Self, ContainerError> {
        let mut score = Score::default();
        score.add(0, 0xC0, [SQUARE, 0], limits)?;
        Ok(Self {
            score,
            at_us: 0,
            limits,
        })
    }

    /// Where the next note begins.
    pub(super) const fn at_us(&self) -> u64 {
        self.at_us
    }

    /// A note of `length_us`, of which it sounds so many hundredths; a pause where there is no key.
    ///
    /// # Errors
    ///
    /// [`ContainerError::Limit`], also where the melody is longer than it may be by now.
    pub(super) fn note(
        &mut self,
        key: Option<u8>,
        velocity: u8,
        length_us: u64,
        percent: u64,
    ) -> Result<(), ContainerError> {
        let (start, end) = (self.at_us, self.at_us.saturating_add(length_us));
        if let Some(key) = key {
            let silent = start.saturating_add(length_us.saturating_mul(percent) / 100);
            self.score.add(start, 0x90, [key, velocity], self.limits)?;
            self.score.add(silent, 0x80, [key, 0], self.limits)?;
        }
        self.at_us = end;
        if end / 1_000 > self.limits.melody_ms {
            return Err(ContainerError::Limit {
                what: "melody_ms",
                limit: index(self.limits.melody_ms),
            });
        }
        Ok(())
    }

    /// The whole of it.
    pub(super) fn finish(mut self) -> Score {
        self.score.end_us = self.score.end_us.max(self.at_us);
        self.score
    }
}
