//! `bellwether maintenance`.

use model::WallTime;
use serde_json::{Value, json};

use super::{
    args::{AddArgs, MaintenanceCommand},
    client::{Client, MAINTENANCE, Query},
    error::{CliError, Verdict},
    output::{Output, note},
    rows::{items, shown, text},
    table::TableView,
    text::{age, now, printable},
};

/// Announces, lists or ends windows.
pub(super) async fn run(
    command: &MaintenanceCommand,
    client: &Client,
    output: &Output,
) -> Result<Verdict, CliError> {
    match command {
        MaintenanceCommand::Add(args) => add(args, client, output).await?,
        MaintenanceCommand::List => list(client, output).await?,
        MaintenanceCommand::End { name } => {
            client.write(&MAINTENANCE, name, None).await?;
            note(&format!("{name} is over; resources show their own health with the next check"));
        }
    }
    Ok(Verdict::Good)
}

async fn add(args: &AddArgs, client: &Client, output: &Output) -> Result<(), CliError> {
    let body = body(args, now());
    let answer = client.write(&MAINTENANCE, &args.name, Some(&body)).await?.body;
    let window = if answer.is_object() { &answer } else { &body };
    output.show(
        window,
        |_| vec![args.name.clone()],
        |_| {
            let ends = text(&body, "ends_at");
            format!(
                "{} is announced until {}; its resources are shown as MAINTENANCE\n",
                args.name,
                printable(ends)
            )
        },
    )
}

fn body(args: &AddArgs, now: WallTime) -> Value {
    let starts = args.starts.unwrap_or(now);
    let ends = args.lasts.map(|span| starts.plus(span)).or(args.until).unwrap_or(starts);
    let mut body = json!({"resource_ids": args.resources, "ends_at": ends});
    // Without a beginning it begins when the node accepts it, whatever this machine's clock says.
    if args.starts.is_some() {
        body["starts_at"] = json!(starts);
    }
    if let Some(selector) = &args.selector {
        body["selector"] = json!(selector);
    }
    if let Some(reason) = &args.reason {
        body["reason"] = json!(reason);
    }
    body
}

async fn list(client: &Client, output: &Output) -> Result<(), CliError> {
    let windows = client.get(&MAINTENANCE, &[], &Query::new()).await?.body;
    let names = |list: &Value| items(list).iter().map(|window| shown(&window["name"])).collect();
    if items(&windows).is_empty() {
        note("no maintenance is announced");
    }
    output.show(&windows, names, |output| {
        if items(&windows).is_empty() {
            String::new()
        } else {
            output.table(&table(&windows, now()))
        }
    })
}

fn table(windows: &Value, now: WallTime) -> TableView {
    let mut table = TableView::new(&["NAME", "STATE", "STARTS", "ENDS", "SELECTS", "REASON"]);
    for window in items(windows) {
        table.row([
            text(window, "name"),
            &state(window, now),
            text(window, "starts_at"),
            text(window, "ends_at"),
            &selects(window),
            text(window, "reason"),
        ]);
    }
    table
}

fn state(window: &Value, now: WallTime) -> String {
    let time = |key: &str| WallTime::parse_rfc3339(text(window, key));
    match (time("starts_at"), time("ends_at")) {
        (Some(starts), _) if starts > now => format!("begins in {}", age(now, starts)),
        (_, Some(ends)) if ends > now => format!("ends in {}", age(now, ends)),
        (_, Some(_)) => "over".to_owned(),
        _ => "-".to_owned(),
    }
}

fn selects(window: &Value) -> String {
    let selector = text(window, "selector");
    let ids = window["resource_ids"].as_array().map_or(0, Vec::len);
    match (selector, ids) {
        (selector, 0) => selector.to_owned(),
        ("", ids) => format!("{ids} named"),
        (selector, ids) => format!("{selector} and {ids} named"),
    }
}

#[cfg(test)]
mod tests {
    use model::Millis;

    use super::*;

    fn args() -> AddArgs {
        AddArgs {
            name: "m".to_owned(),
            resources: vec!["host:n1".parse().unwrap()],
            selector: Some("team=shop".to_owned()),
            starts: None,
            lasts: Some(Millis::from_secs(60)),
            until: None,
            reason: None,
        }
    }

    #[test]
    fn a_window_begins_when_the_node_accepts_it_unless_told() {
        let now = WallTime::parse_rfc3339("2027-01-01T00:00:00Z").unwrap();
        assert_eq!(
            body(&args(), now),
            json!({"resource_ids": ["host:n1"], "selector": "team=shop",
                "ends_at": "2027-01-01T00:01:00.000Z"})
        );
        let later = AddArgs { starts: Some(now.plus(Millis::from_secs(60))), ..args() };
        assert_eq!(body(&later, now)["ends_at"], "2027-01-01T00:02:00.000Z");
        assert_eq!(body(&later, now)["starts_at"], "2027-01-01T00:01:00.000Z");
    }

    #[test]
    fn the_table_tells_what_is_in_force() {
        let now = WallTime::parse_rfc3339("2027-01-01T00:00:00Z").unwrap();
        let window =
            json!({"starts_at": "2026-12-31T23:00:00Z", "ends_at": "2027-01-01T01:30:00Z"});
        assert_eq!(state(&window, now), "ends in 1h30m");
        assert_eq!(state(&window, now.plus(Millis::from_secs(7_200))), "over");
        assert_eq!(state(&window, now.minus(Millis::from_secs(5_400))), "begins in 30m");
        assert_eq!(selects(&json!({"selector": "a=b", "resource_ids": ["x"]})), "a=b and 1 named");
    }
}
