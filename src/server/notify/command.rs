//! A program of the operator, run for each push.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::hex;
use crate::relay::{Notice, Notifier, NotifyError};

/// Time a command has.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The exit code by which a command says that there is no such number: EX_NOUSER of sysexits.h.
const NO_USER: i32 = 67;

/// Runs a command for each push. Its environment holds `REMOLD_NUMBER`, `REMOLD_PUSH` (the WSP
/// push in hexadecimal), `REMOLD_MESSAGE_ID` and, for a notification, `REMOLD_URL`. Exit code 0
/// means taken, 67 that there is no such number, any other that it should be tried again.
#[derive(Debug, Clone)]
pub struct Hook {
    command: Vec<String>,
    timeout: Duration,
}

impl Hook {
    /// A program and its arguments.
    #[must_use]
    pub fn new(command: Vec<String>) -> Self {
        Self {
            command,
            timeout: TIMEOUT,
        }
    }
}

impl Notifier for Hook {
    fn push(&self, notice: &Notice<'_>) -> Result<(), NotifyError> {
        let Some((program, args)) = self.command.split_first() else {
            return Err(NotifyError::Temporary("there is no command".to_owned()));
        };
        let mut command = Command::new(program);
        command
            .args(args)
            .env("REMOLD_NUMBER", notice.number.as_str())
            .env("REMOLD_PUSH", hex(notice.push))
            .env("REMOLD_MESSAGE_ID", notice.message_id)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        if let Some(url) = notice.url {
            command.env("REMOLD_URL", url);
        }
        let status = command
            .spawn()
            .and_then(|mut child| wait(&mut child, self.timeout))
            .map_err(|error| NotifyError::Temporary(format!("{program}: {error}")))?;
        match status.code() {
            Some(0) => Ok(()),
            Some(NO_USER) => Err(NotifyError::Permanent(format!("{program}: {status}"))),
            _ => Err(NotifyError::Temporary(format!("{program}: {status}"))),
        }
    }
}

/// Waits for a command, and ends it when its time is over.
fn wait(child: &mut Child, timeout: Duration) -> std::io::Result<ExitStatus> {
    let started = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if started.elapsed() >= timeout {
            child.kill()?;
            child.wait()?;
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(pause);
        pause = pause.saturating_mul(2).min(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mms::address::Msisdn;

    fn run(script: &str, timeout: Duration) -> Result<(), NotifyError> {
        let number = Msisdn::parse("+15550000002").unwrap();
        let hook = Hook {
            command: ["sh", "-c", script].map(str::to_owned).to_vec(),
            timeout,
        };
        hook.push(&Notice {
            message_id: "m1",
            number: &number,
            push: &[0x00, 0x06, 0xFF],
            url: Some("http://a.example/m/1"),
        })
    }

    #[test]
    fn a_command_is_told_everything_and_says_what_became_of_it() {
        let told = r#"test "$REMOLD_NUMBER $REMOLD_PUSH $REMOLD_MESSAGE_ID $REMOLD_URL" = \
            "+15550000002 0006ff m1 http://a.example/m/1""#;
        assert_eq!(run(told, TIMEOUT), Ok(()));
        assert!(matches!(
            run("exit 1", TIMEOUT),
            Err(NotifyError::Temporary(_))
        ));
        assert!(matches!(
            run("exit 67", TIMEOUT),
            Err(NotifyError::Permanent(_))
        ));
    }

    #[test]
    fn a_command_that_hangs_is_ended() {
        let started = Instant::now();
        let result = run("exec sleep 60", Duration::from_millis(100));
        assert!(matches!(result, Err(NotifyError::Temporary(_))));
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}
