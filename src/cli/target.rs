//! The options that say for which device a message is meant.

use std::path::{Path, PathBuf};

use super::io::{read_input, shown};
use super::{CliError, Exit};
use crate::dimensions::Dimensions;
use crate::limits::Limits;
use crate::profile::facts::parse_dimensions;
use crate::profile::resolve::{Overrides, Resolution, UaProfError, resolve};
use crate::profile::{Class, Operator, ProfileError};

/// Octets of a class, overlay or capabilities file that is read.
const MAX_TEXT: usize = 1 << 20;

/// Which device to fit. Without any of these: the class `safe`.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Target")]
pub(crate) struct TargetArgs {
    /// A class or a device of the database, such as `s40-gen1` or `nokia-6100`
    #[arg(long, value_name = "ID", conflicts_with_all = ["uaprof", "caps", "headers"])]
    pub(super) device: Option<String>,
    /// A UAProf document
    #[arg(long, value_name = "FILE", conflicts_with_all = ["caps", "headers"])]
    pub(super) uaprof: Option<PathBuf>,
    /// Capabilities as `remold profile show --json` prints them; every field may be missing
    #[arg(long, value_name = "FILE.json", conflicts_with = "headers")]
    pub(super) caps: Option<PathBuf>,
    /// A header of the device's request, such as 'User-Agent: Nokia6100/1.0'; may be repeated
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = parse_header)]
    pub(super) headers: Vec<(String, String)>,
    /// Lay an operator's limits over the device: an id such as `att`, a network code such as
    /// 310410, or a TOML file
    #[arg(long, value_name = "ID|FILE.toml")]
    pub(super) operator: Option<String>,
    /// Octets of the whole message, whatever the device says
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) max_size: Option<u64>,
    /// Box for pictures, whatever the device says
    #[arg(long, value_name = "WxH", value_parser = parse_box)]
    pub(super) max_image: Option<Dimensions>,
    /// Media types the device takes, whatever it says itself
    #[arg(long, value_name = "TYPE,…", value_delimiter = ',')]
    pub(super) accept: Option<Vec<String>>,
}

impl TargetArgs {
    /// The device these options mean, with every capability known.
    ///
    /// # Errors
    ///
    /// An unknown id, a file that cannot be read or does not describe a device.
    pub(crate) fn resolve(&self, limits: &Limits) -> Result<Resolution, CliError> {
        let mut found = self.device(limits)?;
        if let Some(id) = &self.operator {
            found.apply_operator(&operator(id)?);
        }
        found.apply_overrides(&Overrides {
            max_message_size: self.max_size,
            max_image: self.max_image,
            accept: self.accept.clone(),
        });
        Ok(found)
    }

    fn device(&self, limits: &Limits) -> Result<Resolution, CliError> {
        if let Some(id) = &self.device {
            return Resolution::by_id(id).map_err(profile_error);
        }
        if let Some(path) = &self.uaprof {
            return uaprof_file(path, limits);
        }
        if let Some(path) = &self.caps {
            return caps_file(path);
        }
        if !self.headers.is_empty() {
            return resolve(&self.headers, limits).map_err(profile_error);
        }
        Resolution::safe().map_err(profile_error)
    }
}

/// The device a UAProf document describes.
pub(crate) fn uaprof_file(path: &Path, limits: &Limits) -> Result<Resolution, CliError> {
    let octets = read_input(path, limits.xml_bytes)?;
    Resolution::from_uaprof(&octets, limits).map_err(|error| match error {
        UaProfError::Document(error) => CliError::new(Exit::Undecodable, error.kind.to_string())
            .in_file(shown(path))
            .at(error.offset),
        UaProfError::Profile(error) => profile_error(error),
    })
}

/// The device that a file of capabilities in JSON describes.
pub(crate) fn caps_file(path: &Path) -> Result<Resolution, CliError> {
    Resolution::from_caps_json(&read_text(path)?)
        .map_err(|error| profile_error(error).in_file(shown(path)))
}

/// The class that a TOML file describes; it goes by the file's name.
pub(crate) fn class_file(path: &Path) -> Result<Resolution, CliError> {
    Class::from_toml(&stem(path), &read_text(path)?)
        .and_then(|class| Resolution::from_class(&class))
        .map_err(|error| profile_error(error).in_file(shown(path)))
}

/// The shipped operator with this id, or the overlay in this TOML file.
fn operator(id: &str) -> Result<Operator, CliError> {
    let path = Path::new(id);
    if path
        .extension()
        .is_some_and(|extension| extension == "toml")
    {
        return Operator::from_toml(&stem(path), &read_text(path)?)
            .map_err(|error| profile_error(error).in_file(shown(path)));
    }
    Operator::by_id(id).map_err(profile_error)
}

fn read_text(path: &Path) -> Result<String, CliError> {
    let octets = read_input(path, MAX_TEXT)?;
    std::str::from_utf8(&octets)
        .map(str::to_owned)
        .map_err(|error| {
            CliError::new(Exit::Undecodable, "not UTF-8")
                .in_file(shown(path))
                .at(error.valid_up_to())
        })
}

/// The name of a file without its extension.
pub(super) fn stem(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The error of a command whose device could not be described.
pub(crate) fn profile_error(error: ProfileError) -> CliError {
    let (exit, offset) = match &error {
        ProfileError::UnknownId { .. } | ProfileError::UnknownOperator(_) => (Exit::Usage, None),
        ProfileError::Database(_) => (Exit::Internal, None),
        ProfileError::Toml { offset, .. } => (Exit::Config, *offset),
        _ => (Exit::Undecodable, None),
    };
    let mut result = CliError::new(exit, error.to_string());
    result.offset = offset;
    result
}

/// Reads `Name: value`.
pub(crate) fn parse_header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("a header is written 'Name: value'".to_owned()),
    }
}

/// Reads `WIDTHxHEIGHT`.
pub(super) fn parse_box(text: &str) -> Result<Dimensions, String> {
    parse_dimensions(text)
        .filter(|size| size.width > 0 && size.height > 0)
        .ok_or_else(|| "a size is written WIDTHxHEIGHT, such as 640x480".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        target: TargetArgs,
    }

    fn resolve(args: &[&str]) -> Result<Resolution, CliError> {
        let line = Line::try_parse_from([&["remold"], args].concat()).unwrap();
        line.target.resolve(&Limits::default())
    }

    #[test]
    fn nothing_given_is_safe() {
        assert_eq!(resolve(&[]).unwrap().capabilities.id, "safe");
    }

    #[test]
    fn overrides_lie_over_the_device() {
        let found = resolve(&[
            "--device",
            "s40-gen1",
            "--max-size",
            "1000",
            "--max-image",
            "10x20",
            "--accept",
            "image/gif,audio/amr",
        ])
        .unwrap()
        .capabilities;
        assert_eq!(found.max_message_size.as_ref().unwrap().value, 1000);
        assert_eq!(
            found.max_image.as_ref().unwrap().value,
            Dimensions::new(10, 20)
        );
        assert_eq!(found.accept.as_ref().unwrap().value.len(), 2);
    }

    #[test]
    fn headers_and_operators_find_their_device() {
        let header = "X-Wap-Profile: http://www.apple.com/mms/uaprof.rdf";
        let found = resolve(&["--header", header, "--operator", "310410"])
            .unwrap()
            .capabilities;
        assert_eq!(found.id, "ios-generic");
        assert_eq!(found.max_message_size.unwrap().value, 1_048_576);
        assert_eq!(
            resolve(&["--operator", "nobody"]).unwrap_err().exit,
            Exit::Usage
        );
        assert_eq!(
            resolve(&["--uaprof", "no/such/file"]).unwrap_err().exit,
            Exit::Internal
        );
    }

    #[test]
    fn an_unknown_id_is_wrong_usage() {
        assert_eq!(
            resolve(&["--device", "no-such-phone"]).unwrap_err().exit,
            Exit::Usage
        );
    }

    #[test]
    fn only_one_way_to_name_the_device() {
        for args in [
            ["--device", "safe", "--caps", "f"],
            ["--uaprof", "f", "--header", "A: b"],
            ["--max-image", "0x5", "--device", "safe"],
            ["--header", "no colon", "--max-size", "5"],
        ] {
            assert!(
                Line::try_parse_from([&["remold"][..], &args].concat()).is_err(),
                "{args:?}"
            );
        }
    }
}
