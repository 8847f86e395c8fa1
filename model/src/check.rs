//! What to check of a resource, and how.

mod decode;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Millis;

/// One check, as declared. Stored records hold it as it is here; people see [`CheckSpec::to_json`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckSpec {
    /// CPU, memory, disks, network and load of the host that a node runs on.
    Host(HostCheck),
    /// An HTTP or HTTPS request and what its answer must be. Boxed, because it is by far the
    /// largest and other checks are declared as often.
    Http(Box<HttpCheck>),
    /// A TCP connection, optionally with something to send and to expect.
    Tcp(TcpCheck),
    /// Echo requests.
    Icmp(IcmpCheck),
    /// A DNS question and what its answer must hold.
    Dns(DnsCheck),
    /// A TLS handshake and how long the certificate still lasts.
    Tls(TlsCheck),
    /// Nothing is probed: results come by the API.
    Push(PushCheck),
}

/// The host check.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HostCheck {
    /// The node whose host is meant; the declaring node where absent.
    pub node: Option<String>,
}

/// The HTTP check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpCheck {
    /// `http` or `https`, with a host.
    pub url: String,
    /// GET, HEAD, POST, PUT or OPTIONS.
    pub method: String,
    /// Headers to send beside the usual ones.
    pub headers: BTreeMap<String, String>,
    /// A body to send.
    pub body: Option<String>,
    /// Where the bearer token of the `Authorization` header comes from.
    pub bearer_token: Option<SecretRef>,
    /// The status codes that pass.
    pub status: Vec<StatusRange>,
    /// A text that the body must contain.
    pub body_contains: Option<String>,
    /// A pattern that the body must match.
    pub body_regex: Option<String>,
    /// An RFC 9535 JSONPath into a JSON body.
    pub json_path: Option<String>,
    /// The JSON text that the value at `json_path` must equal; it must exist where absent.
    pub equals: Option<String>,
    /// How many redirects to follow.
    pub follow_redirects: u8,
    /// Whether certificates are verified.
    pub verify: bool,
    /// Certificates to trust instead of the system's.
    pub ca_file: Option<String>,
    /// Fewer days of the certificate's life than this is a failure.
    pub min_days: Option<u32>,
}

/// A range of HTTP status codes, both ends included. Written `200` or `200-299`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusRange {
    /// The first code.
    pub from: u16,
    /// The last code.
    pub to: u16,
}

impl std::fmt::Display for StatusRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.from == self.to {
            write!(f, "{}", self.from)
        } else {
            write!(f, "{}-{}", self.from, self.to)
        }
    }
}

/// Where a secret comes from. The secret itself is never stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SecretRef {
    /// A file of the node; only the configuration may name one (SEMANTICS 28).
    File(String),
    /// An entry of the node's `secrets:` map.
    Named(String),
}

/// The TCP check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TcpCheck {
    /// `host:port`.
    pub address: String,
    /// What to send once connected.
    pub send: Option<String>,
    /// What the answer must contain.
    pub expect: Option<String>,
}

/// The ICMP check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IcmpCheck {
    /// A name or an address.
    pub host: String,
    /// How many echo requests.
    pub count: u16,
    /// More loss than this is a failure.
    pub max_loss_percent: f64,
}

/// The kinds of DNS record that a check may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs, reason = "the names are the record types of RFC 1035 and its successors")]
pub enum RecordType {
    A,
    Aaaa,
    Cname,
    Mx,
    Ns,
    Ptr,
    Soa,
    Srv,
    Txt,
}

/// The DNS check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DnsCheck {
    /// The name to look up.
    pub name: String,
    /// The kind of record.
    pub record_type: RecordType,
    /// `address` or `address:port` of the server to ask; the system's where absent.
    pub server: Option<String>,
    /// Values that must all be among the answers.
    pub expect: Vec<String>,
}

/// The TLS check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TlsCheck {
    /// `host:port`.
    pub address: String,
    /// The name to verify; the host where absent.
    pub server_name: Option<String>,
    /// Fewer days of the certificate's life than this is a failure.
    pub min_days: u32,
    /// Certificates to trust instead of the system's.
    pub ca_file: Option<String>,
}

/// The push check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PushCheck {
    /// Silence longer than this is UNKNOWN.
    pub ttl: Millis,
}

impl CheckSpec {
    /// The key that names this check in documents and metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Host(_) => "host",
            Self::Http(_) => "http",
            Self::Tcp(_) => "tcp",
            Self::Icmp(_) => "icmp",
            Self::Dns(_) => "dns",
            Self::Tls(_) => "tls",
            Self::Push(_) => "push",
        }
    }

    /// Whether a node probes, as opposed to being told.
    #[must_use]
    pub const fn is_probed(&self) -> bool {
        !matches!(self, Self::Push(_))
    }

    /// The check as people declare it, defaults left out.
    #[must_use]
    pub fn to_json(&self) -> Value {
        decode::render(self)
    }
}

pub(crate) use decode::{CheckContext, check};
