//! An SFTP server that accepts data only in the order of the file, as servers in front of other storage
//! do.
//!
//! `art` runs a script in place of `ssh`, which connects to a proxy in this process. The proxy passes
//! requests to OpenSSH's `sftp-server`, and refuses a write that is sent while another one to the same file is pending.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::common::noise;

/// The paths of the program in the distributions.
const PROGRAMS: [&str; 4] = [
    "/usr/lib/openssh/sftp-server",
    "/usr/libexec/openssh/sftp-server",
    "/usr/lib/ssh/sftp-server",
    "/usr/libexec/sftp-server",
];
/// The time in which another write arrives if the client sends writes in parallel.
const PENDING: Duration = Duration::from_millis(20);
const WRITE: u8 = 6;
const STATUS: u8 = 101;
const FAILURE: u32 = 4;

/// A message: its type and its body.
type Packet = (u8, Vec<u8>);

fn read_packet(from: &mut impl Read) -> io::Result<Packet> {
    let mut head = [0; 5];
    from.read_exact(&mut head)?;
    let length = u32::from_be_bytes(head[..4].try_into().unwrap());
    let mut body = vec![0; length as usize - 1];
    from.read_exact(&mut body)?;
    Ok((head[4], body))
}

fn write_packet(to: &mut impl Write, (kind, body): &Packet) -> io::Result<()> {
    let length = (body.len() as u32 + 1).to_be_bytes();
    to.write_all(&[&length[..], &[*kind], body].concat())?;
    to.flush()
}

/// The handle of the file that the write `body` is for, after the id of the request.
fn handle(body: &[u8]) -> &[u8] {
    let length = u32::from_be_bytes(body[4..8].try_into().unwrap());
    &body[8..8 + length as usize]
}

/// The answer that refuses the request `body`.
fn refusal(body: &[u8]) -> Packet {
    let message = b"Illegal seek";
    let length = (message.len() as u32).to_be_bytes();
    let parts = [&body[..4], &FAILURE.to_be_bytes(), &length, message, &[0; 4]];
    (STATUS, parts.concat())
}

/// The requests of one connection.
struct Requests {
    client: TcpStream,
    /// Requests that arrived after a write.
    waiting: VecDeque<Packet>,
    refused: Arc<AtomicU64>,
}

impl Requests {
    fn next(&mut self) -> io::Result<Packet> {
        match self.waiting.pop_front() {
            Some(packet) => Ok(packet),
            None => read_packet(&mut self.client),
        }
    }

    /// Returns true if another request arrives soon.
    fn has_more(&self) -> bool {
        self.client.set_read_timeout(Some(PENDING)).unwrap();
        let arrived = self.client.peek(&mut [0]);
        self.client.set_read_timeout(None).unwrap();
        matches!(arrived, Ok(1..))
    }

    /// Refuses the writes to `file` that are sent while another one is pending.
    fn refuse_parallel(&mut self, file: &[u8], answers: &Mutex<TcpStream>) -> io::Result<()> {
        while self.has_more() {
            let (kind, body) = read_packet(&mut self.client)?;
            if kind == WRITE && handle(&body) == file {
                self.refused.fetch_add(1, Ordering::SeqCst);
                write_packet(&mut *answers.lock().unwrap(), &refusal(&body))?;
            } else {
                self.waiting.push_back((kind, body));
            }
        }
        Ok(())
    }
}

fn serve(program: &Path, client: TcpStream, refused: Arc<AtomicU64>) -> io::Result<()> {
    let server = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut server = Ended(server);
    let (mut input, mut output) = (server.0.stdin.take().unwrap(), server.0.stdout.take().unwrap());
    let answers = Arc::new(Mutex::new(client.try_clone()?));
    let pump = Arc::clone(&answers);
    std::thread::spawn(move || -> io::Result<()> {
        loop {
            let packet = read_packet(&mut output)?;
            write_packet(&mut *pump.lock().unwrap(), &packet)?;
        }
    });
    let mut requests = Requests { client, waiting: VecDeque::new(), refused };
    loop {
        let packet = requests.next()?;
        if packet.0 == WRITE {
            requests.refuse_parallel(handle(&packet.1), &answers)?;
        }
        write_packet(&mut input, &packet)?;
    }
}

/// A process that ends when this value is dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a server and writes a program `ssh` into `directory` that connects to it. Returns a count of
/// the refused writes. Returns `None` if `sftp-server` or `bash` is not installed.
fn start(directory: &Path) -> Option<Arc<AtomicU64>> {
    let program = PROGRAMS.iter().map(PathBuf::from).find(|file| file.is_file());
    let (Some(program), true) = (program, Path::new("/bin/bash").is_file()) else {
        println!("writes in order are not tested: there is no sftp-server or no bash here");
        return None;
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let script =
        format!("#!/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/{port}\ncat <&3 &\ncat >&3\nkill $!\n");
    let ssh = directory.join("ssh");
    std::fs::write(&ssh, script).unwrap();
    std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).unwrap();
    let refused = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&refused);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (program, count) = (program.clone(), Arc::clone(&count));
            std::thread::spawn(move || serve(&program, client, count));
        }
    });
    Some(refused)
}

#[test]
fn a_server_that_accepts_data_only_in_order_gets_each_file_in_order() {
    let temporary = super::stores::directory();
    let root = temporary.path();
    for name in ["bin", "home", "w", "files"] {
        std::fs::create_dir(root.join(name)).unwrap();
    }
    let Some(refused) = start(&root.join("bin")) else { return };
    let path = std::env::var("PATH").unwrap_or_default();
    let art = |line: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_art"));
        command.args(line.split(' ')).env_clear().current_dir(root.join("w"));
        command.env("PATH", format!("{}:{path}", root.join("bin").display()));
        command.env("HOME", root.join("home")).env("USER", "tester").stdin(Stdio::null());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
    };
    art("init --project o/p");
    // A file is sent again within the attempt if its first part fails. On a busy machine, a later part
    // can be the first one with parallel requests; then the next attempt sends the file.
    art("config set transfer.retries 1");
    art(&format!("remote add origin sftp://ada@host{}/files", root.display()));
    for seed in 0..2 {
        std::fs::write(root.join("w/large"), noise(seed, 5 << 20)).unwrap();
        art("upload large");
        let before = refused.load(Ordering::SeqCst);
        art("push");
        assert!(refused.load(Ordering::SeqCst) > before, "no write was sent in parallel");
        art("fsck --remote origin --full");
    }
    let left = std::fs::read_dir(root.join("files/tmp")).unwrap().count();
    assert_eq!(left, 0, "a temporary file is left");
}
