//! `bellwether config`, and what other commands need of the node's configuration.

mod diff;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{
    client::{Client, Query},
    error::{CliError, Verdict},
    output::{Output, note},
    rows::{items, shown, text},
    table::TableView,
    text::{age_of, now},
};
use crate::config::{Config, Origins};

const PATH: [&str; 3] = ["api", "v1", "config"];

const NONE_STORED: &str =
    "no configuration is stored: each node of a cluster of several has a file of its own";

/// As in a cluster of several nodes.
fn is_stored_nowhere(config: &Value) -> bool {
    config["version"] == 0
}

/// Shows the version in force, over all and in every shard. Exits 1 where a shard lags.
pub(super) async fn status(client: &Client, output: &Output) -> Result<Verdict, CliError> {
    let mut config = client.get(&PATH, &[], &Query::new()).await?.body;
    let shards = items(&config["shards"]);
    let lagging = shards.iter().filter(|shard| shard["version"] != config["version"]).count();
    if let Value::Object(map) = &mut config {
        // The document is long and not the status; `config diff` looks into it.
        map.remove("document");
    }
    let names = |config: &Value| vec![shown(&config["version"])];
    output.show(&config, names, |output| status_page(output, &config, lagging))?;
    Ok(if lagging == 0 { Verdict::Good } else { Verdict::Bad })
}

fn status_page(output: &Output, config: &Value, lagging: usize) -> String {
    if is_stored_nowhere(config) {
        return format!("{NONE_STORED}\n");
    }
    let loaded = text(config, "loaded_at");
    let file = match text(config, "file") {
        "" => "the embedded quick start".to_owned(),
        _ => shown(&config["file"]),
    };
    let shards = items(&config["shards"]);
    let lines = [
        ("Version", shown(&config["version"])),
        ("Digest", shown(&config["digest"])),
        ("File", file),
        ("Loaded", format!("{} ago, at {}", age_of(loaded, now()), shown(&config["loaded_at"]))),
        ("Shards", format!("{} of {} have it", shards.len() - lagging, shards.len())),
    ];
    let mut page: String =
        lines.iter().map(|(name, value)| format!("{name:10}{value}\n")).collect();
    if lagging > 0 {
        let mut table = TableView::new(&["SHARD", "VERSION"]);
        for shard in shards.iter().filter(|shard| shard["version"] != config["version"]) {
            table.row([&shown(&shard["shard"]), &shown(&shard["version"])]);
        }
        page.push_str(&output.table(&table));
    }
    page
}

/// Compares a file with what the node runs by. Exits 1 where they differ.
pub(super) async fn diff(
    file: Option<PathBuf>,
    client: &Client,
    output: &Output,
) -> Result<Verdict, CliError> {
    let config = client.get(&PATH, &[], &Query::new()).await?.body;
    if is_stored_nowhere(&config) {
        return Err(CliError::Failed(format!("{NONE_STORED}; try `bellwether check config FILE`")));
    }
    let running = config["file"].as_str().filter(|file| !file.is_empty());
    let file = file.or_else(|| running.map(PathBuf::from)).ok_or_else(|| {
        CliError::Failed("the node runs the embedded quick start; name a file to compare".into())
    })?;
    let local = load(&file)?;
    let differences = diff::compare(&config["document"], &local.document);
    let value = json!({"file": file, "version": config["version"], "differences": differences});
    if differences.is_empty() {
        note(&format!("{} is what the node runs by", file.display()));
    }
    let names = |_: &Value| differences.iter().map(|difference| difference.path.clone()).collect();
    output.show(&value, names, |output| {
        differences.iter().map(|difference| difference.line(output)).collect()
    })?;
    Ok(if differences.is_empty() { Verdict::Good } else { Verdict::Bad })
}

/// Without this shell's environment: it is the node's that counts there.
fn load(file: &Path) -> Result<Config, CliError> {
    let origins = Origins { file: Some(file.to_owned()), ..Origins::default() };
    Config::load(&origins).map_err(|invalid| {
        CliError::Failed(
            format!("{} is not valid:\n{invalid}", file.display()).trim_end().to_owned(),
        )
    })
}

/// The files of the node's file sink, rotated ones included.
pub(super) async fn event_files(client: &Client) -> Result<Vec<PathBuf>, CliError> {
    let config = client.get(&PATH, &[], &Query::new()).await?.body;
    if is_stored_nowhere(&config) {
        return Err(CliError::Failed(
            "the node is one of several, which write a file each; name them: \
             bellwether events verify n1/events*.jsonl n2/events*.jsonl"
                .to_owned(),
        ));
    }
    let sinks = items(&config["document"]["sinks"]);
    let written = sinks.iter().find_map(|sink| sink["file"]["path"].as_str()).ok_or_else(|| {
        CliError::Failed("the node has no file sink; name the files to verify".to_owned())
    })?;
    // Paths in a configuration file start at its directory.
    let base = config["file"].as_str().map(Path::new).and_then(Path::parent);
    let path = base.unwrap_or(Path::new("")).join(written);
    let files = with_rotated(&path);
    if files.is_empty() {
        let path = path.display();
        return Err(CliError::Failed(format!(
            "the node writes its events to {path}, which is not on this machine; name the files"
        )));
    }
    Ok(files)
}

/// The file and its rotated forms: `events.jsonl` and `events.000001.jsonl`.
fn with_rotated(path: &Path) -> Vec<PathBuf> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let text =
        |part: Option<&std::ffi::OsStr>| part.and_then(|part| part.to_str()).map(str::to_owned);
    let (Some(name), Some(stem)) = (text(path.file_name()), text(path.file_stem())) else {
        return Vec::new();
    };
    let extension = name[stem.len()..].to_owned();
    let rotated = |file: &str| {
        let rest = file.strip_prefix(&stem).and_then(|rest| rest.strip_prefix('.'));
        let number = rest.and_then(|rest| rest.strip_suffix(&extension));
        number.is_some_and(|n| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let entries = std::fs::read_dir(directory.unwrap_or(Path::new("."))).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|file| *file == name || rotated(file))
        .map(|file| path.with_file_name(file))
        .collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_files_belong_to_their_sink() {
        let directory = tempfile::tempdir().unwrap();
        for name in
            ["e.jsonl", "e.000001.jsonl", "e.000002.jsonl", "e.x.jsonl", "e..jsonl", "f.jsonl"]
        {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        let found = with_rotated(&directory.path().join("e.jsonl"));
        let names: Vec<_> =
            found.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["e.000001.jsonl", "e.000002.jsonl", "e.jsonl"]);
        assert!(with_rotated(&directory.path().join("none")).is_empty());
    }
}
