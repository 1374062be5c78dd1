//! Black-box tests of the library and the command, in one binary.

mod image;
mod image_hostile;
mod mime;
mod support;
mod uaprof;
