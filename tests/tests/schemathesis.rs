//! The API under a fuzzer that others wrote: schemathesis, by the node's own description of
//! itself. No 5xx, nothing that the description does not say, no hang.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bellwether_tests::{
    Config, Node,
    control::{note, skip},
};
use serde_json::json;

/// Requests of each sort for each call.
const EXAMPLES: &str = "10";
/// The seed of every run, unless `BELLWETHER_SEED` gives another.
const SEED: &str = "20261121";
/// The longest that a run may take on a machine that does other things too; usually it takes
/// well under a minute.
const PATIENCE: Duration = Duration::from_secs(240);
/// The longest that the program may take to be installed.
const INSTALLATION: Duration = Duration::from_secs(180);
/// The exit status of a script where the machine cannot have what it is asked for.
const UNAVAILABLE: i32 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_nothing() -> Result<()> {
    let Some(program) = program().await? else { return Ok(()) };
    // Two resources, so that there is a second page, whose token requests can carry.
    let config = ["shop", "api"].into_iter().fold(Config::new(), |config, name| {
        config.resource(json!({"type": "HOST", "name": name, "labels": {"team": "shop"},
            "cluster_id": "c1", "check": {"push": {"ttl": "1h"}}}))
    });
    let node = Node::start(&config).await?;
    let (report, passed) = judged(&program, &node).await?;
    note(&summary(&report));
    ensure!(passed, "schemathesis found something:\n{report}");
    ensure!(node.client().is_ready().await, "the node is not ready any more");
    Ok(())
}

/// The program, or nothing where this machine cannot have it.
async fn program() -> Result<Option<PathBuf>> {
    let folder = tempfile::tempdir()?;
    let script = Command::new(root().join("scripts/schemathesis"));
    let (status, told) = run(script, folder.path(), INSTALLATION).await?;
    let last = told.lines().last().unwrap_or_default().trim();
    if status.code() == Some(UNAVAILABLE) {
        skip("schemathesis", last.trim_start_matches("schemathesis: "));
        return Ok(None);
    }
    ensure!(status.success(), "scripts/schemathesis failed: {told}");
    Ok(Some(PathBuf::from(last)))
}

/// What the fuzzer printed, and whether it found nothing.
async fn judged(program: &Path, node: &Node) -> Result<(String, bool)> {
    let server = format!("http://{}", node.address());
    let seed = std::env::var("BELLWETHER_SEED").unwrap_or_else(|_| SEED.to_owned());
    note(&format!("schemathesis: BELLWETHER_SEED={seed}"));
    let mut command = Command::new(program);
    command
        .args(["--config-file", "schemathesis.toml", "run", &format!("{server}/openapi.json")])
        .args(["--max-examples", EXAMPLES, "--seed", &seed, "--no-color"])
        .current_dir(root().join("tests/schemathesis"))
        .env("BELLWETHER_SERVER", &server)
        // What it keeps between runs would make them differ, and lie in the clone.
        .env("HYPOTHESIS_STORAGE_DIRECTORY", node.dir())
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let (status, report) = run(command, node.dir(), PATIENCE).await?;
    Ok((report, status.success()))
}

/// Runs a command to its end, and returns what it printed.
async fn run(mut command: Command, folder: &Path, limit: Duration) -> Result<(ExitStatus, String)> {
    let (path, started) = (folder.join("output"), Instant::now());
    let output = File::create(&path)?;
    command.stdin(Stdio::null()).stderr(output.try_clone()?).stdout(output);
    let mut running = Running(command.spawn().with_context(|| format!("{command:?}"))?);
    let status = loop {
        if let Some(status) = running.0.try_wait()? {
            break status;
        }
        let printed = || fs::read_to_string(&path).unwrap_or_default();
        ensure!(started.elapsed() < limit, "not done after {limit:?}:\n{}", printed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    Ok((status, String::from_utf8_lossy(&fs::read(&path)?).into_owned()))
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The end of the report, which counts.
fn summary(report: &str) -> String {
    let from = report.find("= SUMMARY =").unwrap_or_default();
    let lines = report[from..].lines().skip(1).map(str::trim).filter(|line| !line.is_empty());
    format!("schemathesis: {}", lines.collect::<Vec<_>>().join(" | "))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
