//! `bellwether-chaos`: see the library.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    bellwether_chaos::cli::main().await
}
