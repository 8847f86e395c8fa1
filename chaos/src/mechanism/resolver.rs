//! A name server that behaves, fails, is slow or lies, and a node that has no other: its
//! `/etc/resolv.conf` is another one in a mount namespace of its own.
//!
//! Invariant: an answer is noted before it is sent.

mod message;

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    path::Path,
    process,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use harness::Launcher;
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use self::message::Question;
use super::{Mechanism, lacking, tool};

/// A name server of our own on the port that resolvers ask.
pub(crate) const RESOLVER: Mechanism = Mechanism { name: "own resolver", probe };

const PORT: u16 = 53;
/// Where lies point to: nothing listens there.
const NOWHERE: Ipv4Addr = Ipv4Addr::new(127, 66, 66, 66);

/// How the name server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Every name is this machine.
    Well,
    /// The same, so much later.
    Slow(Duration),
    /// It fails (SERVFAIL).
    Failing,
    /// It refuses to answer.
    Refusing,
    /// It says nothing.
    Silent,
    /// Somebody else is first with an answer that was not asked for; it says nothing.
    Poisoned,
    /// No name exists (NXDOMAIN).
    NoSuchName,
}

/// One answer that says whether a name exists.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    /// When.
    pub(crate) at: Instant,
    /// The name that was asked for, in lower case.
    pub(crate) name: String,
    /// Whether it exists.
    pub(crate) exists: bool,
}

/// A name server. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Resolver {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    mode: Mutex<Mode>,
    said: Mutex<Vec<Said>>,
}

impl Resolver {
    /// Starts one on an address of the loopback network that no other has; `number` tells
    /// those of one run apart.
    ///
    /// # Errors
    /// Where this process may not listen on port 53.
    pub(crate) fn start(number: u8) -> Result<Self> {
        let socket = listen(number)?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let shared = Arc::new(Shared { mode: Mutex::new(Mode::Well), said: Mutex::default() });
        let socket = tokio::net::UdpSocket::from_std(socket)?;
        let task = tokio::spawn(serve(Arc::new(socket), Arc::clone(&shared)));
        Ok(Self { address, shared, task })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Behaves so from now on.
    pub(crate) fn behave(&self, mode: Mode) {
        *self.shared.mode.lock() = mode;
    }

    /// How it behaves.
    pub(crate) fn mode(&self) -> Mode {
        *self.shared.mode.lock()
    }

    /// What it said of the IPv4 address of a name.
    pub(crate) fn said(&self, name: &str) -> Vec<Said> {
        self.shared.said.lock().iter().filter(|said| said.name == name).cloned().collect()
    }

    /// Lets the node ask nobody else; its `/etc/resolv.conf` is kept in `dir`.
    ///
    /// # Errors
    /// Where that file cannot be written.
    pub(crate) fn alone(&self, launcher: &mut Launcher, dir: &Path) -> Result<()> {
        let file = dir.join("resolv.conf");
        let ip = self.address.ip();
        std::fs::write(&file, format!("nameserver {ip}\noptions timeout:1 attempts:1\n"))?;
        let script = "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"";
        let file = file.display().to_string();
        launcher.wrap(["unshare", "-m", "--propagation", "private", "sh", "-c", script, &file]);
        Ok(())
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn listen(number: u8) -> Result<UdpSocket> {
    let [.., high, low] = process::id().to_be_bytes();
    let ip = Ipv4Addr::new(127, 84_u8.wrapping_add(number), high, low.clamp(1, 254));
    UdpSocket::bind((ip, PORT)).with_context(|| format!("cannot listen on {ip}:{PORT}"))
}

async fn serve(socket: Arc<tokio::net::UdpSocket>, shared: Arc<Shared>) {
    let mut buffer = [0; 1_024];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        let Some(question) = Question::read(&buffer[..length]) else { continue };
        let (socket, shared) = (Arc::clone(&socket), Arc::clone(&shared));
        tokio::spawn(async move {
            for answer in answers(&question, &shared).await {
                let _ = socket.send_to(&answer, from).await;
            }
        });
    }
}

async fn answers(question: &Question, shared: &Shared) -> Vec<Vec<u8>> {
    let mode = *shared.mode.lock();
    match mode {
        Mode::Silent => Vec::new(),
        Mode::Failing => vec![question.refused(message::SERVFAIL)],
        Mode::Refusing => vec![question.refused(message::REFUSED)],
        Mode::Poisoned => question.lies(NOWHERE),
        Mode::NoSuchName => {
            note(question, shared, false);
            vec![question.refused(message::NXDOMAIN)]
        }
        Mode::Slow(pause) => {
            tokio::time::sleep(pause).await;
            note(question, shared, true);
            vec![question.answered(Ipv4Addr::LOCALHOST)]
        }
        Mode::Well => {
            note(question, shared, true);
            vec![question.answered(Ipv4Addr::LOCALHOST)]
        }
    }
}

/// A probe by name asks for both families; one of them counts.
fn note(question: &Question, shared: &Shared, exists: bool) {
    if question.is_for_ipv4() {
        let name = question.name.clone();
        shared.said.lock().push(Said { at: Instant::now(), name, exists });
    }
}

fn probe() -> Result<(), String> {
    let needs = "port 53 of a loopback address, and mount namespaces";
    listen(200).map_err(|why| lacking(&why, needs))?;
    let script = "mount --bind /etc/hosts /etc/resolv.conf";
    tool("unshare", &["-m", "--propagation", "private", "sh", "-c", script])
        .map_err(|why| lacking(&why, needs))
}
