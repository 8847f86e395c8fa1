//! The configuration of a node under test, written as the YAML that people write.

use std::{
    fmt::Write,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::Result;
use serde_json::Value;

use crate::ports::free_port;

/// What differs between tests; ports and paths are filled in by [`crate::Node`].
#[derive(Debug, Clone, Default)]
pub struct Config {
    cluster: String,
    shards: Option<u32>,
    grpc: Option<u16>,
    member: Option<Membership>,
    defaults: String,
    sinks: Vec<String>,
    no_file: bool,
    resources: Vec<Value>,
    extra: String,
}

/// What a node of a cluster of several has beyond one that is alone.
#[derive(Debug, Clone)]
pub struct Membership {
    /// Its name, which its certificate carries.
    pub name: String,
    /// Its zone.
    pub zone: String,
    /// Where others reach it.
    pub peer: SocketAddr,
    /// Where those are that it is told of.
    pub peers: Vec<SocketAddr>,
    /// Where `ca.pem`, `NAME.pem` and `NAME.key` are.
    pub certificates: PathBuf,
}

impl Membership {
    fn render(&self, yaml: &mut String) {
        let peers: Vec<String> = self.peers.iter().map(|peer| format!("\"{peer}\"")).collect();
        let file = |name: &str| {
            Value::from(self.certificates.join(name).display().to_string()).to_string()
        };
        let (cert, key) = (format!("{}.pem", self.name), format!("{}.key", self.name));
        let _ = writeln!(yaml, "peers: [{}]", peers.join(", "));
        let (ca, cert, key) = (file("ca.pem"), file(&cert), file(&key));
        let _ = writeln!(yaml, "tls: {{ ca_file: {ca}, cert_file: {cert}, key_file: {key} }}");
    }
}

impl Config {
    /// A cluster `test` of one, without resources.
    #[must_use]
    pub fn new() -> Self {
        Self { cluster: "test".to_owned(), ..Self::default() }
    }

    /// The cluster's name.
    #[must_use]
    pub fn cluster(mut self, name: &str) -> Self {
        name.clone_into(&mut self.cluster);
        self
    }

    /// How many shards the cluster is founded with; 16 where nothing is said.
    #[must_use]
    pub fn shards(mut self, shards: u32) -> Self {
        self.shards = Some(shards);
        self
    }

    /// Which port gRPC is served on; one that nobody is told where nothing is said.
    #[must_use]
    pub fn grpc(mut self, port: u16) -> Self {
        self.grpc = Some(port);
        self
    }

    /// A node of a cluster of several.
    #[must_use]
    pub fn member(mut self, membership: Membership) -> Self {
        self.member = Some(membership);
        self
    }

    /// How often to check by default, and how long a check may take: such as `1s` and `500ms`.
    /// One failed check is enough, so that tests need not wait for a second.
    #[must_use]
    pub fn timing(mut self, interval: &str, timeout: &str) -> Self {
        self.defaults =
            format!("{{ interval: {interval}, timeout: {timeout}, failures: 1, successes: 1 }}");
        self
    }

    /// One more declaration.
    #[must_use]
    pub fn resource(mut self, declaration: Value) -> Self {
        self.resources.push(declaration);
        self
    }

    /// One more sink beside the file, as YAML in one line.
    #[must_use]
    pub fn sink(mut self, yaml: &str) -> Self {
        self.sinks.push(yaml.to_owned());
        self
    }

    /// Leaves the file out: there are the other sinks alone.
    #[must_use]
    pub fn without_file(mut self) -> Self {
        self.no_file = true;
        self
    }

    /// Lines to add as they are, also wrong ones.
    #[must_use]
    pub fn extra(mut self, yaml: &str) -> Self {
        self.extra = format!("{yaml}\n");
        self
    }

    /// The document for a node that keeps everything under `dir` and listens on `http`.
    #[must_use]
    pub fn render(&self, dir: &Path, http: SocketAddr) -> String {
        let (name, zone, peer) = match &self.member {
            Some(member) => {
                let peer = format!(", peer: \"{}\"", member.peer);
                (member.name.as_str(), member.zone.as_str(), peer)
            }
            None => ("n1", "a", String::new()),
        };
        let grpc = SocketAddr::new(http.ip(), self.grpc.unwrap_or(0));
        let mut yaml = format!(
            "cluster: {{ name: {}, shards: {} }}\n\
             node: {{ name: {name}, region: eu-1, zone: {zone}, data_dir: {} }}\n\
             listen: {{ http: \"{http}\", grpc: \"{grpc}\"{peer} }}\n",
            self.cluster,
            self.shards.unwrap_or(16),
            Value::from(dir.join("data").display().to_string()),
        );
        if let Some(member) = &self.member {
            member.render(&mut yaml);
        }
        if !self.defaults.is_empty() {
            let _ = writeln!(yaml, "defaults: {}", self.defaults);
        }
        let events = Value::from(dir.join("events.jsonl").display().to_string());
        yaml.push_str("sinks:\n");
        if !self.no_file {
            let _ = writeln!(yaml, "  - file: {{ path: {events} }}");
        }
        for sink in &self.sinks {
            let _ = writeln!(yaml, "  - {{ {sink} }}");
        }
        yaml.push_str("resources:");
        yaml.push_str(if self.resources.is_empty() { " []\n" } else { "\n" });
        for resource in &self.resources {
            // JSON in one line is YAML, too.
            let _ = writeln!(yaml, "  - {resource}");
        }
        yaml + &self.extra
    }
}

/// Where a node listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// For people and programs.
    pub http: SocketAddr,
    /// For programs.
    pub grpc: SocketAddr,
    /// For other nodes.
    pub peer: SocketAddr,
}

impl Place {
    /// On ports of the loopback interface that nobody else has.
    ///
    /// # Errors
    /// Where no port is left.
    pub fn loopback() -> Result<Self> {
        let free = || Ok::<_, anyhow::Error>((Ipv4Addr::LOCALHOST, free_port()?).into());
        Ok(Self { http: free()?, grpc: free()?, peer: free()? })
    }

    /// On the usual ports of an address that no other node has.
    #[must_use]
    pub fn alone_at(ip: IpAddr) -> Self {
        let at = |port| (ip, port).into();
        Self { http: at(7420), grpc: at(7421), peer: at(7422) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_names_the_port_and_keeps_everything_in_its_directory() {
        let config = Config::new().timing("1s", "500ms").resource(json!({"name": "a"}));
        let yaml = config.render(Path::new("/t/x"), ([127, 0, 0, 1], 81).into());
        for line in [
            "listen: { http: \"127.0.0.1:81\", grpc: \"127.0.0.1:0\" }",
            "defaults: { interval: 1s, timeout: 500ms, failures: 1, successes: 1 }",
            "  - {\"name\":\"a\"}",
            "  - file: { path: \"/t/x/events.jsonl\" }",
        ] {
            assert!(yaml.lines().any(|found| found == line), "{line}\nis not in\n{yaml}");
        }
        assert!(yaml.contains("data_dir: \"/t/x/data\""));
    }
}
