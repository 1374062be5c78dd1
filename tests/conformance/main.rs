//! Black-box tests of the library and the command, in one binary.

mod adapt;
mod cli;
mod cli_pdu;
mod generate;
mod mime;
mod probe;
mod smil;
mod support;
mod uaprof;
mod tshark;
mod wire;
