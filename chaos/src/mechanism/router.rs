//! A router between nodes that holds packets back, sends some twice, and lets some be overtaken: a
//! namespace on the network's bridge, through which the nodes reach each other, and in it a TUN
//! device from which a program of ours ([`forward`]) takes every packet and puts it back later.
//! What goes to and from the harness does not pass it.
//!
//! Invariant: the program ends with its standard input, and so with the harness; its namespace and
//! the routes to it go with a drop.

mod forward;

use std::{
    io::{BufRead, BufReader, Lines, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::{Mechanism, Network, lacking, network::ip, tool};

pub(crate) use forward::forward;

/// A router in user space.
pub(crate) const ROUTER: Mechanism = Mechanism { name: "router in user space", probe };

const DEVICE: &str = "late0";
/// The table of the routes of what comes from nodes.
const TABLE: u32 = 100;

/// What happens to packets between nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Weather {
    /// How long each is held back, in milliseconds.
    pub(crate) delay: u64,
    /// By how much more or less, at most, in milliseconds; those of two nodes keep their order.
    pub(crate) jitter: u64,
    /// How many of a hundred come twice.
    pub(crate) twice: u32,
    /// How many of a hundred are held back longer, so that others overtake them.
    pub(crate) overtaken: u32,
}

/// What the router has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Routed {
    /// Packets that came.
    pub(crate) packets: u64,
    /// Those that came twice.
    pub(crate) twice: u64,
    /// Those that were held back longer.
    pub(crate) overtaken: u64,
    /// Those that were thrown away because too many were held back.
    pub(crate) lost: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Router {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    /// What takes away what is there, latest last.
    undo: Vec<String>,
}

impl Router {
    /// Lets the nodes of a network reach each other through it from now on.
    ///
    /// # Errors
    /// Where this process may not, or the program does not start.
    pub(crate) fn between(network: &Network, seed: u64) -> Result<Self> {
        let space = format!("{}r", network.name());
        let mut undo = Vec::new();
        let begun = begin(network, &space, seed, &mut undo);
        let (child, orders, answers) = match begun {
            Ok(begun) => begun,
            Err(why) => {
                take_away(&undo);
                return Err(why);
            }
        };
        let mut router = Self { child, orders, answers, undo };
        // It answers once its device is there.
        router.set(Weather::default())?;
        ip(&format!("-n {space} link set {DEVICE} up"))?;
        ip(&format!("-n {space} route add default dev {DEVICE} table {TABLE}"))?;
        ip(&format!("-n {space} rule add iif {} lookup {TABLE}", inside(network)))?;
        for (from, to) in network.pairs() {
            let route = format!("{}/32 via {}", network.of(to), network.router());
            let from = network.space(from);
            ip(&format!("-n {from} route add {route}"))?;
            router.undo.push(format!("-n {from} route del {route}"));
        }
        Ok(router)
    }

    /// Changes the weather. Answers what was done up to now.
    ///
    /// # Errors
    /// Where the program has ended.
    pub(crate) fn set(&mut self, weather: Weather) -> Result<Routed> {
        writeln!(self.orders, "{}", serde_json::to_string(&weather)?)
            .context("the router has ended")?;
        let answer = self.answers.next().context("the router has ended")??;
        serde_json::from_str(&answer).with_context(|| format!("the router says {answer}"))
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        take_away(&self.undo);
    }
}

type Begun = (Child, ChildStdin, Lines<BufReader<ChildStdout>>);

/// The namespace, its link to the bridge, and the program in it.
fn begin(network: &Network, space: &str, seed: u64, undo: &mut Vec<String>) -> Result<Begun> {
    let (outside, inside) = (format!("{}vr", network.name()), inside(network));
    ip(&format!("netns add {space}"))?;
    undo.push(format!("netns del {space}"));
    ip(&format!("link add {outside} type veth peer name {inside} netns {space}"))?;
    ip(&format!("link set {outside} master {} up", network.bridge()))?;
    ip(&format!("-n {space} addr add {}/24 dev {inside}", network.router()))?;
    ip(&format!("-n {space} link set {inside} up"))?;
    let entrance = format!("--net=/run/netns/{space}");
    let switches = [
        "net.ipv4.ip_forward=1",
        // What comes from the device has addresses that are elsewhere.
        "net.ipv4.conf.all.rp_filter=0",
        "net.ipv4.conf.default.rp_filter=0",
        "net.ipv4.conf.all.send_redirects=0",
    ];
    tool("nsenter", &[&[&entrance, "--", "sysctl", "-q", "-w"][..], &switches].concat())?;
    tool("nsenter", &[&entrance, "--", "sysctl", "-q", "-w", &redirects(&inside)])?;
    let own = std::env::current_exe().context("the program's own path is unknown")?;
    let mut command = Command::new("nsenter");
    command.args([entrance.as_str(), "--"]).arg(own).args(["forward", DEVICE]);
    command.arg(seed.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().context("cannot run nsenter")?;
    let orders = child.stdin.take().context("the router has no standard input")?;
    let answers = child.stdout.take().context("the router has no standard output")?;
    Ok((child, orders, BufReader::new(answers).lines()))
}

fn redirects(device: &str) -> String {
    format!("net.ipv4.conf.{device}.send_redirects=0")
}

fn inside(network: &Network) -> String {
    format!("{}ir", network.name())
}

fn take_away(undo: &[String]) {
    for command in undo.iter().rev() {
        if let Err(why) = ip(command) {
            crate::progress::say(&format!("a router stays behind: {why:#}"));
        }
    }
}

/// Sends a packet through it.
fn probe() -> Result<(), String> {
    let tried = || {
        let network = Network::new(2)?;
        let mut router = Router::between(&network, 0)?;
        let script = format!("echo one > /dev/udp/{}/9", network.of(1));
        let entrance = format!("--net=/run/netns/{}", network.space(0));
        tool("nsenter", &[&entrance, "--", "bash", "-c", &script])?;
        let routed = router.set(Weather::default())?;
        ensure!(routed.packets > 0, "no packet comes to it");
        Ok(())
    };
    tried().map_err(|why| lacking(&why, "/dev/net/tun, ip, sysctl, nsenter and bash"))
}
