//! `bellwether get`.

use model::{ResourceId, ResourceType, decode::nearest};
use reqwest::StatusCode;
use serde_json::Value;

use super::{
    args::{Format, GetArgs},
    client::{Client, Query, RESOURCES},
    error::{CliError, Refusal, Verdict},
    follow::follow,
    output::{Output, note},
    rows::{ids, shown, text},
    table::TableView,
    text::{age_of, cut, now, printable},
};

/// The most rows of a page.
const PAGE: &str = "5000";

/// What the argument turned out to be.
enum What {
    All,
    Type(ResourceType),
    One(ResourceId),
}

/// Lists resources.
pub(super) async fn run(
    args: &GetArgs,
    client: &Client,
    output: &Output,
) -> Result<Verdict, CliError> {
    let what = what(args.what.as_deref())?;
    if args.watch {
        return watch(args, &what, client, output).await;
    }
    let (value, rows) = match &what {
        What::One(id) => {
            let one = one(id, client).await?;
            (one.clone(), vec![one])
        }
        What::All | What::Type(_) => {
            let mut query = filters(args, &what);
            query.push(("limit", PAGE.to_owned()));
            let rows = client.list(&RESOURCES, &[], &query, usize::MAX).await?;
            (Value::Array(rows.clone()), rows)
        }
    };
    if rows.is_empty() && output.format == Format::Table {
        note("no resources; declare some in the configuration, or with PUT over the API");
    } else {
        output.show(&value, ids, |output| output.table(&table(&rows)))?;
    }
    // A selection that matches nothing is a mistake, and no reason to be calm.
    let healthy =
        !rows.is_empty() && rows.iter().all(|row| text(row, "health_status") == "HEALTHY");
    Ok(if args.exit_status && !healthy { Verdict::Bad } else { Verdict::Good })
}

/// Asks for one resource; where there is none, names the nearest.
pub(super) async fn one(id: &ResourceId, client: &Client) -> Result<Value, CliError> {
    match client.get(&RESOURCES, &[id.as_str()], &Query::new()).await {
        Ok(answer) => Ok(answer.body),
        Err(CliError::Refused(refusal)) if refusal.status == StatusCode::NOT_FOUND => {
            Err(CliError::Refused(with_hint(id, refusal, client).await))
        }
        Err(error) => Err(error),
    }
}

async fn with_hint(id: &ResourceId, refusal: Refusal, client: &Client) -> Refusal {
    let query = vec![("limit", PAGE.to_owned())];
    let first_page = client.get(&RESOURCES, &[], &query).await;
    let mut known = first_page.map(|answer| ids(&answer.body)).unwrap_or_default();
    known.extend(ResourceType::ALL.iter().map(|t| t.as_str().to_owned()));
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let hint = nearest(id.as_str(), &known);
    let hint = if hint.starts_with(", did") { hint } else { "; `bellwether get` lists all".into() };
    Refusal { detail: format!("there is no resource `{id}`{hint}"), ..refusal }
}

/// Types are found in any case, with dashes, and in the plural.
fn what(argument: Option<&str>) -> Result<What, CliError> {
    let Some(argument) = argument else { return Ok(What::All) };
    let name = argument.replace('-', "_");
    let singular = name.strip_suffix(['s', 'S']).unwrap_or(&name);
    if let Ok(found) = name.parse().or_else(|_| singular.parse()) {
        return Ok(What::Type(found));
    }
    argument.parse().map(What::One).map_err(|e: model::ids::InvalidId| {
        CliError::Failed(format!("{argument:?} is neither a resource type nor an id: {e}"))
    })
}

fn filters(args: &GetArgs, what: &What) -> Query {
    let mut query = Query::new();
    if let What::Type(resource_type) = what {
        query.push(("resource_type", resource_type.to_string()));
    }
    let flags = [("labels", args.selector.clone()), ("namespace", args.namespace.clone())];
    query.extend(flags.into_iter().filter_map(|(name, value)| Some((name, value?))));
    query.extend(args.status.map(|status| ("health_status", status.to_string())));
    query
}

fn table(rows: &[Value]) -> TableView {
    let now = now();
    let mut table = TableView::new(&["ID", "TYPE", "STATUS", "AGE", "REASON"]);
    for row in rows {
        table.row([
            text(row, "resource_id"),
            text(row, "resource_type"),
            text(row, "health_status"),
            &age_of(text(row, "health_since"), now),
            text(row, "reason"),
        ]);
    }
    table
}

async fn watch(
    args: &GetArgs,
    what: &What,
    client: &Client,
    output: &Output,
) -> Result<Verdict, CliError> {
    if let What::One(id) = what {
        one(id, client).await?;
    }
    // The watch has no filter by id, so that of one resource is applied here.
    let wanted = |id: &str| !matches!(what, What::One(one) if one.as_str() != id);
    follow(client, &filters(args, what), |change| {
        let id = text(&change.data, "resource_id");
        if !wanted(id) {
            return Ok(());
        }
        output.show_one(&change.data, id, |output| line(output, &change.kind, &change.data))
    })
    .await?;
    Ok(Verdict::Good)
}

fn line(output: &Output, kind: &str, row: &Value) -> String {
    // Of a row that was removed, or has left the filter, this is the last that was known.
    let health = output.status(text(row, "health_status"), 11);
    let id = printable(text(row, "resource_id"));
    let time = shown(&row["last_updated"]);
    let start = format!("{time:24}  {kind:10}  ");
    let reason = printable(text(row, "reason"));
    let used = start.chars().count() + 11 + 2 + id.chars().count().max(32) + 2;
    let room = output.width.map_or(usize::MAX, |width| width.saturating_sub(used).max(10));
    format!("{start}{health}  {id:32}  {}\n", cut(&reason, room)).trim_end().to_owned() + "\n"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_are_found_however_they_are_written() {
        for name in ["endpoint", "ENDPOINTS", "Endpoint"] {
            let found = what(Some(name));
            assert!(matches!(found, Ok(What::Type(ResourceType::Endpoint))), "{name}");
        }
        let found = what(Some("kubernetes-node"));
        assert!(matches!(found, Ok(What::Type(ResourceType::KubernetesNode))));
        assert!(matches!(what(Some("host:n1")), Ok(What::One(_))));
        assert!(matches!(what(Some("a b")), Err(CliError::Failed(_))));
    }

    #[test]
    fn a_line_of_a_watch_fits_the_terminal() {
        let row = json!({"resource_id": "host:n1", "health_status": "WARNING",
            "last_updated": "2026-11-21T10:00:00.000Z", "reason": "r".repeat(200)});
        let output = Output { format: Format::Table, colour: false, width: Some(100) };
        let line = line(&output, "transition", &row);
        assert!(line.chars().count() <= 101, "{line}");
        assert!(line.contains("WARNING      host:n1 "), "{line}");
    }
}
