//! The SFTP connection: one `ssh` process as a child of this process.
//!
//! The child is connected only by pipes: no control socket, no master in the background. However
//! this process ends, the pipes close and `ssh` ends too.

use std::io::ErrorKind as IoKind;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use openssh_sftp_client::error::{Error as SftpError, SftpErrorKind};
use openssh_sftp_client::{Sftp, SftpOptions};
use tokio::net::unix::pipe;

use super::object_store::Failure;
use super::service_error::{Hidden, clean};
use crate::error::{Error, ErrorKind, Result};

/// The time that `ssh` has to end by itself after its input is closed.
const END: Duration = Duration::from_secs(1);
/// The maximum number of bytes to keep of the messages of `ssh`.
const MAX_MESSAGES: usize = 4096;

/// The host and the user to connect as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SshTarget {
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) user: Option<String>,
    /// The file of the private key.
    pub(super) key: Option<String>,
    pub(super) host_keys: HostKeys,
}

/// The host keys to accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HostKeys {
    /// Only keys in `known_hosts`.
    Known,
    /// Also keys of hosts that are not in `known_hosts`, which are added to it.
    New,
    /// All keys.
    Any,
}

impl HostKeys {
    /// Parses the value of the option `known_hosts_strategy`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().as_str() {
            "strict" => Ok(HostKeys::Known),
            "add" => Ok(HostKeys::New),
            "accept" => Ok(HostKeys::Any),
            _ => Err(Error::invalid("the option 'known_hosts_strategy' has an unknown value")
                .with_hint("write strict, add or accept")),
        }
    }

    fn option(self) -> &'static str {
        match self {
            HostKeys::Known => "StrictHostKeyChecking=yes",
            HostKeys::New => "StrictHostKeyChecking=accept-new",
            HostKeys::Any => "StrictHostKeyChecking=no",
        }
    }
}

impl SshTarget {
    /// The arguments of the `ssh` command.
    fn arguments(&self, answer_timeout: Duration) -> Vec<String> {
        let mut words: Vec<String> = ["-T", "-a", "-x"].map(str::to_owned).to_vec();
        let mut option = |text: &str| words.extend(["-o".to_owned(), text.to_owned()]);
        // Override the user's settings: no prompts, no background processes, no forwarding. A
        // master that the user started is used.
        for text in [
            "BatchMode=yes",
            "ControlMaster=no",
            "ControlPersist=no",
            "ClearAllForwardings=yes",
            "PermitLocalCommand=no",
            "RemoteCommand=none",
            // If the network fails, ssh detects it within a minute.
            "ServerAliveInterval=15",
            "ServerAliveCountMax=3",
            self.host_keys.option(),
        ] {
            option(text);
        }
        option(&format!("ConnectTimeout={}", answer_timeout.as_secs().max(1)));
        if self.key.is_some() {
            option("IdentitiesOnly=yes");
        }
        if let Some(port) = self.port {
            words.extend(["-p".to_owned(), port.to_string()]);
        }
        for (flag, value) in [("-l", &self.user), ("-i", &self.key)] {
            words.extend(value.iter().flat_map(|value| [flag.to_owned(), value.clone()]));
        }
        words.extend(["-s", "--", &self.host, "sftp"].map(str::to_owned));
        words
    }

    /// The command with which the user can test the connection.
    fn command(&self) -> String {
        let port = self.port.map(|port| format!("-P {port} ")).unwrap_or_default();
        let key = self.key.as_ref().map(|key| format!("-i {key} ")).unwrap_or_default();
        let user = self.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        format!("sftp {port}{key}{user}{}", self.host)
    }
}

/// A connection to an SFTP server. Dropping it ends the `ssh` process.
pub(super) struct SshConnection {
    /// `None` only during drop.
    sftp: Option<Sftp>,
    child: Mutex<Child>,
    messages: Messages,
}

/// The messages that `ssh` printed.
#[derive(Clone, Default)]
struct Messages(Arc<Mutex<Vec<u8>>>);

impl Messages {
    /// Collects the messages from `pipe` until it ends.
    async fn collect(self, pipe: pipe::Receiver) {
        let mut buffer = [0; 512];
        while pipe.readable().await.is_ok() {
            match pipe.try_read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => {
                    let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                    let room = MAX_MESSAGES.saturating_sub(kept.len()).min(length);
                    kept.extend_from_slice(&buffer[..room]);
                }
                Err(error) if error.kind() == IoKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }

    fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept).into_owned()
    }
}

impl SshConnection {
    /// Starts `ssh` and waits until the SFTP server answers.
    pub(super) async fn open(
        target: &SshTarget,
        answer_timeout: Duration,
    ) -> Result<Self, Failure> {
        let mut command = Command::new("ssh");
        command
            .args(target.arguments(answer_timeout))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A separate process group, so that an interrupt from the terminal reaches only this
            // process, which still has to clean up.
            .process_group(0);
        let mut child = command.spawn().map_err(|error| Failure::Permanent(no_ssh(error)))?;
        let pipes = match pipes(&mut child) {
            Ok(pipes) => pipes,
            Err(error) => {
                end(&mut child, Duration::ZERO);
                return Err(Failure::Temporary(no_ssh(error)));
            }
        };
        let (input, output, errors) = pipes;
        let messages = Messages::default();
        let collected = tokio::spawn(messages.clone().collect(errors));
        let opened = Sftp::new(input, output, SftpOptions::new());
        let opened = tokio::time::timeout(answer_timeout, opened).await;
        match opened {
            Ok(Ok(sftp)) => {
                Ok(SshConnection { sftp: Some(sftp), child: Mutex::new(child), messages })
            }
            Ok(Err(error)) => {
                // The reason arrives over another pipe.
                let _ = tokio::time::timeout(END, collected).await;
                end(&mut child, Duration::ZERO);
                Err(refused(target, &messages.text(), &error.to_string()))
            }
            Err(_) => {
                end(&mut child, Duration::ZERO);
                Err(refused(target, &messages.text(), "the SFTP server does not answer"))
            }
        }
    }

    /// The client for requests.
    pub(super) fn sftp(&self) -> &Sftp {
        self.sftp.as_ref().expect("because only drop takes it")
    }

    /// Converts the error of a request for `key`. Also returns true if the connection is lost.
    pub(super) fn failure(&self, action: &str, key: &str, error: &SftpError) -> (Failure, bool) {
        let SftpError::SftpError(kind, message) = error else {
            let messages = self.messages.text();
            let reason = if messages.trim().is_empty() { error.to_string() } else { messages };
            return (lost(action, key, &reason), true);
        };
        let reason = clean(message.get().0, &Hidden::default());
        let build = |kind: ErrorKind| {
            Error::new(kind, format!("cannot {action} '{key}'"))
                .with_source(Error::new(kind, reason.clone()))
        };
        let failure = match kind {
            SftpErrorKind::NoSuchFile => Failure::Absent,
            SftpErrorKind::PermDenied => Failure::Permanent(
                build(ErrorKind::Unauthorized)
                    .with_hint("check the permissions of the directory on the server"),
            ),
            SftpErrorKind::OpUnsupported => Failure::Permanent(build(ErrorKind::Unsupported)),
            _ => Failure::Temporary(
                build(ErrorKind::Unavailable)
                    .with_hint("check the free space and the quota on the server"),
            ),
        };
        (failure, false)
    }
}

impl Drop for SshConnection {
    fn drop(&mut self) {
        // Closing the client closes the input of the process.
        drop(self.sftp.take());
        end(self.child.get_mut().unwrap_or_else(PoisonError::into_inner), END);
    }
}

type Pipes = (pipe::Sender, pipe::Receiver, pipe::Receiver);

fn pipes(child: &mut Child) -> std::io::Result<Pipes> {
    let missing = || std::io::Error::other("a pipe is missing");
    let input: OwnedFd = child.stdin.take().ok_or_else(missing)?.into();
    let output: OwnedFd = child.stdout.take().ok_or_else(missing)?.into();
    let errors: OwnedFd = child.stderr.take().ok_or_else(missing)?.into();
    Ok((
        pipe::Sender::from_owned_fd(input)?,
        pipe::Receiver::from_owned_fd(output)?,
        pipe::Receiver::from_owned_fd(errors)?,
    ))
}

/// Waits until `child` has ended, and ends it after `time`.
fn end(child: &mut Child, time: Duration) {
    let wait = |child: &mut Child, time: Duration| {
        let start = Instant::now();
        loop {
            match child.try_wait() {
                Ok(None) if start.elapsed() < time => std::thread::sleep(Duration::from_millis(2)),
                Ok(None) => return false,
                _ => return true,
            }
        }
    };
    if wait(child, time) {
        return;
    }
    // SIGTERM lets ssh end its proxy command, too.
    if let Ok(pid) = i32::try_from(child.id())
        && let Some(pid) = rustix::process::Pid::from_raw(pid)
    {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    if !wait(child, END) {
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn no_ssh(error: std::io::Error) -> Error {
    if error.kind() == IoKind::NotFound {
        return Error::new(ErrorKind::Unsupported, "the program 'ssh' is not installed")
            .with_hint("install the client of OpenSSH (openssh-client)");
    }
    Error::new(ErrorKind::Unavailable, "cannot start the program 'ssh'").with_source(error)
}

fn lost(action: &str, key: &str, reason: &str) -> Failure {
    let reason = clean(reason, &Hidden::default());
    let error = Error::new(ErrorKind::Unavailable, format!("cannot {action} '{key}'"))
        .with_source(Error::new(ErrorKind::Unavailable, format!("the connection ended: {reason}")));
    Failure::Temporary(error.with_hint("run the same command again to resume"))
}

/// Derives the reason why the connection to `target` failed from the messages of `ssh`.
fn refused(target: &SshTarget, messages: &str, otherwise: &str) -> Failure {
    let is = |text: &str| messages.contains(text);
    let all = clean(messages, &Hidden::default());
    let reason = if all.is_empty() { otherwise.to_owned() } else { all };
    let build = |kind: ErrorKind, what: &str| {
        Error::new(kind, what).with_source(Error::new(kind, reason.clone()))
    };
    let host = &target.host;
    if is("Permission denied") || is("Too many authentication failures") || is("no such identity") {
        let what = format!("the SSH server {host} rejected this user or key");
        let hint = format!("test the login: {}", target.command());
        return Failure::Permanent(build(ErrorKind::Unauthorized, &what).with_hint(hint));
    }
    if is("Host key verification failed") || is("HOST IDENTIFICATION HAS CHANGED") {
        let what = format!("the host key of {host} is unknown or has changed");
        let hint = format!("compare it with the server's key and confirm it: {}", target.command());
        return Failure::Permanent(build(ErrorKind::Unauthorized, &what).with_hint(hint));
    }
    if is("subsystem request failed") {
        let what = format!("the SSH server {host} does not offer SFTP");
        let error = build(ErrorKind::Unsupported, &what);
        return Failure::Permanent(error.with_hint("enable the sftp subsystem on the server"));
    }
    let what = format!("cannot connect to the SSH server {host}");
    let hint = format!("test the connection: {}", target.command());
    let error = build(ErrorKind::Unavailable, &what).with_hint(hint);
    // A host name that does not exist is not worth a retry.
    if is("Name or service not known") {
        return Failure::Permanent(error);
    }
    Failure::Temporary(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> SshTarget {
        SshTarget {
            host: "host".to_owned(),
            port: Some(22),
            user: Some("ada".to_owned()),
            key: Some("/k".to_owned()),
            host_keys: HostKeys::Known,
        }
    }

    #[test]
    fn the_host_is_never_an_option_and_no_process_stays_in_the_background() {
        let words = target().arguments(Duration::from_secs(30));
        assert_eq!(words[words.len() - 4..], ["-s", "--", "host", "sftp"]);
        for text in ["ControlMaster=no", "ControlPersist=no", "BatchMode=yes"] {
            assert!(words.iter().any(|word| word == text), "{text}");
        }
        for word in ["-f", "-N", "-M"] {
            assert!(!words.iter().any(|other| other == word), "{word}");
        }
    }

    #[test]
    fn the_messages_of_ssh_show_whether_a_retry_can_help() {
        for (text, kind, again) in [
            ("ada@host: Permission denied (publickey).", ErrorKind::Unauthorized, false),
            ("Host key verification failed.", ErrorKind::Unauthorized, false),
            ("subsystem request failed on channel 0", ErrorKind::Unsupported, false),
            ("connect to host host port 22: Connection refused", ErrorKind::Unavailable, true),
            ("", ErrorKind::Unavailable, true),
        ] {
            let (error, is_again) = match refused(&target(), text, "it ended") {
                Failure::Temporary(error) => (error, true),
                Failure::Permanent(error) => (error, false),
                other => panic!("{other:?}"),
            };
            assert_eq!((error.kind(), is_again), (kind, again), "{text}");
            assert!(error.hint().is_some(), "{text}");
        }
    }
}
