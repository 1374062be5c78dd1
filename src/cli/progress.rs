//! Progress where a person is looking and the work is long.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Inputs smaller than this are done before a person could read a bar.
const LONG_WORK: usize = 1 << 20;

/// A bar for one input of this many octets: hidden where it is small or nobody is looking.
pub(super) fn for_octets(octets: usize) -> ProgressBar {
    if octets < LONG_WORK || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} adapting, {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
