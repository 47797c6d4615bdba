//! A local SSH server for files over SFTP, if one is installed.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that runs until this value is dropped, for the user of this process only.
pub(crate) struct Sftp {
    server: Child,
    port: u16,
    user: String,
    directory: tempfile::TempDir,
}

/// The directories of system programs, which are not in every `PATH`.
const SYSTEM: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/sbin"];

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).chain(SYSTEM.map(PathBuf::from));
    directories.map(|directory| directory.join(program)).find(|file| file.is_file())
}

fn run(program: &Path, arguments: &[&str]) -> Result<String, String> {
    let said = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let said = said.map_err(|error| format!("{} can't be run: {error}", program.display()))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if said.status.success() {
        Ok(text(&said.stdout))
    } else {
        Err(format!("{} fails: {}", program.display(), text(&said.stderr)))
    }
}

impl Sftp {
    /// Starts a server, or returns why there is none.
    pub(crate) fn start() -> Result<Self, String> {
        let program = |name| find(name).ok_or_else(|| format!("there is no '{name}' here"));
        let (sshd, keygen) = (program("sshd")?, program("ssh-keygen")?);
        program("ssh")?;
        let user = run(&program("id")?, &["-un"])?;
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path();
        for key in ["host", "user"] {
            let file = top.join(key);
            run(&keygen, &["-q", "-t", "ed25519", "-N", "", "-f", file.to_str().unwrap()])?;
        }
        std::fs::copy(top.join("user.pub"), top.join("authorized")).unwrap();
        std::fs::create_dir(top.join("files")).unwrap();
        std::fs::set_permissions(top, std::fs::Permissions::from_mode(0o700)).unwrap();
        if user == "root" {
            // The server of the system has its empty directory here too.
            let _ = std::fs::create_dir_all("/run/sshd");
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {0}/host\nAuthorizedKeysFile {0}/authorized\n\
             PidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin yes\n\
             PasswordAuthentication no\nSubsystem sftp internal-sftp\nMaxSessions 100\n\
             MaxStartups 100\n",
            top.display()
        );
        let file = top.join("config");
        std::fs::write(&file, config).unwrap();
        run(&sshd, &["-t", "-f", file.to_str().unwrap()])?;
        let server = Command::new(&sshd)
            .args(["-D", "-e", "-f"])
            .arg(&file)
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(top.join("log")).unwrap())
            .spawn()
            .map_err(|error| format!("sshd can't be started: {error}"))?;
        let mut sftp = Sftp { server, port, user, directory };
        sftp.wait()?;
        Ok(sftp)
    }

    fn wait(&mut self) -> Result<(), String> {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.server.try_wait().unwrap();
            if ended.is_some() || start.elapsed() > Duration::from_secs(10) {
                let log = std::fs::read_to_string(self.directory.path().join("log"));
                return Err(format!("sshd does not listen: {}", log.unwrap_or_default().trim()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The file of the key that it accepts.
    pub(crate) fn key(&self) -> String {
        self.directory.path().join("user").display().to_string()
    }

    /// The directory that URIs begin at.
    pub(crate) fn files(&self) -> PathBuf {
        self.directory.path().join("files")
    }

    /// The URI of a directory on it.
    pub(crate) fn uri(&self, prefix: &str) -> String {
        let top = self.directory.path().display();
        format!(
            "sftp://{}@127.0.0.1:{}{top}/files/{prefix}?key={top}/user&known_hosts_strategy=accept",
            self.user, self.port
        )
    }
}

impl Drop for Sftp {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
