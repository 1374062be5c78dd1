//! The options that switch codecs on and off.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{CliError, Exit, io};
use crate::limits::Limits;
use crate::media::Registry;
use crate::media::audio::Soundfont;
use crate::media::registry::BUILTIN;

/// Which codecs may be used.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Codecs")]
pub(crate) struct CodecArgs {
    /// Switch a codec on that is off, such as rav1d, which decodes AV1; may be repeated
    #[arg(long, value_name = "CODEC")]
    enable: Vec<String>,
    /// Switch a codec off, by its name; may be repeated
    #[arg(long, value_name = "CODEC")]
    disable: Vec<String>,
    /// Use the plugins of this folder, too
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
    /// Make sound of MIDI, iMelody and RTTTL for devices that do not play them, with the instruments
    /// of this soundfont (SF2)
    #[arg(long, value_name = "FILE.sf2")]
    soundfont: Option<PathBuf>,
}

impl CodecArgs {
    /// The built-in codecs and those of plugins, switched as these options say. A plugin that cannot
    /// be used is a warning on stderr.
    ///
    /// # Errors
    ///
    /// [`Exit::Usage`] for a name that no codec has; the message lists those there are.
    pub(crate) fn registry(&self) -> Result<Registry, CliError> {
        let mut registry = Registry::builtin();
        if let Some(folder) = &self.plugins {
            super::plugin::register(folder, &mut registry)?;
        }
        if let Some(file) = &self.soundfont {
            register_soundfont(file, &mut registry)?;
        }
        let on = self.enable.iter().map(|name| (name, true));
        let off = self.disable.iter().map(|name| (name, false));
        for (name, enabled) in on.chain(off) {
            if !registry.set_enabled(name, enabled) {
                let names: Vec<String> = registry.names().into_keys().collect();
                let message = format!("no codec is called {name}; there are {}", names.join(", "));
                return Err(CliError::new(Exit::Usage, message));
            }
        }
        Ok(registry)
    }
}

/// Adds the player of melodies that has the instruments of this file.
fn register_soundfont(file: &Path, registry: &mut Registry) -> Result<(), CliError> {
    let limits = Limits::default();
    let octets = io::read_input(file, limits.soundfont_bytes)?;
    let font = Soundfont::read(&octets, &limits).map_err(|error| {
        CliError::new(Exit::Undecodable, error.to_string()).in_file(io::shown(file))
    })?;
    registry.add_audio_decoder(BUILTIN, Arc::new(font));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Format;

    #[test]
    fn codecs_are_switched_by_name_and_unknown_names_are_listed() {
        let mut args = CodecArgs {
            disable: vec!["gif".to_owned()],
            ..CodecArgs::default()
        };
        let all = Registry::builtin().names();
        assert!(all.len() >= 4 && all.contains_key("gif"), "{all:?}");
        assert!(!args.registry().unwrap().encodes(Format::Gif));
        args.enable.push("no-such".to_owned());
        let error = args.registry().unwrap_err();
        assert_eq!(error.exit, Exit::Usage);
        assert!(error.message.contains("no-such") && error.message.contains("gif"));
    }
}
