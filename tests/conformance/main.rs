//! Black-box tests of the library and the command, in one binary.

mod image;
mod mime;
mod support;
mod uaprof;
