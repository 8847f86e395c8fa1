//! Logs of the running node: for people on a terminal, JSON lines otherwise, on standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Consensus tells every step of its own at `info`; what matters of it, this node says itself.
const DEFAULT: &str = "info,openraft=error,ractor=warn";

/// Begins to log. `RUST_LOG` selects what, such as `debug` or `bellwether_raft=debug,info`.
pub(crate) fn init() {
    let (filter, fault) = match std::env::var("RUST_LOG") {
        Ok(text) if !text.is_empty() => match EnvFilter::try_new(&text) {
            Ok(filter) => (filter, None),
            Err(fault) => (EnvFilter::new(DEFAULT), Some(fault)),
        },
        _ => (EnvFilter::new(DEFAULT), None),
    };
    let terminal = io::stderr().is_terminal();
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let layer = fmt::layer().with_writer(io::stderr).with_ansi(terminal && !unwanted);
    let registry = tracing_subscriber::registry().with(filter);
    // A second start within one process keeps the first one's logger.
    let _ = if terminal {
        registry.with(layer.with_target(false)).try_init()
    } else {
        registry.with(layer.json().flatten_event(true)).try_init()
    };
    if let Some(fault) = fault {
        tracing::warn!(%fault, "RUST_LOG cannot be read; logging at info");
    }
}
