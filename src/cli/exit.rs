//! Exit codes and the errors behind them.

use std::process::ExitCode;

/// How a command ended. The discriminant is the process's exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// What was asked for is done.
    Done = 0,
    /// Something failed that is nobody's input: a file system error, a bug.
    Internal = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// The message was refused; in a batch, some inputs failed.
    Refused = 3,
    /// There was nothing to do.
    Nothing = 4,
    /// A configuration or profile file is invalid.
    Config = 5,
    /// The input could not be decoded.
    Undecodable = 6,
    /// Interrupted by a signal.
    Interrupted = 130,
}

impl Exit {
    /// The exit code of the process.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Internal => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Nothing => 4,
            Self::Config => 5,
            Self::Undecodable => 6,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// An error that ends a command: printed as `remold: FILE: WHAT (at byte N)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CliError {
    /// The exit code.
    pub exit: Exit,
    /// The file at fault, if one is.
    pub file: Option<String>,
    /// What is wrong, on one line, without a full stop.
    pub message: String,
    /// Octet of the input at which it is wrong.
    pub offset: Option<usize>,
    /// Print as JSON instead of a line of text.
    pub json: bool,
}

impl CliError {
    /// An error with no file and no offset.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            file: None,
            message: message.into(),
            offset: None,
            json: false,
        }
    }

    /// The same error, about `file`.
    #[must_use]
    pub fn in_file(mut self, file: impl Into<String>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// The same error, at an octet of the input.
    #[must_use]
    pub fn at(mut self, offset: usize) -> Self {
        self.offset = Some(offset);
        self
    }

    /// The same error, printed as JSON where `json` is set.
    #[must_use]
    pub fn as_json(mut self, json: bool) -> Self {
        self.json = json;
        self
    }

    /// Prints the error on stderr and gives its exit code.
    pub fn report(&self) -> Exit {
        if self.json {
            let error = serde_json::json!({
                "error": { "code": ExitName(self.exit).name(), "message": self.message, "offset": self.offset }
            });
            eprintln!("{error}");
        } else {
            eprintln!("remold: {self}");
        }
        self.exit
    }
}

impl std::fmt::Display for CliError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}: ")?;
        }
        f.write_str(&self.message.replace(['\n', '\r'], " "))?;
        match self.offset {
            Some(offset) => write!(f, " (at byte {offset})"),
            None => Ok(()),
        }
    }
}

struct ExitName(Exit);

impl ExitName {
    const fn name(self) -> &'static str {
        match self.0 {
            Exit::Done => "done",
            Exit::Internal => "internal",
            Exit::Usage => "usage",
            Exit::Refused => "refused",
            Exit::Nothing => "nothing-to-do",
            Exit::Config => "config",
            Exit::Undecodable => "undecodable",
            Exit::Interrupted => "interrupted",
        }
    }
}
