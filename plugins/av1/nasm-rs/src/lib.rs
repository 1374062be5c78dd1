//! Nothing: there is no assembly to build.
