//! `bellwether cluster join`: waits until the asked node is a member.

use std::time::Duration;

use reqwest::StatusCode;
use tokio::time::sleep;

use super::ask;
use crate::cli::{
    client::Client,
    error::{CliError, Verdict},
    output::note,
    rows::text,
};

const LOOK: Duration = Duration::from_secs(1);

pub(super) async fn wait(client: &Client) -> Result<Verdict, CliError> {
    let mut told = String::new();
    loop {
        match ask(client).await {
            Ok(cluster) => {
                let (node, name) = (&cluster["node_id"], text(&cluster, "name"));
                note(&format!("it is node {node} of cluster {name}"));
                return Ok(Verdict::Good);
            }
            Err(CliError::Refused(refusal))
                if refusal.status == StatusCode::SERVICE_UNAVAILABLE =>
            {
                // What follows, when to ask again and the request's id, changes each time.
                let why = refusal.detail.lines().next().unwrap_or_default();
                if why != told {
                    note(why);
                    told = why.to_owned();
                }
            }
            Err(error) => return Err(error),
        }
        sleep(LOOK).await;
    }
}
