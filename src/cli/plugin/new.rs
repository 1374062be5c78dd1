//! `remold plugin new`: a folder that builds to a plugin, everything it needs within.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::{CliError, Exit, io};

/// Begin a plugin
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  remold plugin new --kind image-decoder my-codec
  cd my-codec && cargo build --release
  remold plugin check target/wasm32-unknown-unknown/release/my_codec.wasm --sample photo.ppm")]
pub(super) struct NewArgs {
    /// What it does
    #[arg(long, value_enum)]
    kind: NewKind,
    /// Its name: small letters, digits and hyphens; the folder is called the same
    name: String,
    /// The folder to put it into
    #[arg(long, value_name = "DIR", default_value = ".")]
    folder: PathBuf,
}

/// The kinds that there are templates for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum NewKind {
    /// Reads pictures
    ImageDecoder,
    /// Writes pictures
    ImageEncoder,
    /// Reads sound
    AudioDecoder,
    /// Writes sound
    AudioEncoder,
    /// Reads moving pictures
    VideoDecoder,
    /// Writes moving pictures
    VideoEncoder,
}

impl NewKind {
    const fn source(self) -> &'static str {
        match self {
            Self::ImageDecoder => include_str!("../../../plugins/template/image-decoder.rs"),
            Self::ImageEncoder => include_str!("../../../plugins/template/image-encoder.rs"),
            Self::AudioDecoder => include_str!("../../../plugins/template/audio-decoder.rs"),
            Self::AudioEncoder => include_str!("../../../plugins/template/audio-encoder.rs"),
            Self::VideoDecoder => include_str!("../../../plugins/template/video-decoder.rs"),
            Self::VideoEncoder => include_str!("../../../plugins/template/video-encoder.rs"),
        }
    }
}

macro_rules! files {
    ($($path:literal),+ $(,)?) => {
        [$(($path, include_str!(concat!("../../../plugins/", $path)))),+]
    };
}

/// What every plugin is built with: the kit, and the contract.
const KIT: [(&str, &str); 16] = files![
    "sdk/Cargo.toml",
    "sdk/src/about.rs",
    "sdk/src/audio.rs",
    "sdk/src/bindings.rs",
    "sdk/src/c.rs",
    "sdk/src/image.rs",
    "sdk/src/lib.rs",
    "sdk/src/options.rs",
    "sdk/src/video.rs",
    "wit/remold-codec-0.1.0/audio.wit",
    "wit/remold-codec-0.1.0/host.wit",
    "wit/remold-codec-0.1.0/image.wit",
    "wit/remold-codec-0.1.0/meta.wit",
    "wit/remold-codec-0.1.0/types.wit",
    "wit/remold-codec-0.1.0/video.wit",
    "wit/remold-codec-0.1.0/worlds.wit",
];

/// Runs `remold plugin new`.
pub(super) fn new(args: &NewArgs) -> Result<Exit, CliError> {
    let name = &args.name;
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    if !begins || name.len() > 64 || !name.chars().all(fine) || name.ends_with('-') {
        let message = format!("{name} is no name of a plugin: small letters, digits and hyphens");
        return Err(CliError::new(Exit::Usage, message));
    }
    let root = args.folder.join(name);
    if root.exists() {
        return Err(CliError::new(Exit::Usage, "exists already").in_file(io::shown(&root)));
    }
    write(&root, args)?;
    let file = name.replace('-', "_");
    io::print(format!(
        "{} is begun. Next:\n\n  rustup target add wasm32-unknown-unknown\n  cd {}\n  cargo build \
         --release\n  remold plugin check target/wasm32-unknown-unknown/release/{file}.wasm --sample \
         FILE\n",
        name,
        root.display(),
    ))?;
    Ok(Exit::Done)
}

fn write(root: &Path, args: &NewArgs) -> Result<(), CliError> {
    let named = |text: &str| text.replace("NAME", &args.name);
    let own = [
        (
            "Cargo.toml",
            named(include_str!("../../../plugins/template/Cargo.toml")),
        ),
        (
            ".cargo/config.toml",
            include_str!("../../../plugins/template/cargo-config.toml").to_owned(),
        ),
        (
            ".gitignore",
            include_str!("../../../plugins/template/gitignore").to_owned(),
        ),
        ("src/lib.rs", named(args.kind.source())),
    ];
    for (path, text) in own {
        put(&root.join(path), &text)?;
    }
    for (path, text) in KIT {
        put(&root.join("remold-plugin").join(path), text)?;
    }
    Ok(())
}

fn put(path: &Path, text: &str) -> Result<(), CliError> {
    let failed = |error: std::io::Error| {
        let message = format!("cannot be written: {error}");
        CliError::new(Exit::Internal, message).in_file(io::shown(path))
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(path, text).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(name: &str, kind: NewKind) -> NewArgs {
        let folder = std::env::temp_dir().join(format!("remold-new-{}", std::process::id()));
        NewArgs {
            kind,
            name: name.to_owned(),
            folder,
        }
    }

    #[test]
    fn a_folder_has_all_it_needs_and_is_never_overwritten() {
        for (name, kind) in [
            ("one-a", NewKind::ImageDecoder),
            ("one-b", NewKind::ImageEncoder),
            ("one-c", NewKind::AudioDecoder),
            ("one-d", NewKind::AudioEncoder),
            ("one-e", NewKind::VideoDecoder),
            ("one-f", NewKind::VideoEncoder),
        ] {
            let args = args(name, kind);
            let root = args.folder.join(name);
            let _ = fs::remove_dir_all(&root);
            assert_eq!(new(&args).unwrap(), Exit::Done);
            let source = fs::read_to_string(root.join("src/lib.rs")).unwrap();
            assert!(source.contains(&format!("name: \"{name}\"")) && !source.contains("NAME"));
            let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
            assert!(manifest.contains("remold-plugin/sdk"), "{manifest}");
            for file in ["sdk/Cargo.toml", "wit/remold-codec-0.1.0/worlds.wit"] {
                assert!(root.join("remold-plugin").join(file).is_file(), "{file}");
            }
            assert_eq!(new(&args).unwrap_err().exit, Exit::Usage);
            fs::remove_dir_all(root).unwrap();
        }
    }

    #[test]
    fn the_kit_is_the_whole_folder() {
        let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins");
        let mut files = Vec::new();
        for folder in ["sdk/src", "wit/remold-codec-0.1.0"] {
            for entry in fs::read_dir(plugins.join(folder)).unwrap() {
                let name = entry.unwrap().file_name();
                files.push(format!("{folder}/{}", name.to_string_lossy()));
            }
        }
        for file in files {
            let known = KIT.iter().any(|(path, _)| *path == file);
            assert!(known, "{file} is not in the kit");
        }
    }

    #[test]
    fn names_that_are_no_names_are_refused() {
        for name in ["", "../x", "A", "1a", "a-", "a b"] {
            let error = new(&args(name, NewKind::ImageDecoder)).unwrap_err();
            assert_eq!(error.exit, Exit::Usage, "{name}");
        }
    }
}
