//! Nodes on a network of their own: a bridge, where the harness is, and a namespace for each
//! node. Links between nodes are cut by rules in the namespaces; those to the bridge never are.
//!
//! Invariant: names and addresses are of this process and this network alone, and all of it is
//! gone after a drop.

use std::{
    net::{IpAddr, Ipv4Addr},
    process::{self, Command},
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context, Result, ensure};
use harness::Launcher;
use serde_json::Value;

use super::{Mechanism, lacking, tool};

/// Network namespaces with rules.
pub const NETWORK: Mechanism = Mechanism { name: "network namespaces", probe };
/// The same with links that let little through.
pub(crate) const NARROW: Mechanism = Mechanism { name: "narrow links", probe: probe_narrow };

static NEXT: AtomicU32 = AtomicU32::new(0);
/// How many subnets are tried.
const SUBNETS: u32 = 64;
/// What a narrow link lets through at once, in bytes, and how much waits before it.
const BURST: u32 = 16 << 10;
const QUEUE: u32 = 64 << 10;

/// What a rule drops of that which comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// Everything.
    All,
    /// So many of a hundred packets, at random.
    Percent(u32),
}

/// See the module.
#[derive(Debug)]
pub struct Network {
    /// What the names of all its parts begin with.
    name: String,
    /// The first three numbers of its addresses.
    subnet: [u8; 3],
    nodes: usize,
    /// What takes away what is there, latest last.
    undo: Vec<String>,
}

impl Network {
    /// Makes one for so many nodes.
    ///
    /// # Errors
    /// Where this process may not.
    pub fn new(nodes: usize) -> Result<Self> {
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let name = format!("bw{}-{number}", process::id());
        let mut network = Self { subnet: free_subnet(number)?, name, nodes, undo: Vec::new() };
        let bridge = network.bridge();
        ip(&format!("link add {bridge} type bridge"))?;
        network.undo.push(format!("link del {bridge}"));
        ip(&format!("addr add {}/24 dev {bridge}", network.host()))?;
        ip(&format!("link set {bridge} up"))?;
        (0..nodes).try_for_each(|n| network.connect(n))?;
        Ok(network)
    }

    /// Where the harness and its targets are.
    #[must_use]
    pub fn host(&self) -> IpAddr {
        self.address(1)
    }

    /// Where a node is.
    #[must_use]
    pub fn of(&self, n: usize) -> IpAddr {
        self.address(u8::try_from(10 + n).unwrap_or(u8::MAX))
    }

    /// Starts a node in its namespace from now on.
    pub fn confine(&self, n: usize, launcher: &mut Launcher) {
        launcher.wrap(["nsenter".to_owned(), self.entrance(n), "--".to_owned()]);
    }

    /// Drops what comes in at one node from another, beside what is dropped already.
    ///
    /// # Errors
    /// Where the kernel refuses the rule.
    pub fn drop_at(&self, n: usize, from: usize, what: Dropped) -> Result<()> {
        let chance = match what {
            Dropped::All => String::new(),
            Dropped::Percent(percent) => format!("numgen random mod 100 < {percent} "),
        };
        self.nft(n, &format!("add rule inet cut input ip saddr {} {chance}drop", self.of(from)))
    }

    /// Drops what comes in at one node from a port of the harness's: what it sends there arrives.
    ///
    /// # Errors
    /// As [`Network::drop_at`].
    pub fn drop_from_port(&self, n: usize, port: u16) -> Result<()> {
        let host = self.host();
        self.nft(n, &format!("add rule inet cut input ip saddr {host} tcp sport {port} drop"))
    }

    /// Cuts the links between a node and these others, both ways.
    ///
    /// # Errors
    /// As [`Network::drop_at`].
    pub fn part(&self, n: usize, others: &[usize]) -> Result<()> {
        others.iter().try_for_each(|other| {
            self.drop_at(n, *other, Dropped::All)?;
            self.drop_at(*other, n, Dropped::All)
        })
    }

    /// Takes all rules away.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub fn heal(&self) -> Result<()> {
        (0..self.nodes).try_for_each(|n| self.nft(n, "flush chain inet cut input"))
    }

    /// How many packets the rules at a node have dropped.
    ///
    /// # Errors
    /// Where the rules cannot be read.
    pub fn dropped(&self, n: usize) -> Result<u64> {
        let entrance = self.entrance(n);
        let mut list = Command::new("nsenter");
        list.args([entrance.as_str(), "--", "nft", "list", "counter", "inet", "cut", "dropped"]);
        let output = list.output().context("cannot run nsenter")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut words = text.split_whitespace().skip_while(|word| *word != "packets");
        let count = words.nth(1).and_then(|count| count.parse().ok());
        count.with_context(|| format!("no count of dropped packets: {text}"))
    }

    fn connect(&mut self, n: usize) -> Result<()> {
        let (space, bridge) = (self.space(n), self.bridge());
        let (outside, inside) = (format!("{}v{n}", self.name), self.inside(n));
        ip(&format!("netns add {space}"))?;
        // The ends of its link go with it.
        self.undo.push(format!("netns del {space}"));
        ip(&format!("link add {outside} type veth peer name {inside} netns {space}"))?;
        ip(&format!("link set {outside} master {bridge} up"))?;
        ip(&format!("-n {space} addr add {}/24 dev {inside}", self.of(n)))?;
        ip(&format!("-n {space} link set {inside} up"))?;
        ip(&format!("-n {space} link set lo up"))?;
        self.nft(n, "add table inet cut")?;
        self.nft(n, "add counter inet cut dropped")?;
        self.nft(n, "add chain inet cut output { type filter hook output priority 0 ; }")?;
        self.nft(n, "add chain inet cut input { type filter hook input priority 0 ; }")
    }

    fn nft(&self, n: usize, command: &str) -> Result<()> {
        let entrance = self.entrance(n);
        let command = command
            .strip_suffix("drop")
            .map_or_else(|| command.to_owned(), |rule| format!("{rule}counter name dropped drop"));
        tool("nsenter", &[entrance.as_str(), "--", "nft", &command])
    }

    /// What the names of its parts begin with.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Where a router may be.
    pub(super) fn router(&self) -> IpAddr {
        self.address(2)
    }

    /// All ordered pairs of nodes.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let nodes = self.nodes;
        (0..nodes).flat_map(move |a| (0..nodes).filter(move |b| *b != a).map(move |b| (a, b)))
    }

    /// Lets no more than so many kbit a second through to a node from each other one.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub fn narrow(&self, to: usize, kbit: u32) -> Result<()> {
        for from in (0..self.nodes).filter(|from| *from != to) {
            let link = format!("dev {}", self.inside(from));
            self.tc(from, &format!("qdisc add {link} root handle 1: htb default 10"))?;
            for class in ["1:10", "1:20"] {
                let class = format!("class add {link} parent 1: classid {class}");
                self.tc(from, &format!("{class} htb rate 10gbit quantum 60000"))?;
            }
            let bucket = format!("tbf rate {kbit}kbit burst {BURST} limit {QUEUE}");
            self.tc(from, &format!("qdisc add {link} parent 1:20 handle 20: {bucket}"))?;
            let to = self.of(to);
            self.nft(
                from,
                &format!("add rule inet cut output ip daddr {to} meta priority set 1:20"),
            )?;
        }
        Ok(())
    }

    /// Ends that. Answers how many packets were held back.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub fn widen(&self, to: usize) -> Result<u64> {
        let mut held_back = 0;
        for from in (0..self.nodes).filter(|from| *from != to) {
            held_back += self.held_back(from)?;
            self.nft(from, "flush chain inet cut output")?;
            self.tc(from, &format!("qdisc del dev {} root", self.inside(from)))?;
        }
        Ok(held_back)
    }

    /// How often the bucket of a node was empty, or its queue full.
    fn held_back(&self, n: usize) -> Result<u64> {
        let (space, inside) = (self.space(n), self.inside(n));
        let mut show = Command::new("tc");
        show.args(["-n", &space, "-s", "-j", "qdisc", "show", "dev", &inside]);
        let output = show.output().context("cannot run tc")?;
        let shown: Value = serde_json::from_slice(&output.stdout).context("tc shows nothing")?;
        let bucket = shown.as_array().into_iter().flatten().find(|qdisc| qdisc["kind"] == "tbf");
        let count = |name: &str| bucket.and_then(|bucket| bucket[name].as_u64());
        Ok(count("overlimits").context("there is no bucket")? + count("drops").unwrap_or(0))
    }

    fn tc(&self, n: usize, arguments: &str) -> Result<()> {
        let space = self.space(n);
        let words: Vec<&str> = ["-n", &space].into_iter().chain(arguments.split(' ')).collect();
        tool("tc", &words)
    }

    fn inside(&self, n: usize) -> String {
        format!("{}i{n}", self.name)
    }

    fn entrance(&self, n: usize) -> String {
        format!("--net=/run/netns/{}", self.space(n))
    }

    pub(super) fn space(&self, n: usize) -> String {
        format!("{}n{n}", self.name)
    }

    pub(super) fn bridge(&self) -> String {
        format!("{}br", self.name)
    }

    fn address(&self, last: u8) -> IpAddr {
        let [a, b, c] = self.subnet;
        Ipv4Addr::new(a, b, c, last).into()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for command in self.undo.iter().rev() {
            if let Err(why) = ip(command) {
                crate::progress::say(&format!("a network stays behind: {why:#}"));
            }
        }
    }
}

/// One that no interface of this machine has.
fn free_subnet(number: u32) -> Result<[u8; 3]> {
    let output = Command::new("ip").args(["-4", "-o", "addr", "show"]).output();
    let taken = String::from_utf8_lossy(&output.context("cannot run ip")?.stdout).into_owned();
    let first = process::id().wrapping_add(number);
    let subnets = (0..SUBNETS).map(|more| {
        let [.., high, low] = first.wrapping_add(more).to_be_bytes();
        [10, 128 | high, low]
    });
    let mut free = subnets.filter(|[a, b, c]| !taken.contains(&format!(" {a}.{b}.{c}.")));
    free.next().context("all subnets that were tried are taken")
}

pub(super) fn ip(arguments: &str) -> Result<()> {
    tool("ip", &arguments.split(' ').collect::<Vec<_>>())
}

/// Makes a small one, cuts a link and heals it.
fn probe() -> Result<(), String> {
    let tried = || {
        let network = Network::new(2)?;
        network.part(0, &[1])?;
        network.drop_at(0, 1, Dropped::Percent(10))?;
        ensure!(network.dropped(0)? == 0, "packets were dropped that nobody sent");
        network.heal()
    };
    tried().map_err(|why| lacking(&why, "ip, nft and nsenter (iproute2, nftables, util-linux)"))
}

fn probe_narrow() -> Result<(), String> {
    let tried = || {
        let network = Network::new(2)?;
        network.narrow(0, 1_000)?;
        ensure!(network.widen(0)? == 0, "packets were held back that nobody sent");
        Ok(())
    };
    tried().map_err(|why| lacking(&why, "tc with htb and tbf (iproute2), nft and nsenter"))
}
