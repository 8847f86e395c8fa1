//! The configuration: strict YAML in, one immutable value or every problem at once out.
//!
//! Invariant: a [`Config`] that exists is valid; nothing in it is checked again later.

mod cycles;
mod files;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod merge;
mod overrides;
mod peers;
mod place;
mod places;
mod problem;
pub(crate) mod quickstart;
mod resources;
pub(crate) mod schema;
mod secrets;
mod sections;
mod sinks;
#[cfg(test)]
mod tests;
mod thresholds;
pub(crate) mod yaml;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    path::{Path, PathBuf},
};

use model::{
    ResourceSpec,
    decode::{Fields, Problems},
    spec::{Defaults, Origin, SpecDecoder},
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use files::Reader;
pub(crate) use peers::Peers;
use place::{Source, Sources, Tree};
pub(crate) use problem::{ConfigProblem, Invalid};
pub(crate) use resources::written_id;
pub(crate) use secrets::Secret;
pub(crate) use sections::{Cluster, Grpc, Listen, Node};
pub(crate) use sinks::{Sink, SinkKind};
pub(crate) use thresholds::load_thresholds;

/// The most values of a configuration, aliases expanded.
const MAX_VALUES: usize = 8_000_000;

/// What the node runs by.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    /// Who the cluster is.
    pub(crate) cluster: Cluster,
    /// Who and where this node is.
    pub(crate) node: Node,
    /// Where it listens.
    pub(crate) listen: Listen,
    /// How it takes part in a cluster of several nodes.
    pub(crate) peers: Peers,
    /// Where events go.
    pub(crate) sinks: Vec<Sink>,
    /// Secrets by name.
    pub(crate) secrets: BTreeMap<String, Secret>,
    /// What a declaration gets where it says nothing.
    pub(crate) defaults: Defaults,
    /// What is watched, in the order of the document.
    pub(crate) resources: Vec<ResourceSpec>,
    /// The merged document: files, environment and flags, the default sink written out.
    pub(crate) document: Value,
    /// `sha256:` and the hexadecimal SHA-256 of the document's JSON.
    pub(crate) digest: String,
    /// The main file as an absolute path; none for the embedded quick start.
    pub(crate) file: Option<PathBuf>,
}

/// Where a configuration comes from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins {
    /// The main file; the embedded quick start where absent.
    pub(crate) file: Option<PathBuf>,
    /// The environment; only `BELLWETHER_SECTION__KEY` counts.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// `--listen-http`.
    pub(crate) listen_http: Option<String>,
    /// `--data-dir`.
    pub(crate) data_dir: Option<String>,
}

impl Config {
    /// Lets go of the document and its resources, once the shards hold them: a second copy would
    /// cost as much again.
    pub(crate) fn forget_resources(&mut self) {
        self.resources = Vec::new();
        self.document = Value::Null;
    }

    /// Reads, merges, decodes and checks.
    ///
    /// # Errors
    /// Every problem, each with its file, line and key.
    pub(crate) fn load(origins: &Origins) -> Result<Self, Invalid> {
        let mut sources = Sources::default();
        let mut problems = Vec::new();
        match read(origins, &mut sources, &mut problems) {
            Some(tree) => Self::settle(tree, &sources, origins.file.as_deref(), problems),
            None => Err(Invalid::new(problems)),
        }
    }

    /// Decodes and checks what was read; `problems` are those of the reading.
    fn settle(
        mut tree: Tree,
        sources: &Sources,
        file: Option<&Path>,
        mut problems: Vec<ConfigProblem>,
    ) -> Result<Self, Invalid> {
        if !tree.value.is_object() {
            let detail = "holds no configuration; expected keys such as `cluster` and `resources`";
            problems.push(ConfigProblem::at(sources, tree.place.spot, "", detail));
            return Err(Invalid::new(problems));
        }
        sinks::put_default(&mut tree);
        let decoded = Problems::default();
        let config = decode(&tree, sources, file, &decoded);
        let located = decoded.into_vec().into_iter();
        problems.extend(located.map(|p| ConfigProblem::located(sources, &tree.place, p)));
        match config {
            Some(config) if problems.is_empty() => {
                let digest = digest(&tree.value);
                // Absolute, because clients that are told of it run elsewhere.
                let file = file.map(|file| std::path::absolute(file).unwrap_or(file.to_owned()));
                Ok(Self { document: tree.value, digest, file, ..config })
            }
            _ => Err(Invalid::new(problems)),
        }
    }
}

fn read(
    origins: &Origins,
    sources: &mut Sources,
    problems: &mut Vec<ConfigProblem>,
) -> Option<Tree> {
    let mut budget = MAX_VALUES;
    let mut tree = match &origins.file {
        Some(file) => Reader::new(sources, &mut budget, problems).read(file)?,
        None => {
            let parsed = quickstart::read(sources, &mut budget);
            Reader::new(sources, &mut budget, problems).accept(parsed)?
        }
    };
    problems.extend(overrides::apply_environment(&mut tree, sources, &origins.environment));
    let flags = [
        ("--listen-http", ("listen", "http"), &origins.listen_http),
        ("--data-dir", ("node", "data_dir"), &origins.data_dir),
    ];
    for (flag, path, value) in flags {
        if let Some(value) = value {
            overrides::apply_flag(&mut tree, sources, flag, path, value);
        }
    }
    if origins.file.is_none()
        && let Err(detail) = quickstart::substitute(&mut tree)
    {
        let found = tree.place.find("/listen/http");
        problems.push(ConfigProblem::at(sources, found.spot, found.key, detail));
        return None;
    }
    Some(tree)
}

fn decode(
    tree: &Tree,
    sources: &Sources,
    file: Option<&Path>,
    problems: &Problems,
) -> Option<Config> {
    let base = file.and_then(Path::parent).unwrap_or(Path::new(""));
    // Paths in a file start at the main file's directory, all others where the command runs.
    let place = |pointer: &str, written: &str| -> PathBuf {
        match sources.get(tree.place.find(pointer).spot.source) {
            Source::File(_) => base.join(written),
            Source::Override(_) => PathBuf::from(written),
        }
    };
    let show = |pointer: &str| sources.show(tree.place.find(pointer).spot);
    let mut root = Fields::new(&tree.value, "", problems)?;
    let cluster = sections::cluster(root.object("cluster"));
    let node = sections::node(root.object("node"), &place);
    let listen = sections::listen(root.object("listen"));
    let defaults = root.object("defaults").map_or_else(Defaults::default, Defaults::decode);
    let peers = peers::decode(&mut root, &place, problems);
    let secrets = secrets::decode(&mut root, &place, problems);
    let sinks = sinks::decode(&mut root, &place, problems);
    let decoder = SpecDecoder {
        defaults: &defaults,
        origin: Origin::Config,
        node: &node.name,
        region: node.region.as_deref(),
        secrets: &secrets.keys().cloned().collect::<BTreeSet<_>>(),
    };
    let resources = resources::decode(&mut root, &decoder, &place, &show, problems);
    check_as_a_whole(&root, &peers, &listen, &resources);
    sections::later_sections(&mut root);
    root.finish();
    Some(Config {
        cluster,
        node,
        listen,
        peers,
        sinks,
        secrets,
        defaults,
        resources,
        document: Value::Null,
        digest: String::new(),
        file: None,
    })
}

/// What one section asks of another.
fn check_as_a_whole(root: &Fields<'_>, peers: &Peers, listen: &Listen, resources: &[ResourceSpec]) {
    if !peers.addresses.is_empty() && !resources.is_empty() {
        root.problem(
            "resources",
            "in a cluster of several nodes this version takes resources over the API only; \
             declare them by PUT /api/v1/infrastructure/resources/ID, and leave this empty",
        );
    }
    if peers.tls.is_some() && listen.peer.ip().is_unspecified() && listen.advertise.is_none() {
        let detail = format!(
            "listen.peer is {}, where no other node finds this one; set listen.advertise to the \
             host and port at which others reach it",
            listen.peer
        );
        root.problem("listen", detail);
    }
}

fn digest(document: &Value) -> String {
    let hash = Sha256::digest(document.to_string());
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// The value of a YAML text without faults, for tests of what is written.
#[cfg(any(test, fuzzing))]
pub(crate) fn yaml_value(text: &str) -> Option<Value> {
    let source = Sources::default().add(Source::File(String::new()));
    let parsed = yaml::parse(text, source, &mut 100_000);
    parsed.tree.filter(|_| parsed.faults.is_empty()).map(|tree| tree.value)
}
