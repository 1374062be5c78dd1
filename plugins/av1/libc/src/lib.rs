//! The types and numbers of C that rav1d names, for a target whose `libc` has none.

#![no_std]
#![allow(non_camel_case_types)]

pub type intptr_t = isize;
pub type off_t = i64;
pub type ptrdiff_t = isize;
pub type uintptr_t = usize;

pub const ENOENT: i32 = 2;
pub const EIO: i32 = 5;
pub const EAGAIN: i32 = 11;
pub const ENOMEM: i32 = 12;
pub const EINVAL: i32 = 22;
pub const ERANGE: i32 = 34;
pub const ENOPROTOOPT: i32 = 92;
