//! `bellwether describe`.

use model::ResourceId;
use serde_json::{Value, json};

use super::{
    client::{Client, Query, RESOURCES},
    coverage,
    error::{CliError, Verdict},
    events,
    get::one,
    output::Output,
    rows::{EventView, items, shown, text},
    text::{age_of, now, printable},
};

/// How many events are shown.
const EVENTS: u64 = 10;

/// Shows all that is known of one resource.
pub(super) async fn run(
    id: &ResourceId,
    client: &Client,
    output: &Output,
) -> Result<Verdict, CliError> {
    let resource = one(id, client).await?;
    let after = resource["sequence"].as_u64().unwrap_or(0).saturating_sub(EVENTS);
    let query = vec![("after", after.to_string()), ("limit", EVENTS.to_string())];
    let events = client.get(&RESOURCES, &[id.as_str(), "events"], &query).await?.body;
    let query: Query = vec![("since", "1h".to_owned()), ("resource_id", id.to_string())];
    let coverage = client.get(&coverage::PATH, &[], &query).await?.body;
    let all = json!({"resource": resource, "events": events, "coverage": coverage});
    output.show(&all, |_| vec![id.to_string()], |output| page(output, &all))?;
    Ok(Verdict::Good)
}

fn page(output: &Output, all: &Value) -> String {
    let resource = &all["resource"];
    let mut page = head(output, resource);
    page.push_str("\nMetrics\n");
    page.push_str(&metrics(&resource["metrics"]));
    page.push_str("\nCoverage of the last hour\n");
    page.push_str(&coverage::summary(&all["coverage"]));
    page.push_str("\nEvents\n");
    page.push_str(&last_events(output, &all["events"]));
    page
}

fn head(output: &Output, resource: &Value) -> String {
    let now = now();
    let since = text(resource, "health_since");
    let checked = text(resource, "last_updated");
    let status = output.status(text(resource, "health_status"), 0);
    let mut lines = vec![
        ("Resource", shown(&resource["resource_id"])),
        ("Type", shown(&resource["resource_type"])),
        ("Name", shown(&resource["name"])),
        ("Status", format!("{status} for {}, since {}", age_of(since, now), printable(since))),
        ("Reason", shown(&resource["reason"])),
    ];
    if !resource["suppressed_by"].is_null() {
        lines.push(("Suppressed by", shown(&resource["suppressed_by"])));
    }
    lines.extend([
        ("Observed", format!("{} ago, at {}", age_of(checked, now), printable(checked))),
        ("Check", shown(&resource["check"])),
        ("Interval", shown(&resource["interval"])),
        ("Labels", labels(&resource["labels"])),
        ("Depends on", list(&resource["depends_on"])),
    ]);
    for (name, key) in [("Namespace", "namespace"), ("Cluster", "cluster_id"), ("Region", "region")]
    {
        lines.push((name, shown(&resource[key])));
    }
    lines.extend([("Managed by", shown(&resource["managed_by"])), ("Place", place(resource))]);
    lines.into_iter().map(|(name, value)| format!("{name:14}{value}\n")).collect()
}

fn place(resource: &Value) -> String {
    ["shard", "term", "revision", "generation", "incarnation", "sequence"]
        .map(|key| format!("{key} {}", shown(&resource[key])))
        .join(", ")
}

fn labels(labels: &Value) -> String {
    let pairs = labels.as_object().into_iter().flatten();
    let pairs: Vec<String> =
        pairs.map(|(key, value)| printable(key) + "=" + &shown(value)).collect();
    if pairs.is_empty() { "-".to_owned() } else { pairs.join(", ") }
}

fn list(values: &Value) -> String {
    let values: Vec<String> = items(values).iter().map(shown).collect();
    if values.is_empty() { "-".to_owned() } else { values.join(", ") }
}

/// Measured values only: one that was not measured is no row.
fn metrics(metrics: &Value) -> String {
    let (mut names, mut text): (Vec<(String, String)>, _) = (Vec::new(), String::new());
    for (name, value) in metrics.as_object().into_iter().flatten() {
        match value {
            Value::Object(extra) => {
                names.extend(extra.iter().map(|(name, value)| (printable(name), shown(value))));
            }
            Value::Null => {}
            value => names.push((printable(name), shown(value))),
        }
    }
    if names.is_empty() {
        return "  none measured yet\n".to_owned();
    }
    let width = names.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, value) in names {
        text.push_str(&format!("  {name:width$}  {value}\n"));
    }
    text
}

fn last_events(output: &Output, list: &Value) -> String {
    let events = items(list);
    if events.is_empty() {
        return "  none\n".to_owned();
    }
    events
        .iter()
        .map(|event| "  ".to_owned() + &events::line(output, &EventView::of(event)))
        .collect()
}
