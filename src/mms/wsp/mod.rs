//! The primitives of the wireless session protocol (WAP-230-WSP section 8.4) that MMS is coded in.
//!
//! [`Reader`] never reads past its slice and knows its offset in the whole input; [`Writer`]
//! produces the shortest legal coding. Content types, their parameters and the code tables are
//! shared by PDU headers, part headers and pushes.

mod content_type;
mod notes;
mod reader;
mod tables;
mod text;
mod writer;

pub(crate) use content_type::{media_value, param_text, write_text_value};
pub use content_type::{
    read_content_type, read_disposition, write_content_type, write_disposition,
};
pub use notes::Notes;
pub use reader::{Reader, Value, long_integer};
pub use tables::{header_code, header_name, media_code, media_name};
pub(crate) use text::{is_plain, is_token_text, plain_text, without_controls};
pub use writer::Writer;
