//! `bellwether events list` and `tail`.

use model::ResourceId;
use serde_json::{Value, json};

use super::{
    args::TailArgs,
    client::{Client, Query, RESOURCES},
    error::{CliError, Verdict},
    follow::{Change, follow},
    get::one,
    output::{Output, note},
    rows::{EventView, items, shown, text},
    table::TableView,
    text::{cut, printable},
};

/// The most events of a page.
const PAGE: u32 = 1_000;

/// Lists the events of one resource.
pub(super) async fn list(
    id: &ResourceId,
    (after, limit): (u64, u32),
    client: &Client,
    output: &Output,
) -> Result<Verdict, CliError> {
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let one_more = limit.saturating_add(1);
    let query = vec![("after", after.to_string()), ("limit", one_more.min(PAGE).to_string())];
    let answer = client.list(&RESOURCES, &[id.as_str(), "events"], &query, most + 1).await;
    let (events, cut) = match answer {
        Ok(mut events) => {
            let cut = events.len() > most;
            events.truncate(most);
            (Value::Array(events), cut)
        }
        Err(CliError::Refused(refusal)) if refusal.status.as_u16() == 404 => {
            // The same question about the resource itself names the nearest id.
            one(id, client).await?;
            return Err(CliError::Refused(refusal));
        }
        Err(error) => return Err(error),
    };
    let names = |events: &Value| items(events).iter().map(|event| shown(&event["id"])).collect();
    output.show(&events, names, |output| {
        let headings = ["SEQUENCE", "TIME", "EVENT", "BEFORE", "STATUS", "REASON"];
        let mut table = TableView::new(&headings);
        for event in items(&events) {
            let view = EventView::of(event);
            let before = if view.previous().is_empty() { "-" } else { view.previous() };
            let (sequence, time) = (view.sequence(), view.time());
            table.row([&sequence, time, view.kind(), before, view.status(), view.reason()]);
        }
        output.table(&table)
    })?;
    if let Some(last) = items(&events).last().filter(|_| cut) {
        let last = EventView::of(last).sequence();
        note(&format!("there are newer ones; go on with --after {last}, or raise --limit"));
    }
    Ok(Verdict::Good)
}

/// Follows what happens.
pub(super) async fn tail(
    args: &TailArgs,
    client: &Client,
    output: &Output,
) -> Result<Verdict, CliError> {
    let flags = [("labels", args.selector.clone()), ("namespace", args.namespace.clone())];
    let query: Query = flags.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let wanted = args.resource.as_ref().map(ResourceId::as_str);
    let is_wanted =
        |change: &Change| wanted.is_none_or(|wanted| text(&change.data, "resource_id") == wanted);
    follow(client, &query, |change| match is_wanted(&change) {
        true => show(&change, output),
        false => Ok(()),
    })
    .await?;
    Ok(Verdict::Good)
}

fn show(change: &Change, output: &Output) -> Result<(), CliError> {
    if !matches!(change.kind.as_str(), "transition" | "declared" | "removed") {
        return Ok(());
    }
    let value = json!({"event": change.kind, "cursor": change.cursor, "data": change.data});
    let view = EventView::of(&change.data);
    output.show_one(&value, view.resource_id(), |output| {
        told(output, &change.kind, &view, text(&change.data, "resource_id"))
    })
}

/// One event of one resource.
pub(super) fn line(output: &Output, view: &EventView<'_>) -> String {
    told(output, view.kind(), view, "")
}

/// One event of any resource.
pub(super) fn line_with_id(output: &Output, kind: &str, view: &EventView<'_>, id: &str) -> String {
    told(output, kind, view, id)
}

fn told(output: &Output, kind: &str, view: &EventView<'_>, id: &str) -> String {
    let time = printable(view.time());
    let (before, health) = (view.previous(), view.status());
    let change = match (kind, before) {
        ("removed", _) => output.status("removed", 0),
        ("declared", _) => format!("declared {}", output.status(health, 0)),
        (_, "") => output.status(health, 0),
        _ => format!("{} → {}", output.status(before, 0), output.status(health, 0)),
    };
    // The width of what is seen, without the bytes that colour it.
    let plain = match (kind, before) {
        ("removed", _) => 7,
        ("declared", _) => 9 + health.len(),
        (_, "") => health.len(),
        _ => before.len() + 3 + health.len(),
    };
    let fill = " ".repeat(24_usize.saturating_sub(plain));
    let id = if id.is_empty() { String::new() } else { format!("{:32}  ", printable(id)) };
    let used = 24 + 2 + id.chars().count() + plain.max(24) + 2;
    let room = output.width.map_or(usize::MAX, |width| width.saturating_sub(used).max(10));
    let reason = cut(&printable(view.reason()), room);
    format!("{time:24}  {id}{change}{fill}  {reason}").trim_end().to_owned() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Format;

    #[test]
    fn a_line_tells_when_what_and_why() {
        let output = Output { format: Format::Table, colour: false, width: None };
        let row = json!({"resource_id": "host:n1", "health_status": "WARNING", "reason": "cpu",
            "previous_status": "HEALTHY", "health_since": "2026-11-21T10:00:00.000Z"});
        let view = EventView::of(&row);
        assert_eq!(
            told(&output, "transition", &view, "host:n1"),
            "2026-11-21T10:00:00.000Z  host:n1                           HEALTHY → WARNING         cpu\n"
        );
        assert!(told(&output, "removed", &view, "").ends_with("removed                   cpu\n"));
        let coloured = Output { colour: true, ..output };
        assert!(told(&coloured, "transition", &view, "").contains("\u{1b}["));
    }
}
