//! Black-box tests of the library and the command, in one binary.

mod cli_pdu;
mod generate;
mod support;
mod tshark;
mod wire;
