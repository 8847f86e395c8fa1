//! The blackbox exporter: one process with a module for each kind of check.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::Result;
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::Aim;
use crate::{
    component::{self, Missing},
    plan::Plan,
    process::{Process, free_port},
};

const START: Duration = Duration::from_secs(30);
const MODULES: &str = "\
modules:
  http:
    prober: http
    timeout: 3s
    http: { preferred_ip_protocol: ip4 }
  tcp:
    prober: tcp
    timeout: 3s
    tcp: { preferred_ip_protocol: ip4, query_response: [{ expect: '^ok' }] }
";

/// A running exporter. It is killed when the value is dropped.
pub(super) struct Blackbox {
    pub(super) process: Process,
    address: String,
    _directory: TempDir,
}

/// Whether it is to be had here; builds it once.
pub(super) async fn available() -> Result<PathBuf, Missing> {
    component::find("blackbox").await
}

impl Blackbox {
    pub(super) async fn start(plan: &Plan, program: &Path) -> Result<Self> {
        let directory = plan.directory("blackbox-")?;
        let modules = directory.path().join("blackbox.yml");
        std::fs::write(&modules, MODULES)?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let mut command = Command::new(program);
        command.arg(format!("--config.file={}", modules.display()));
        command.args([&format!("--web.listen-address={address}"), "--log.level=error"]);
        let process = Process::start("blackbox", &mut command, &directory.path().join("log"))?;
        let mut exporter = Self { process, address, _directory: directory };
        let address = exporter.address.clone();
        let ready = async || TcpStream::connect(&address).await.is_ok();
        exporter.process.until_ready(START, ready).await?;
        Ok(exporter)
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }
}

/// The path that asks for one probe.
pub(super) fn question(aim: &Aim) -> String {
    match aim {
        Aim::Http(url) => format!("/probe?module=http&target={url}"),
        Aim::Tcp(address) => format!("/probe?module=tcp&target={address}"),
    }
}
