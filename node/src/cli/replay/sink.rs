//! Has a sink sent stored events again: what `sinks reset` does, but never forwards.

use std::collections::BTreeSet;

use model::delivery::ResetTo;
use serde_json::Value;

use super::follow::follow;
use crate::cli::{
    client::Client,
    error::{CliError, Verdict},
    output::Output,
    sinks::{acknowledged, look, reset},
    text::{grouped, printable},
};

pub(super) async fn run(
    (name, from): (&str, &[ResetTo]),
    yes: bool,
    client: &Client,
    output: &Output,
) -> Result<Verdict, CliError> {
    let places = places(from)?;
    let sink = look(name, client).await?;
    if let Some(sink) = &sink {
        passes_over_none(name, &places, sink)?;
    }
    match reset(name, &places, sink.filter(|_| !yes).as_ref(), client, output).await? {
        None => Ok(Verdict::Bad),
        Some(changed) => follow(name, &changed, client).await,
    }
}

/// Where it begins: everywhere with the oldest, or in each shard that is named at one place.
fn places(from: &[ResetTo]) -> Result<Vec<ResetTo>, CliError> {
    let refuse = |detail: String| Err(CliError::Usage(detail));
    let mut shards = BTreeSet::new();
    for place in from {
        match place {
            ResetTo::Latest => {
                let remedy = "`bellwether sinks reset` passes over events";
                return refuse(format!("--from latest would send nothing again; {remedy}"));
            }
            ResetTo::Oldest if from.len() > 1 => {
                return refuse("--from oldest is of all shards, and stands alone".to_owned());
            }
            ResetTo::Next(shard, _) if !shards.insert(*shard) => {
                return refuse(format!("--from names shard {shard} twice"));
            }
            ResetTo::Oldest | ResetTo::Next(..) => {}
        }
    }
    Ok(if from.is_empty() { vec![ResetTo::Oldest] } else { from.to_vec() })
}

/// A beginning behind what the sink has would lose what lies between.
fn passes_over_none(name: &str, places: &[ResetTo], sink: &Value) -> Result<(), CliError> {
    for place in places {
        let ResetTo::Next(shard, next) = place else { continue };
        let last = acknowledged(sink, *shard);
        if next.0 > last.saturating_add(1) {
            return Err(CliError::Failed(format!(
                "--from {place}: {} has shard {shard} up to {} only, and would never be sent what \
                 lies between; where that is meant, say `bellwether sinks reset {} --to {place}`",
                printable(name),
                grouped(last),
                printable(name)
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(from: &[&str]) -> Result<Vec<ResetTo>, String> {
        let from: Vec<ResetTo> = from.iter().map(|place| place.parse().unwrap()).collect();
        places(&from).map_err(|error| {
            assert!(matches!(error, CliError::Usage(_)), "{error}");
            error.to_string()
        })
    }

    #[test]
    fn a_beginning_is_the_oldest_or_one_place_in_each_shard() {
        assert_eq!(read(&[]), Ok(vec![ResetTo::Oldest]));
        assert_eq!(read(&["oldest"]), Ok(vec![ResetTo::Oldest]));
        assert_eq!(read(&["3:12", "4:7"]).unwrap().len(), 2);
        assert!(read(&["oldest", "3:12"]).unwrap_err().contains("stands alone"));
        assert!(read(&["3:12", "3:13"]).unwrap_err().contains("shard 3 twice"));
        assert!(read(&["latest"]).unwrap_err().contains("sinks reset"));
    }

    #[test]
    fn a_replay_passes_over_nothing() {
        let sink = json!({"name": "pulsar", "shards": [{"shard": 3, "cursor_offset": 1_200}]});
        let check = |from: &str| passes_over_none("pulsar", &[from.parse().unwrap()], &sink);
        assert!(check("oldest").is_ok() && check("3:7").is_ok() && check("3:1201").is_ok());
        let refused = check("3:1202").unwrap_err().to_string();
        assert!(refused.contains("has shard 3 up to 1,200 only"), "{refused}");
    }
}
