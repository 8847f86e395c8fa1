//! Starting, stopping and reloading; and data directories that are not this node's to use.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::{Command, Output},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bellwether_tests::{
    Config, Node, binary, eventually,
    oracle::{self, EventFile},
    targets::{Protocol, Targets},
};
use rustix::process::Signal;
use serde_json::{Value, json};

const RELOADED: &str = "bellwether_config_last_reload_successful";
const STOPPED: Duration = Duration::from_secs(10);
const SOON: Duration = Duration::from_secs(15);
/// The user `nobody` of every common system.
const NOBODY: u32 = 65_534;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_told_to_stop_ends_well_within_ten_seconds() -> Result<()> {
    let targets = Targets::start(Protocol::Http, 20).await?;
    let config = (0..targets.len()).fold(Config::new().timing("500ms", "400ms"), |config, n| {
        let name = n.to_string();
        config.resource(json!({"type": "ENDPOINT", "name": name, "check": targets.check(n)}))
    });
    let mut node = Node::start(&config).await?;
    eventually("probes run", SOON, async || {
        let probed = (0..targets.len()).all(|n| !targets.target(n).log().is_empty());
        probed.then_some(()).context("some targets were not probed yet")
    })
    .await?;
    let watch = node.client().watch(None, "").await?;
    let asked = Instant::now();
    let status = node.terminate(STOPPED).await?;
    ensure!(status.success(), "the node ended with {status}:\n{}", node.log_tail());
    drop(watch);
    bellwether_tests::control::note(&format!("lifecycle: stopped in {:?}", asked.elapsed()));

    node.launch().await?;
    let rows = node.client().list("").await?;
    ensure!(rows.len() == targets.len(), "{} resources after the restart", rows.len());
    oracle::none("the event file", &EventFile::read(&node.events_file())?.violations())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_is_whole_or_not_at_all() -> Result<()> {
    let push =
        |name: &str| json!({"type": "SERVICE", "name": name, "check": {"push": {"ttl": "1h"}}});
    let first = Config::new().resource(push("a"));
    let node = Node::start(&first).await?;
    let client = node.client();
    let before = client.resource("service:a").await?;
    ensure!((client.metric(RELOADED).await? - 1.0).abs() < 0.1, "a good start counts");

    node.configure(&first.clone().resource(push("b")))?;
    node.signal(Signal::HUP)?;
    declared(&node, &["service:a", "service:b"]).await?;
    let after = client.resource("service:a").await?;
    ensure!(before["incarnation"] == after["incarnation"], "a was declared anew: {after}");

    let bad = first.clone().resource(push("c")).extra("colour: red");
    node.configure(&bad)?;
    node.signal(Signal::HUP)?;
    reload_is(&node, 0.0).await?;
    declared(&node, &["service:a", "service:b"]).await?;
    let answer = client.send(reqwest::Method::POST, "/-/reload", &[], None).await?;
    ensure!(!answer.status.is_success(), "a bad reload was answered {}", answer.status);
    ensure!(answer.text.contains("colour"), "the problem is not named: {}", answer.text);

    node.configure(&first)?;
    node.signal(Signal::HUP)?;
    declared(&node, &["service:a"]).await?;
    reload_is(&node, 1.0).await
}

async fn declared(node: &Node, wanted: &[&str]) -> Result<()> {
    let client = node.client();
    eventually("the declarations are in force", SOON, async || {
        let rows = client.list("").await?;
        let found: Vec<&str> = rows.iter().filter_map(|row| row["resource_id"].as_str()).collect();
        ensure!(found == wanted, "found {found:?}, wanted {wanted:?}");
        Ok(())
    })
    .await
}

async fn reload_is(node: &Node, wanted: f64) -> Result<()> {
    let client = node.client();
    eventually("the metric shows the reload", SOON, async || {
        let found = client.metric(RELOADED).await?;
        ensure!((found - wanted).abs() < 0.1, "{RELOADED} is {found}, wanted {wanted}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_a_data_directory_is_refused() -> Result<()> {
    let first = Node::start(&Config::new()).await?;
    let second = Node::prepare(&Config::new())?;
    let mut command = second.command();
    command.args(["run", "--config"]).arg(second.config_file());
    command.arg("--data-dir").arg(first.data_dir());
    refused(&second, command, &["in use", &first.data_dir().display().to_string()])?;
    ensure!(first.client().is_ready().await, "the first node suffered");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_of_another_cluster_or_a_newer_format_is_refused() -> Result<()> {
    let mut node = Node::start(&Config::new()).await?;
    node.terminate(STOPPED).await?;
    let directory = node.data_dir().display().to_string();

    node.configure(&Config::new().cluster("other"))?;
    refused(&node, run(&node), &["\"test\"", "\"other\"", &directory])?;

    node.configure(&Config::new())?;
    let file = node.data_dir().join("CLUSTER");
    let sound = fs::read_to_string(&file)?;
    let mut identity: Value = serde_json::from_str(&sound)?;
    identity["format"] = json!(9_999);
    fs::write(&file, identity.to_string())?;
    refused(&node, run(&node), &["format 9999", &directory])?;

    fs::write(&file, sound)?;
    node.launch().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_that_cannot_be_written_is_refused() -> Result<()> {
    let node = Node::prepare(&Config::new())?;
    let directory = node.data_dir();
    fs::create_dir(&directory)?;
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o555))?;
    let mut command = run(&node);
    if rustix::process::getuid().is_root() {
        command = as_nobody(&node)?;
    }
    refused(&node, command, &["ermission denied", &node.dir().display().to_string()])
}

/// Permissions do not bind root: somebody else runs a copy that everybody can reach.
fn as_nobody(node: &Node) -> Result<Command> {
    let copy = node.dir().join("bellwether");
    fs::copy(binary::path()?, &copy)?;
    for (path, mode) in [(node.dir(), 0o755), (&copy, 0o755), (&node.config_file(), 0o644)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    let mut command = Command::new(copy);
    command.current_dir(node.dir()).args(["run", "--config"]).arg(node.config_file());
    command.uid(NOBODY).gid(NOBODY);
    Ok(command)
}

fn run(node: &Node) -> Command {
    let mut command = node.command();
    command.args(["run", "--config"]).arg(node.config_file());
    command
}

/// The command ends by itself, soon, with 1 and a message that has all the parts.
fn refused(node: &Node, command: Command, parts: &[&str]) -> Result<()> {
    let output = ended(node, command)?;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    ensure!(output.status.code() == Some(1), "ended with {}:\n{text}", output.status);
    // A log may quote the quotes of a message.
    let plain = text.replace("\\\"", "\"");
    for part in parts {
        ensure!(plain.contains(part), "{part:?} is not in:\n{text}");
    }
    ensure!(!text.contains("panicked"), "a panic is no message:\n{text}");
    Ok(())
}

fn ended(node: &Node, mut command: Command) -> Result<Output> {
    let (out, err) = (node.dir().join("refused.out"), node.dir().join("refused.err"));
    let mut child = command
        .stdin(std::process::Stdio::null())
        .stdout(fs::File::create(&out)?)
        .stderr(fs::File::create(&err)?)
        .spawn()?;
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Output { status, stdout: fs::read(&out)?, stderr: fs::read(&err)? });
        }
        if started.elapsed() > SOON {
            child.kill()?;
            child.wait()?;
            anyhow::bail!("still running after {SOON:?}:\n{}", fs::read_to_string(&err)?);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
