//! A PostgreSQL server of a test's own: in a folder that goes, on a Unix socket that nobody else
//! knows of. It needs the programs of Debian's package `postgresql`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A server that runs until this is dropped, or the process ends.
pub(crate) struct Postgres {
    folder: PathBuf,
    programs: PathBuf,
    keeper: Child,
    databases: AtomicU32,
}

/// Ends the server and deletes its folder when the test that started it is gone, however it went.
const KEEPER: &str = "read -r line; \"$1/pg_ctl\" -D \"$2/data\" -m immediate stop >/dev/null 2>&1; \
    rm -rf \"$2\"";

impl Postgres {
    /// Starts a server; `None`, with a line that says why, where PostgreSQL is not installed.
    /// `durable` is whether it syncs its disk.
    pub(crate) fn start(name: &str, durable: bool) -> Option<Self> {
        let Some(programs) = programs() else {
            println!("skipped: PostgreSQL is not installed");
            return None;
        };
        // Never the folder of a server that is being taken down, which its keeper deletes last.
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("remold-pg-{}-{name}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let own = run(Command::new("chown").arg("postgres").arg(&folder));
        if is_root() && !own {
            println!("skipped: PostgreSQL does not run as root, and there is no user for it");
            return None;
        }
        let keeper = unprivileged("sh")
            .args(["-c", KEEPER, "sh"])
            .args([&programs, &folder])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self {
            folder,
            programs,
            keeper,
            databases: AtomicU32::new(0),
        };
        let data = server.folder.join("data");
        let mut initdb = server.program("initdb");
        initdb.args([
            "-A",
            "trust",
            "-U",
            "remold",
            "-N",
            "-E",
            "UTF8",
            "--locale=C",
            "-D",
        ]);
        let output = initdb.arg(&data).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "initdb: {told}");
        let settings = format!(
            "listen_addresses = ''\nunix_socket_directories = '{}'\nmax_connections = 200\n\
             fsync = {}\nsynchronous_commit = on\nshared_buffers = 64MB\n",
            server.folder.display(),
            if durable { "on" } else { "off" },
        );
        let mut file = std::fs::File::options()
            .append(true)
            .open(data.join("postgresql.conf"))
            .unwrap();
        file.write_all(settings.as_bytes()).unwrap();
        server.resume();
        Some(server)
    }

    /// URL of a new and empty database.
    pub(crate) fn database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test{number}");
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    fn url(&self, name: &str) -> String {
        let host = self.folder.display().to_string().replace('/', "%2F");
        format!("postgresql://remold@{host}/{name}?sslmode=disable")
    }

    /// What a statement gives, a line for each row.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> String {
        let output = self
            .program("psql")
            .args([
                "-X", "-q", "-A", "-t", "-U", "remold", "-d", database, "-c", sql, "-h",
            ])
            .arg(&self.folder)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{sql}: {told}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Stops the server as an operator would in a hurry: connections are cut.
    pub(crate) fn pause(&self) {
        assert!(self.control(&["-m", "fast", "stop"]));
    }

    /// Starts it again.
    pub(crate) fn resume(&self) {
        let log = self.folder.join("log");
        assert!(self.control(&["-l", &log.display().to_string(), "start"]));
    }

    fn control(&self, args: &[&str]) -> bool {
        let mut command = self.program("pg_ctl");
        run(command
            .arg("-w")
            .arg("-D")
            .arg(self.folder.join("data"))
            .args(args))
    }

    fn program(&self, name: &str) -> Command {
        let mut command = unprivileged(self.programs.join(name));
        command.current_dir("/");
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Where the programs are: the latest version's, or those of the search path.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok();
    let mut found: Vec<PathBuf> = versions
        .into_iter()
        .flatten()
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .collect();
    found.sort();
    found.reverse();
    let path = std::env::var_os("PATH").unwrap_or_default();
    found.extend(std::env::split_paths(&path));
    found.into_iter().find(|folder| {
        let all = ["initdb", "pg_ctl", "psql"];
        all.iter().all(|program| folder.join(program).is_file())
    })
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| {
        use std::os::unix::fs::MetadataExt;
        own.uid() == 0
    })
}

/// A command that does not run as root.
fn unprivileged(program: impl AsRef<Path>) -> Command {
    let program = program.as_ref();
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
        .arg(program);
    command
}

/// Whether a command did what it should.
fn run(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
