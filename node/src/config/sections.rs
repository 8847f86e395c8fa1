//! Reads the small sections: who the cluster and the node are, and where they listen.

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use model::{
    decode::{Fields, integer, text},
    selector::is_label_value,
};
use serde_json::Value;

use super::peers;

/// Who the cluster is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cluster {
    /// The name that its people gave it.
    pub(crate) name: String,
    /// How many slices the resources have; read when the cluster is founded, fixed after.
    pub(crate) shards: u32,
}

/// A node without resources takes less than this.
pub(super) const MIN_MEMORY: u64 = 64 << 20;
pub(super) const MAX_BYTES: u64 = 1 << 50;

/// Who and where this node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// Its name; `host` checks name nodes by it.
    pub(crate) name: String,
    /// Its region; resources that name none are there, too.
    pub(crate) region: Option<String>,
    /// Its zone within the region.
    pub(crate) zone: Option<String>,
    /// Where it keeps its state.
    pub(crate) data_dir: PathBuf,
    /// What is kept free on the file system of its state, in bytes.
    pub(crate) disk_reserve: Option<u64>,
    /// How much memory it may use, in bytes.
    pub(crate) memory_limit: Option<u64>,
}

/// Where the node listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listen {
    /// REST, streams and metrics.
    pub(crate) http: SocketAddr,
    /// gRPC.
    pub(crate) grpc: Grpc,
    /// Other nodes.
    pub(crate) peer: SocketAddr,
    /// Where other nodes reach it, where that is another address than it listens on.
    pub(crate) advertise: Option<String>,
}

/// Where the node listens for gRPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grpc {
    /// There, or the node does not run.
    At(SocketAddr),
    /// At its usual port of the loopback interface, where nobody else listens there.
    Usual,
}

/// A listener that would speak to strangers in the clear.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "listen.{key} is {address}, which other machines can reach, and this version has neither TLS nor auth; \
     listen on 127.0.0.1, or run with --insecure behind a firewall or a proxy of yours"
)]
pub(crate) struct ExposedListener {
    key: &'static str,
    address: SocketAddr,
}

impl Listen {
    /// Where gRPC is listened for.
    pub(crate) fn grpc(&self) -> SocketAddr {
        match self.grpc {
            Grpc::At(address) => address,
            Grpc::Usual => SocketAddr::from(([127, 0, 0, 1], 7421)),
        }
    }

    /// Refuses addresses beyond this machine, unless that was asked for with `--insecure`.
    ///
    /// # Errors
    /// Names the first listener that other machines can reach.
    pub(crate) fn check_exposure(&self, insecure: bool) -> Result<(), ExposedListener> {
        // Other nodes have to show a certificate.
        let all = [("http", self.http), ("grpc", self.grpc())];
        match all.into_iter().find(|(_, address)| !address.ip().is_loopback()) {
            Some((key, address)) if !insecure => Err(ExposedListener { key, address }),
            _ => Ok(()),
        }
    }
}

/// The address at which this machine itself reaches a listener.
pub(super) fn local_address(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

pub(super) fn cluster(fields: Option<Fields<'_>>) -> Cluster {
    let Some(mut fields) = fields else { return Cluster { name: "bellwether".into(), shards: 16 } };
    let name = fields.optional("name", name).unwrap_or_else(|| "bellwether".to_owned());
    let shards = fields.optional("shards", integer(1, 256)).unwrap_or(16);
    fields.finish();
    Cluster { name, shards: u32::try_from(shards).unwrap_or(16) }
}

/// `place` says where a relative path starts.
pub(super) fn node(fields: Option<Fields<'_>>, place: &dyn Fn(&str, &str) -> PathBuf) -> Node {
    let Some(mut fields) = fields else {
        let data_dir = place("/node/data_dir", "./data");
        return Node {
            name: "n1".to_owned(),
            region: None,
            zone: None,
            data_dir,
            disk_reserve: None,
            memory_limit: None,
        };
    };
    let name = fields.optional("name", self::name).unwrap_or_else(|| "n1".to_owned());
    let region = fields.optional("region", self::name);
    let zone = fields.optional("zone", self::name);
    let written = fields.optional("data_dir", text(1_000));
    let data_dir = place("/node/data_dir", written.as_deref().unwrap_or("./data"));
    if let Some(file) = first_existing(&data_dir).filter(|path| !path.is_dir()) {
        fields.problem("data_dir", format!("{} is not a directory", file.display()));
    }
    let disk_reserve = fields.optional("disk_reserve", integer(0, MAX_BYTES));
    let memory_limit = fields.optional("memory_limit", integer(MIN_MEMORY, MAX_BYTES));
    fields.finish();
    Node { name, region, zone, data_dir, disk_reserve, memory_limit }
}

fn first_existing(path: &Path) -> Option<&Path> {
    path.ancestors().find(|path| !path.as_os_str().is_empty() && path.exists())
}

pub(super) fn listen(fields: Option<Fields<'_>>) -> Listen {
    let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let mut listen =
        Listen { http: local(7420), grpc: Grpc::Usual, peer: local(7422), advertise: None };
    let Some(mut fields) = fields else { return listen };
    listen.http = fields.optional("http", address).unwrap_or(listen.http);
    listen.grpc = fields.optional("grpc", address).map_or(Grpc::Usual, Grpc::At);
    listen.peer = fields.optional("peer", address).unwrap_or(listen.peer);
    listen.advertise = fields.optional("advertise", peers::address);
    let mut all = vec![("http", listen.http), ("peer", listen.peer)];
    if let Grpc::At(grpc) = listen.grpc {
        all.insert(1, ("grpc", grpc));
    }
    for (n, (key, address)) in all.iter().enumerate() {
        let same = all[..n].iter().find(|(_, other)| other == address && address.port() != 0);
        if let Some((other, _)) = same {
            fields.problem(key, format!("{address} is the address of listen.{other}, too"));
        }
    }
    fields.finish();
    listen
}

/// Sections whose shape is known but whose function is not in this version.
pub(super) fn later_sections(root: &mut Fields<'_>) {
    root.later(&["retention", "auth", "sources", "alerts", "routes", "receivers"]);
}

fn name(value: &Value) -> Result<String, String> {
    value.as_str().filter(|name| !name.is_empty() && is_label_value(name)).map(str::to_owned).ok_or_else(|| {
        "expected 1 to 63 characters of A-Z a-z 0-9 . _ -, the first and the last a letter or digit; quote numbers".to_owned()
    })
}

fn address(value: &Value) -> Result<SocketAddr, String> {
    let text = value.as_str().unwrap_or_default();
    let named = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    named.as_deref().unwrap_or(text).parse().map_err(|_| {
        "expected an IP address and a port, such as 127.0.0.1:7420 or [::1]:7420".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_spoken_to_only_on_request() {
        let mut listen = listen(None);
        assert_eq!(listen.check_exposure(false), Ok(()));
        listen.http = "0.0.0.0:7420".parse().unwrap();
        let refusal = listen.check_exposure(false).unwrap_err().to_string();
        assert!(refusal.starts_with("listen.http is 0.0.0.0:7420"), "{refusal}");
        assert!(refusal.contains("--insecure"), "{refusal}");
        assert_eq!(listen.check_exposure(true), Ok(()));
    }

    #[test]
    fn a_listener_on_every_address_is_reached_on_loopback() {
        let local = |text: &str| local_address(text.parse().unwrap()).to_string();
        assert_eq!(local("0.0.0.0:80"), "127.0.0.1:80");
        assert_eq!(local("[::]:80"), "[::1]:80");
        assert_eq!(local("10.0.0.1:80"), "10.0.0.1:80");
    }
}
