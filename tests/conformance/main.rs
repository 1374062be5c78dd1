//! Black-box tests of the library and the command, in one binary.

mod generate;
mod mime;
mod smil;
mod probe;
mod support;
mod uaprof;
mod wire;
