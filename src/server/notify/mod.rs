//! Who carries pushes to phones, one file for each kind of `[notify]`.
//!
//! All of them bound the time of one push, so that the threads that dispatch are never held for
//! long, and none of them is asked while somebody waits for an answer. A gateway that is away is
//! told from a push that failed: the former costs no attempt.

mod breaker;
mod client;
mod command;
mod http;
mod kannel;
mod log;
mod pap;
mod smpp;
mod tls;

use std::fmt::Write;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

pub use command::Hook;
pub use http::HttpHook;
pub use kannel::Kannel;
pub use log::Log;
pub use pap::Pap;
pub use smpp::Smpp;
pub(super) use tls::Authorities;

use super::config::{CaFile, Kind, Notify};
use crate::mms::address::Msisdn;
use crate::relay::Notifier;

/// What the configuration asks for.
///
/// # Errors
/// Where the system gives no threads, or a secret has no form on the wire.
pub(super) fn configured(notify: &Notify) -> std::io::Result<Arc<dyn Notifier>> {
    let kind = notify
        .chosen()
        .map_err(|(_, message)| std::io::Error::other(message))?;
    let missing = || std::io::Error::other("a table of [notify] is missing");
    Ok(match kind {
        Kind::Log => Arc::new(Log {
            full: notify.log.unwrap_or_default().full,
        }),
        Kind::Command => {
            let command = notify.command.as_ref().ok_or_else(missing)?;
            Arc::new(Hook::new(command.as_slice().to_vec()))
        }
        Kind::Kannel => {
            let table = notify.kannel.as_ref().ok_or_else(missing)?;
            Arc::new(Kannel::new(table)?)
        }
        Kind::Pap => Arc::new(Pap::new(notify.pap.as_ref().ok_or_else(missing)?)?),
        Kind::Http => Arc::new(HttpHook::new(notify.http.as_ref().ok_or_else(missing)?)?),
        Kind::Smpp => Arc::new(Smpp::new(notify.smpp.as_ref().ok_or_else(missing)?)?),
    })
}

fn authorities(file: Option<&CaFile>) -> Authorities {
    file.map_or_else(Authorities::default, CaFile::authorities)
}

/// `octets` as hexadecimal digits.
fn hex(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len().saturating_mul(2));
    for octet in octets {
        // Writing to a string cannot fail.
        let _ = write!(text, "{octet:02x}");
    }
    text
}

/// A number with all but its last two digits masked.
fn masked(number: &Msisdn) -> String {
    let shown = format!("{number:?}");
    let inner = shown.strip_prefix("Msisdn(").unwrap_or(&shown);
    inner.trim_end_matches(')').to_owned()
}

/// The reference by which a phone knows which segments belong together. It only has to differ
/// between pushes that are under way to one phone, also after a restart.
fn reference() -> u16 {
    static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| {
        let [high, low, ..] = unguessable();
        AtomicU16::new(u16::from_be_bytes([high, low]))
    });
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Octets that come once. Without random numbers they are still no octets of a push.
fn unguessable() -> [u8; 16] {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut octets = [0; 16];
    match getrandom::fill(&mut octets) {
        Ok(()) => octets,
        Err(_) => (!u128::from(COUNT.fetch_add(1, Ordering::Relaxed))).to_be_bytes(),
    }
}
