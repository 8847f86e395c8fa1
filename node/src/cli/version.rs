//! `bellwether version`.

use serde_json::json;

use super::{
    error::{CliError, Verdict},
    output::Output,
};

/// Fail points and seeded bugs make a node untrustworthy: it must not pass for another.
const SUFFIX: &str = if cfg!(feature = "chaos") { "+chaos" } else { "" };

/// Prints what this binary is.
pub(super) fn run(output: &Output) -> Result<Verdict, CliError> {
    let version = format!("{}{SUFFIX}", env!("CARGO_PKG_VERSION"));
    let (system, machine) = (std::env::consts::OS, std::env::consts::ARCH);
    let value = json!({"version": version, "os": system, "arch": machine});
    output.show(
        &value,
        |_| vec![version.clone()],
        |_| format!("bellwether {version} ({system}/{machine})\n"),
    )?;
    Ok(Verdict::Good)
}
