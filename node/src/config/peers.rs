//! Reads who the other nodes are, and by which certificates nodes know each other.

use std::path::PathBuf;

use model::decode::{Fields, Problems, text};
use net::TlsFiles;
use serde_json::Value;

use super::secrets::{PEM_CERTIFICATE, PEM_KEY, readable};

/// The most peers that are configured: one that is reached tells of the others.
pub(super) const MAX_PEERS: usize = 100;

/// How a node takes part in a cluster of several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Peers {
    /// Where other nodes are reached; empty: this node founds a cluster by itself.
    pub(crate) addresses: Vec<String>,
    /// By which certificate it is known; none: it stays alone.
    pub(crate) tls: Option<TlsFiles>,
}

/// Reads `peers` and `tls`. `place` says where a relative path starts.
pub(super) fn decode(
    root: &mut Fields<'_>,
    place: &dyn Fn(&str, &str) -> PathBuf,
    problems: &Problems,
) -> Peers {
    let mut addresses = Vec::new();
    for (pointer, value) in root.list("peers", MAX_PEERS) {
        match address(value) {
            Ok(address) => addresses.push(address),
            Err(detail) => problems.report(pointer, detail),
        }
    }
    let section = root.object("tls");
    if !addresses.is_empty() && section.is_none() {
        root.problem(
            "peers",
            "nodes speak to each other over mutual TLS only; set tls.ca_file, tls.cert_file and \
             tls.key_file, which `bellwether certs` makes",
        );
    }
    let tls = section.and_then(|fields| tls(fields, place));
    Peers { addresses, tls }
}

fn tls(mut fields: Fields<'_>, place: &dyn Fn(&str, &str) -> PathBuf) -> Option<TlsFiles> {
    let mut file = |key: &'static str, marker: &str| {
        let written = fields.required(key, text(1_000))?;
        let path = place(&format!("/tls/{key}"), &written);
        if let Err(detail) = readable(&path, Some(marker)) {
            fields.problem(key, detail);
            return None;
        }
        Some(path)
    };
    let ca = file("ca_file", PEM_CERTIFICATE);
    let cert = file("cert_file", PEM_CERTIFICATE);
    let key = file("key_file", PEM_KEY);
    fields.finish();
    Some(TlsFiles { ca: ca?, cert: cert?, key: key? })
}

/// A host's name or address, and a port.
pub(super) fn address(value: &Value) -> Result<String, String> {
    let text = value.as_str().unwrap_or_default();
    let parts = text.rsplit_once(':').filter(|(host, port)| {
        let bare = !host.contains(':') || (host.starts_with('[') && host.ends_with(']'));
        let plain = host.chars().all(|c| c.is_ascii_alphanumeric() || "-._[]:".contains(c));
        bare && plain
            && !host.is_empty()
            && host.len() <= 253
            && port.parse() != Ok(0_u16)
            && port.parse::<u16>().is_ok()
    });
    parts.map(|_| text.to_owned()).ok_or_else(|| {
        "expected a host and a port, such as n2.example:7422, 10.0.0.2:7422 or [fd00::2]:7422"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_peer_has_a_host_and_a_port() {
        for good in ["n2:7422", "n2.example.org:1", "10.0.0.2:7422", "[fd00::2]:7422"] {
            assert_eq!(address(&json!(good)).as_deref(), Ok(good));
        }
        for bad in
            ["", "n2", "n2:", ":7422", "n2:0", "n2:70000", "fd00::2:7422", "a b:1", "http://n2:1"]
        {
            assert!(address(&json!(bad)).is_err(), "{bad}");
        }
        assert!(address(&json!(7422)).is_err());
    }
}
