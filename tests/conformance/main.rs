//! Black-box tests of the library and the command, in one binary.

mod container;
mod container_sound;
mod support;
