//! What the simulators share: PDUs put into words, and files of what came.

use std::path::Path;

use crate::Limits;
use crate::cli::pdu::write_parts;
use crate::cli::{CliError, Exit, target};
use crate::media;
use crate::mms::pdu::Pdu;
use crate::mms::{Field, Part};
use crate::profile::Database;

/// The header by which a real phone of this kind says what it is, where the database has it.
pub(super) fn profile(device: &str) -> Result<Vec<(String, String)>, CliError> {
    let database = Database::embedded().map_err(target::profile_error)?;
    let url = database.urls_of(device).next();
    Ok(url
        .map(|url| ("X-Wap-Profile".to_owned(), format!("\"{url}\"")))
        .into_iter()
        .collect())
}

/// The id of a message that M-Send.conf accepts.
pub(super) fn accepted(conf: &Pdu) -> Result<String, CliError> {
    match (
        conf.headers.token(Field::ResponseStatus),
        conf.headers.text(Field::MessageId),
    ) {
        (Some(0x80), Some(id)) => Ok(id.to_owned()),
        _ => {
            let why = conf
                .headers
                .text(Field::ResponseText)
                .unwrap_or("no reason");
            Err(CliError::new(Exit::Refused, why))
        }
    }
}

/// The reason why M-Retrieve.conf holds no message, where it holds none.
pub(super) fn refused(conf: &Pdu) -> Option<CliError> {
    let status = conf.headers.token(Field::RetrieveStatus)?;
    if status == 0x80 {
        return None;
    }
    let why = conf.headers.text(Field::RetrieveText);
    let why = why.map_or_else(|| format!("status {status:#04X}"), str::to_owned);
    Some(CliError::new(Exit::Refused, why))
}

/// X-Mms-Status in words (OMA-MMS-ENC section 7.3.54).
pub(super) fn status(report: &Pdu) -> &'static str {
    match report.headers.token(Field::Status) {
        Some(0x80) => "Expired",
        Some(0x81) => "Retrieved",
        Some(0x82) => "Rejected",
        Some(0x83) => "Deferred",
        Some(0x84) => "Unrecognised",
        Some(0x85) => "Indeterminate",
        Some(0x86) => "Forwarded",
        Some(0x87) => "Unreachable",
        _ => "no status",
    }
}

/// The parts of a message in words.
pub(super) fn content(pdu: &Pdu) -> String {
    let parts = pdu.body.iter().flat_map(|body| &body.parts);
    parts.map(part).collect::<Vec<_>>().join(", ")
}

/// A part in words.
pub(super) fn part(part: &Part) -> String {
    let info = media::probe(&part.data, &Limits::default()).ok();
    let size = info.and_then(|info| info.size);
    let size = size.map_or_else(String::new, |s| format!(" {}x{}", s.width, s.height));
    let (media, octets) = (part.content_type.media(), part.data.len());
    format!("{media}{size} ({octets} octets)")
}

/// Writes the parts of a message into a folder, and gives the names of their files.
pub(super) fn write(pdu: &Pdu, folder: &Path) -> Result<Vec<String>, CliError> {
    let parts = pdu.body.iter().flat_map(|body| body.parts.clone());
    write_parts(&parts.collect::<Vec<_>>(), folder, true)
}
