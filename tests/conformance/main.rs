//! Black-box tests of the library and the command, in one binary.

mod mime;
mod smil;
mod support;
mod uaprof;
mod generate;
mod support;
mod wire;
