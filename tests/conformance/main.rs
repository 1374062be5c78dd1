//! Black-box tests of the library and the command, in one binary.

mod profile;
mod support;
mod uaprof;
