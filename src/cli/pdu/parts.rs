//! Part files: names from a message never become paths.

use std::fs;
use std::path::Path;

use crate::cli::io::write_output_atomic;
use crate::cli::{CliError, Exit};
use crate::mms::Part;

/// Characters of a name that are kept.
const LONGEST: usize = 64;

/// Writes each part into `folder` and gives the files' names.
pub(in crate::cli) fn write(
    parts: &[Part],
    folder: &Path,
    force: bool,
) -> Result<Vec<String>, CliError> {
    fs::create_dir_all(folder).map_err(|error| {
        let message = format!("cannot be made: {error}");
        CliError::new(Exit::Internal, message).in_file(folder.display().to_string())
    })?;
    parts
        .iter()
        .enumerate()
        .map(|(index, part)| {
            let name = file_name(index, part);
            write_output_atomic(&folder.join(&name), &part.data, force)?;
            Ok(name)
        })
        .collect()
}

/// The index of the part, then as much of its name as is safe: letters, digits, `.`, `-` and `_`.
fn file_name(index: usize, part: &Part) -> String {
    let given = part.name().unwrap_or_default();
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let safe = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name: String = last
        .trim_start_matches('.')
        .chars()
        .map(|c| if safe(c) { c } else { '_' })
        .take(LONGEST)
        .collect();
    let name = name.trim_end_matches('.');
    let has_extension = name
        .rsplit_once('.')
        .is_some_and(|(stem, extension)| !stem.is_empty() && extension.len() <= 5);
    let extension = if has_extension { "" } else { extension(part) };
    if name.is_empty() {
        format!("{index}{extension}")
    } else {
        format!("{index}-{name}{extension}")
    }
}

/// The usual extension of a type, with its dot.
fn extension(part: &Part) -> &'static str {
    match part.content_type.essence().as_str() {
        "application/smil" | "application/smil+xml" => ".smil",
        "text/plain" => ".txt",
        "text/x-vcard" | "text/vcard" => ".vcf",
        "text/x-vcalendar" | "text/calendar" => ".ics",
        "image/jpeg" | "image/jpg" => ".jpg",
        "image/gif" => ".gif",
        "image/png" => ".png",
        "image/vnd.wap.wbmp" => ".wbmp",
        "image/webp" => ".webp",
        "audio/amr" | "audio/x-amr" => ".amr",
        "audio/mpeg" | "audio/mp3" => ".mp3",
        "audio/mp4" => ".m4a",
        "video/3gpp" | "video/3gp" | "audio/3gpp" => ".3gp",
        "video/mp4" => ".mp4",
        "application/vnd.wap.mms-message" => ".mms",
        _ => ".bin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mms::ContentType;

    fn name(given: Option<&str>, media: &str) -> String {
        let mut part = Part::new(ContentType::new(media), "x");
        part.content_location = given.map(str::to_owned);
        file_name(3, &part)
    }

    #[test]
    fn a_name_from_a_message_never_leaves_the_folder() {
        for (given, want) in [
            ("a.jpg", "3-a.jpg"),
            ("/tmp/phpA1", "3-phpA1.jpg"),
            ("../../etc/passwd", "3-passwd.jpg"),
            ("..\\..\\boot.ini", "3-boot.ini"),
            ("..", "3.jpg"),
            (".bashrc", "3-bashrc.jpg"),
            ("a\0b: c*.jpg", "3-a_b__c_.jpg"),
            ("größe.jpeg", "3-größe.jpeg"),
            ("", "3.jpg"),
            ("-rf", "3--rf.jpg"),
        ] {
            assert_eq!(name(Some(given), "image/jpeg"), want, "{given:?}");
        }
        assert_eq!(name(None, "application/smil"), "3.smil");
        assert_eq!(name(None, "x/y"), "3.bin");
        assert!(name(Some(&"long".repeat(1000)), "x/y").len() < 80);
    }

    #[test]
    fn existing_part_files_are_kept() {
        let folder = std::env::temp_dir().join(format!("remold-parts-{}", std::process::id()));
        let parts = [Part::new(ContentType::new("text/plain"), "one")];
        assert_eq!(write(&parts, &folder, false).unwrap(), ["0.txt"]);
        assert_eq!(write(&parts, &folder, false).unwrap_err().exit, Exit::Usage);
        assert!(write(&parts, &folder, true).is_ok());
        fs::remove_dir_all(folder).unwrap();
    }
}
