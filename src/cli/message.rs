//! A message from a file, in whatever kind it comes, and back into that kind.

use std::path::Path;

use super::{CliError, Exit, io, pdu};
use crate::limits::Limits;
use crate::mms::pdu::{Pdu, PduType};
use crate::mms::{Field, HeaderValue, Message};

pub(super) use crate::adapt::{Form, Formed as Loaded};

/// Reads a message: an MM1 PDU with a body, a MIME message, or one plain media file.
///
/// # Errors
/// [`Exit::Undecodable`] where the file is none of these or broken, with the octet.
pub(super) fn load(path: &Path, limits: &Limits) -> Result<Loaded, CliError> {
    let octets = io::read_input(path, limits.message_bytes)?;
    let name = path.file_name().and_then(|name| name.to_str());
    Form::read(octets, name.filter(|name| *name != "-"), limits)
        .map_err(|error| pdu::undecodable(&error).in_file(io::shown(path)))
}

/// The octets of a message in the kind of file it came in.
///
/// # Errors
/// [`Exit::Internal`] where the message has no such form.
pub(super) fn encode(form: &Form, message: &Message) -> Result<Vec<u8>, CliError> {
    form.write(message)
        .map_err(|error| CliError::new(Exit::Internal, error.to_string()))
}

/// A message as an m-retrieve-conf: what a phone would be given. Date is the only mandatory
/// header that a message may lack.
pub(super) fn as_retrieve_conf(message: &Message) -> Pdu {
    let mut pdu = Pdu::from_message(PduType::RetrieveConf, message.clone());
    pdu.headers = pdu.headers.without_textual();
    if pdu.headers.get(Field::MmsVersion).is_none() {
        pdu.headers.add(Field::MmsVersion, HeaderValue::Token(0x92));
    }
    if pdu.headers.get(Field::Date).is_none() {
        pdu.headers.add(Field::Date, HeaderValue::Date(0));
    }
    pdu
}
