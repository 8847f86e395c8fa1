//! The configuration of a node under test, written as the YAML that people write.

use std::{fmt::Write, net::TcpListener, path::Path};

use anyhow::Result;
use serde_json::Value;

/// What differs between tests; ports and paths are filled in by [`crate::Node`].
#[derive(Debug, Clone, Default)]
pub struct Config {
    cluster: String,
    defaults: String,
    resources: Vec<Value>,
    extra: String,
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

    /// Lines to add as they are, also wrong ones.
    #[must_use]
    pub fn extra(mut self, yaml: &str) -> Self {
        self.extra = format!("{yaml}\n");
        self
    }

    /// The document for a node that keeps everything under `dir` and listens on `port`.
    #[must_use]
    pub fn render(&self, dir: &Path, port: u16) -> String {
        let mut yaml = format!(
            "cluster: {{ name: {}, shards: 16 }}\n\
             node: {{ name: n1, region: eu-1, zone: a, data_dir: {} }}\n\
             listen: {{ http: \"127.0.0.1:{port}\" }}\n",
            self.cluster,
            Value::from(dir.join("data").display().to_string()),
        );
        if !self.defaults.is_empty() {
            let _ = writeln!(yaml, "defaults: {}", self.defaults);
        }
        let events = Value::from(dir.join("events.jsonl").display().to_string());
        let _ = writeln!(yaml, "sinks:\n  - file: {{ path: {events} }}");
        yaml.push_str("resources:");
        yaml.push_str(if self.resources.is_empty() { " []\n" } else { "\n" });
        for resource in &self.resources {
            // JSON in one line is YAML, too.
            let _ = writeln!(yaml, "  - {resource}");
        }
        yaml + &self.extra
    }
}

/// A port of the loopback interface that was free a moment ago.
///
/// # Errors
/// Where no port is left.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_names_the_port_and_keeps_everything_in_its_directory() {
        let config = Config::new().timing("1s", "500ms").resource(json!({"name": "a"}));
        let yaml = config.render(Path::new("/t/x"), 81);
        for line in [
            "listen: { http: \"127.0.0.1:81\" }",
            "defaults: { interval: 1s, timeout: 500ms, failures: 1, successes: 1 }",
            "  - {\"name\":\"a\"}",
            "  - file: { path: \"/t/x/events.jsonl\" }",
        ] {
            assert!(yaml.lines().any(|found| found == line), "{line}\nis not in\n{yaml}");
        }
        assert!(yaml.contains("data_dir: \"/t/x/data\""));
    }
}
