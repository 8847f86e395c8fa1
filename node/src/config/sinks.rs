//! Reads where events go.

mod pulsar;

use std::path::PathBuf;

use actors::sink::PulsarTarget;
use model::decode::{Fields, Problems, integer, text};
use serde_json::{Value, json};

use super::{
    place::{Inner, Place, Tree},
    places::Places,
};

/// The most sinks.
const MAX_SINKS: usize = 16;
/// The kinds of sink that are not in this version.
const LATER: [&str; 2] = ["kafka", "webhook"];
/// The smallest file that is worth rotating.
const MIN_ROTATE: u64 = 64 * 1024;

/// Where events go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sink {
    /// Its name, which its cursors are kept by.
    pub(crate) name: String,
    /// What it is.
    pub(crate) kind: SinkKind,
}

/// The kinds of sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SinkKind {
    /// A file of JSON lines on this node.
    File(FileSink),
    /// A topic of Apache Pulsar.
    Pulsar(Box<PulsarTarget>),
}

/// A file of JSON lines on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileSink {
    /// The file.
    pub(crate) path: PathBuf,
    /// Beyond so many bytes a new file is begun; the sink's usual 128 MiB where absent.
    pub(crate) rotate_bytes: Option<u64>,
    /// How many finished files are kept; the sink's usual 8 where absent.
    pub(crate) keep: Option<u32>,
}

/// Writes out the sink of a configuration that names none: a file in the data directory.
pub(super) fn put_default(tree: &mut Tree) {
    let data_dir = tree.place.find("/node/data_dir").spot;
    let (Value::Object(values), Inner::Map(places)) = (&mut tree.value, &mut tree.place.inner)
    else {
        return;
    };
    if values.get("sinks").is_some_and(|sinks| !sinks.is_null()) {
        return;
    }
    let written = values.get("node").and_then(|node| node.get("data_dir")).and_then(Value::as_str);
    let path = format!("{}/events.jsonl", written.unwrap_or("./data"));
    values.insert("sinks".to_owned(), json!([{"file": {"path": path}}]));
    // Whatever was said of the data directory holds for the file, too.
    let within = |key: &str, place| {
        let inner = Inner::Map(Places::new(vec![(key.into(), place)]));
        Place { spot: data_dir, inner }
    };
    let sink = within("file", within("path", Place::leaf(data_dir)));
    places.insert("sinks", Place { spot: data_dir, inner: Inner::List(vec![sink]) });
}

/// Reads the list. `place` says where a relative path starts.
pub(super) fn decode(
    root: &mut Fields<'_>,
    place: &dyn Fn(&str, &str) -> PathBuf,
    problems: &Problems,
) -> Vec<Sink> {
    let mut sinks: Vec<Sink> = Vec::new();
    for (pointer, value) in root.list("sinks", MAX_SINKS) {
        let Some(sink) = sink(value, &pointer, place, problems) else { continue };
        if sinks.iter().any(|other| other.name == sink.name) {
            let detail = format!("a sink named `{}` exists already; give one a `name`", sink.name);
            problems.report(&pointer, detail);
        }
        if let Some((key, detail)) = sinks.iter().find_map(|other| sink.clash(other)) {
            problems.report(format!("{pointer}/{key}"), detail);
        }
        sinks.push(sink);
    }
    sinks
}

impl Sink {
    /// Where two sinks would be in each other's way.
    fn clash(&self, other: &Self) -> Option<(&'static str, &'static str)> {
        match (&self.kind, &other.kind) {
            (SinkKind::File(a), SinkKind::File(b)) if a.path == b.path => {
                Some(("file/path", "another sink writes to this file"))
            }
            (SinkKind::Pulsar(a), SinkKind::Pulsar(b)) if a.topic == b.topic && a.url == b.url => {
                Some(("pulsar/topic", "another sink publishes to this topic"))
            }
            _ => None,
        }
    }
}

fn sink(
    value: &Value,
    pointer: &str,
    place: &dyn Fn(&str, &str) -> PathBuf,
    problems: &Problems,
) -> Option<Sink> {
    let mut fields = Fields::new(value, pointer, problems)?;
    let name = fields.optional("name", text(63));
    fields.later(&LATER);
    let is_set = |key: &str| value.get(key).is_some_and(|value| !value.is_null());
    let (file, pulsar) = (fields.object("file"), fields.object("pulsar"));
    if is_set("file") && is_set("pulsar") {
        problems.report(pointer, "set `file` or `pulsar`, and give each sink an item of its own");
    }
    if !["file", "pulsar"].iter().chain(&LATER).any(|key| is_set(key)) {
        problems
            .report(pointer, "`file` is missing; such as `file: { path: ./data/events.jsonl }`");
    }
    fields.finish();
    let (usual, kind) = match (file, pulsar) {
        (Some(fields), _) => ("file", SinkKind::File(file_sink(fields, place))),
        (None, Some(fields)) => {
            ("pulsar", SinkKind::Pulsar(Box::new(pulsar::decode(fields, place))))
        }
        (None, None) => return None,
    };
    Some(Sink { name: name.unwrap_or_else(|| usual.to_owned()), kind })
}

fn file_sink(mut file: Fields<'_>, place: &dyn Fn(&str, &str) -> PathBuf) -> FileSink {
    let path = file.required("path", text(1_000));
    let rotate_bytes = file.optional("rotate_bytes", integer(MIN_ROTATE, 1 << 40));
    let keep = file.optional("keep", integer(1, 10_000));
    let path = place(&file.at("path"), &path.unwrap_or_default());
    if path.is_dir() {
        file.problem("path", format!("{} is a directory", path.display()));
    }
    file.finish();
    let keep = keep.and_then(|keep| u32::try_from(keep).ok());
    FileSink { path, rotate_bytes, keep }
}
