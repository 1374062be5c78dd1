//! What a library in C asks of its surroundings: memory from the guest's one allocator, and a
//! clock that only ever moves on by a millisecond a look.
//!
//! The names win over those of wasi-libc because they are linked first, so that nothing of WASI is
//! imported.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, realloc as grow};
use std::ffi::{c_char, c_int, c_long, c_void};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU32, Ordering};

/// Octets in front of a block that hold its length; every block is aligned to as many.
const HEAD: usize = 16;

fn layout(size: usize) -> Option<Layout> {
    Layout::from_size_align(size.checked_add(HEAD)?, HEAD).ok()
}

/// A block of which the first octets are ours.
unsafe fn lend(block: *mut u8, size: usize) -> *mut c_void {
    if block.is_null() {
        return null_mut();
    }
    // SAFETY: the block has `HEAD` octets more than `size`, and is aligned to `HEAD`.
    unsafe {
        block.cast::<usize>().write(size);
        block.add(HEAD).cast()
    }
}

/// The block in front of what was lent, with its size.
unsafe fn lent(pointer: *mut c_void) -> (*mut u8, usize) {
    // SAFETY: the pointer came of `lend`, by the contract of `free` and `realloc`.
    unsafe {
        let block = pointer.cast::<u8>().sub(HEAD);
        (block, block.cast::<usize>().read())
    }
}

/// C's `malloc`.
#[unsafe(no_mangle)]
pub extern "C" fn malloc(size: usize) -> *mut c_void {
    match layout(size) {
        // SAFETY: the layout is of at least `HEAD` octets.
        Some(layout) => unsafe { lend(alloc(layout), size) },
        None => null_mut(),
    }
}

/// C's `calloc`.
#[unsafe(no_mangle)]
pub extern "C" fn calloc(count: usize, each: usize) -> *mut c_void {
    let size = count.checked_mul(each);
    match size.and_then(|size| Some((size, layout(size)?))) {
        // SAFETY: the layout is of at least `HEAD` octets.
        Some((size, layout)) => unsafe { lend(alloc_zeroed(layout), size) },
        None => null_mut(),
    }
}

/// C's `realloc`.
///
/// # Safety
///
/// As in C: `pointer` came of these functions and was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realloc(pointer: *mut c_void, size: usize) -> *mut c_void {
    if pointer.is_null() {
        return malloc(size);
    }
    // SAFETY: the caller answers for the pointer.
    let (block, old) = unsafe { lent(pointer) };
    match (layout(old), layout(size)) {
        // SAFETY: the block was allocated with the layout of its old size.
        (Some(was), Some(now)) => unsafe { lend(grow(block, was, now.size()), size) },
        _ => null_mut(),
    }
}

/// C's `free`.
///
/// # Safety
///
/// As in C: `pointer` is null or came of these functions and was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free(pointer: *mut c_void) {
    if pointer.is_null() {
        return;
    }
    // SAFETY: the caller answers for the pointer.
    let (block, size) = unsafe { lent(pointer) };
    if let Some(layout) = layout(size) {
        // SAFETY: the block was allocated with this layout.
        unsafe { dealloc(block, layout) };
    }
}

/// Milliseconds of the clock that stands in for one.
static NOW: AtomicU32 = AtomicU32::new(0);

fn tick() -> (i64, c_long) {
    let now = NOW.fetch_add(1, Ordering::Relaxed);
    (
        i64::from(now / 1_000),
        (now % 1_000).try_into().unwrap_or(0),
    )
}

/// C's `struct timeval` and `struct timespec`, which wasi-libc lays out alike.
#[repr(C)]
pub struct Time {
    seconds: i64,
    part: c_long,
}

/// C's `gettimeofday`, of a clock that moves a millisecond each time it is looked at.
///
/// # Safety
///
/// As in C: `time` points to a `struct timeval`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gettimeofday(time: *mut Time, _zone: *mut c_void) -> c_int {
    let (seconds, ms) = tick();
    let part = ms * 1_000;
    // SAFETY: the caller answers for the pointer.
    unsafe { time.write(Time { seconds, part }) };
    0
}

/// C's `clock_gettime`, of the same clock.
///
/// # Safety
///
/// As in C: `time` points to a `struct timespec`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(_clock: *const c_void, time: *mut Time) -> c_int {
    let (seconds, ms) = tick();
    let part = ms * 1_000_000;
    // SAFETY: the caller answers for the pointer.
    unsafe { time.write(Time { seconds, part }) };
    0
}

/// C's `time`, of the same clock.
///
/// # Safety
///
/// As in C: `into` is null or points to a `time_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn time(into: *mut i64) -> i64 {
    let (seconds, _) = tick();
    if !into.is_null() {
        // SAFETY: the caller answers for the pointer.
        unsafe { into.write(seconds) };
    }
    seconds
}

/// C's `usleep`: there is nothing to wait for.
#[unsafe(no_mangle)]
pub extern "C" fn usleep(_microseconds: u32) -> c_int {
    0
}

/// C's `getpid`: there is one process.
#[unsafe(no_mangle)]
pub extern "C" fn getpid() -> c_int {
    1
}

/// C's `abort`.
#[unsafe(no_mangle)]
pub extern "C" fn abort() -> ! {
    std::process::abort()
}

/// C's `puts`, which says nothing.
#[unsafe(no_mangle)]
pub extern "C" fn puts(_line: *const c_char) -> c_int {
    0
}
