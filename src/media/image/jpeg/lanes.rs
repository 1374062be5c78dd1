//! The widest instructions that the processor has, for loops that the compiler makes lanes of.
//!
//! Everything here is whole numbers, or floats whose operations are neither reordered nor fused,
//! so the results are the same with and without.

use std::cell::Cell;

/// Runs `work`, compiled for AVX2 and BMI2 as well where it is inlined: with those where the
/// processor has them.
#[inline(always)]
pub(super) fn widest<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    if !NARROW.get()
        && let Some(avx2) = fearless_simd::Level::new().as_avx2()
    {
        return fearless_simd::Simd::vectorize(avx2, work);
    }
    work()
}

thread_local! {
    static NARROW: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` without wider instructions than every processor of this kind has, for tests that
/// compare.
pub fn narrowly<R>(work: impl FnOnce() -> R) -> R {
    let before = NARROW.replace(true);
    let result = work();
    NARROW.set(before);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_do_the_work() {
        assert_eq!(widest(|| 7), narrowly(|| widest(|| 7)));
        assert!(!NARROW.get());
    }
}
