//! Decides stored transitions again, and shows those that would be others.

use std::path::Path;

use futures_util::{StreamExt, stream};
use serde_json::Value;

use super::{
    ReplayArgs,
    compare::{Outcome, Rules, Thresholds},
    select,
    told::{Sum, offence, table},
};
use crate::{
    cli::{
        args::Format,
        client::Client,
        error::{CliError, Verdict},
        output::{Output, note},
        rows::{items, shown},
        text::grouped,
    },
    config::load_thresholds,
};

/// Resources that are asked about at once.
const AT_ONCE: usize = 8;
/// After so many resources it says how far it is.
const SAY: usize = 1_000;

pub(super) async fn run(
    args: &ReplayArgs,
    client: &Client,
    output: &Output,
) -> Result<Verdict, CliError> {
    // A file that cannot be used is no reason to ask anybody.
    let candidate = args.thresholds.as_deref().map(load).transpose()?;
    let rows = select::resources(args, client).await?;
    let (sum, differing) = judge(args, &rows, candidate.as_ref(), client).await?;
    let first = differing.first().cloned();
    show(differing, output)?;
    note(&sum.line());
    match first.filter(|_| candidate.is_none()) {
        None => Ok(Verdict::Good),
        Some(first) => {
            note(&offence(&first));
            Ok(Verdict::Bad)
        }
    }
}

fn load(file: &Path) -> Result<Thresholds, CliError> {
    load_thresholds(file).map_err(|invalid| {
        let text = format!("{} is not valid:\n{invalid}", file.display());
        CliError::Failed(text.trim_end().to_owned())
    })
}

async fn judge(
    args: &ReplayArgs,
    rows: &[Value],
    candidate: Option<&Thresholds>,
    client: &Client,
) -> Result<(Sum, Vec<Value>), CliError> {
    let since = args.since.map(super::Since::moment);
    let asked = rows.iter().map(|row| select::history(row, args.limit, since, client));
    // In the order of the resources, so that the same question gets the same answer.
    let mut histories = stream::iter(asked).buffered(AT_ONCE);
    let (mut sum, mut differing, mut looked_at) = (Sum::default(), Vec::new(), 0);
    while let Some(history) = histories.next().await {
        looked_at += 1;
        if looked_at % SAY == 0 {
            let (done, all) = (grouped(looked_at as u64), grouped(rows.len() as u64));
            note(&format!("{done} of {all} resources are looked at"));
        }
        let Some((events, policy)) = history? else { continue };
        sum.resources += 1;
        let rules = Rules::of(&policy, candidate);
        for event in &events {
            let outcome = rules.as_ref().map_or(Outcome::Unreadable, |rules| rules.judge(event));
            sum.count(&outcome);
            if let Outcome::Differs(difference) = outcome {
                differing.push(difference);
            }
        }
    }
    Ok((sum, differing))
}

fn show(differing: Vec<Value>, output: &Output) -> Result<(), CliError> {
    if differing.is_empty() && output.format == Format::Table {
        return Ok(());
    }
    let names = |found: &Value| items(found).iter().map(|one| shown(&one["event_id"])).collect();
    let found = Value::Array(differing);
    output.show(&found, names, |output| output.table(&table(&found, output.width.is_some())))
}
