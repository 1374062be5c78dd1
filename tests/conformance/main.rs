//! Black-box tests of the library and the command, in one binary.

mod h263;
mod support;
