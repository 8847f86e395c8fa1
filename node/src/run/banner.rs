//! What a person sees when a node starts: progress, where to look, what to try.
//!
//! On a terminal it is written for people; otherwise the log says the same in fields.

use std::{
    io::{self, IsTerminal, Write},
    path::Path,
    sync::Arc,
};

use raft::Shards;
use tracing::info;

use crate::config::Config;

/// Every problem of a configuration, a line each.
pub(super) fn problems(problems: &str) {
    // Nobody is left to tell if standard error is closed.
    let _ = writeln!(io::stderr(), "{problems}");
}

/// Tells how many groups are loaded, of how many.
pub(super) fn progress(data_dir: &Path) -> Arc<dyn Fn(u32, u32) + Send + Sync> {
    let (terminal, place) = (io::stderr().is_terminal(), data_dir.display().to_string());
    Arc::new(move |open, total| {
        if terminal {
            let end = if open == total { "\n" } else { "" };
            let _ = write!(io::stderr(), "\rloading {place}: {open} of {total} groups{end}");
        } else if open == total {
            info!(data_dir = place, groups = total, "loaded");
        }
    })
}

/// Tells that the node is up.
pub(super) fn ready(config: &Config, resources: usize, shards: &Shards) {
    let cluster = &shards.cluster().name;
    let url = format!("http://{}", config.listen.http);
    if !io::stderr().is_terminal() {
        info!(url, cluster, node = config.node.name, resources, "ready");
        return;
    }
    let server =
        if config.listen.http.port() == 7420 { String::new() } else { format!(" --server {url}") };
    let host = &config.node.name;
    let text = format!(
        "\nBellwether watches {resources} resources of cluster {cluster} from node {host}.\n\
         \n  API         {url}/api/v1/infrastructure/resources\n  \
         Reference   {url}/docs\n  \
         Figures     {url}/metrics\n\
         \nTry, in another terminal:\n  \
         bellwether{server} get                what is watched, and how it is\n  \
         bellwether{server} get -w             follow every change\n  \
         bellwether{server} describe host:{host}   one resource in full\n\
         \nCtrl-C stops. Changes of health appear below.\n\n"
    );
    let _ = write!(io::stderr(), "{text}");
}
