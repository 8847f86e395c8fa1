//! Which resources are meant, and the transitions of each.

use model::WallTime;
use reqwest::StatusCode;
use serde_json::Value;

use super::ReplayArgs;
use crate::cli::{
    client::{Client, Query, RESOURCES},
    error::CliError,
    get::one,
    rows::{EventView, text},
};

/// The most events of a page.
const PAGE: u64 = 1_000;

/// The resources that are meant.
///
/// # Errors
/// One that is named is not there, or the node does not answer.
pub(super) async fn resources(args: &ReplayArgs, client: &Client) -> Result<Vec<Value>, CliError> {
    if args.resources.is_empty() {
        let flags = [("labels", args.selector.clone()), ("namespace", args.namespace.clone())];
        let given = flags.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let query: Query = given.chain([("limit", "5000".to_owned())]).collect();
        return client.list(&RESOURCES, &[], &query, usize::MAX).await;
    }
    let mut ids = args.resources.clone();
    ids.sort_unstable();
    ids.dedup();
    let mut rows = Vec::with_capacity(ids.len());
    for id in &ids {
        rows.push(one(id, client).await?);
    }
    Ok(rows)
}

/// The transitions of one resource and its policy. None where it was removed meanwhile.
///
/// # Errors
/// The node does not answer, or refuses.
pub(super) async fn history(
    row: &Value,
    limit: Option<u32>,
    since: Option<WallTime>,
    client: &Client,
) -> Result<Option<(Vec<Value>, Value)>, CliError> {
    let id = text(row, "resource_id");
    let last = row["sequence"].as_u64().unwrap_or(0);
    // The first event tells of the declaration, and decides nothing.
    let after = limit.map_or(1, |limit| last.saturating_sub(limit.into()).max(1));
    if last <= 1 {
        return Ok(Some((Vec::new(), Value::Null)));
    }
    let query = vec![
        ("after", after.to_string()),
        ("limit", limit.map_or(PAGE, u64::from).min(PAGE).to_string()),
        ("decided_from", "true".to_owned()),
    ];
    let most = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let Some(mut events) = found(client.list(&RESOURCES, &[id, "events"], &query, most).await)?
    else {
        return Ok(None);
    };
    // Asked for last, so that no transition is of a later declaration than the policy.
    let policy = found(client.get(&RESOURCES, &[id, "policy"], &Query::new()).await)?;
    events.retain(|event| is_wanted(event, since));
    Ok(policy.map(|policy| (events, policy.body)))
}

fn is_wanted(event: &Value, since: Option<WallTime>) -> bool {
    let view = EventView::of(event);
    let time = WallTime::parse_rfc3339(view.time());
    view.kind() == "transition" && since.is_none_or(|since| time.is_none_or(|time| time >= since))
}

/// None where there is no such resource any more.
fn found<T>(answer: Result<T, CliError>) -> Result<Option<T>, CliError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(CliError::Refused(refusal)) if refusal.status == StatusCode::NOT_FOUND => Ok(None),
        Err(error) => Err(error),
    }
}
