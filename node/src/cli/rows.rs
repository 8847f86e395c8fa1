//! Reads the node's JSON tolerantly: what a newer node adds or leaves out breaks nothing.

use serde_json::Value;

use super::text::printable;

/// A text within a value; empty where there is none.
pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// A scalar within a value, for people; `-` where there is none.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => printable(text),
        other => printable(&other.to_string()),
    }
}

/// The items of a list, or of the first list within an object.
pub(crate) fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        Value::Object(map) => map.values().find_map(Value::as_array).map_or(&[], Vec::as_slice),
        _ => &[],
    }
}

/// The ids of a list of resources, or of one.
pub(crate) fn ids(value: &Value) -> Vec<String> {
    let one = std::slice::from_ref(value);
    let rows = if value.is_array() { items(value) } else { one };
    rows.iter().map(|row| text(row, "resource_id").to_owned()).collect()
}

/// What an event says, in whichever of the contract's forms it comes: a CloudEvent, the seed's
/// payload, or a row with the health before.
pub(crate) struct EventView<'a> {
    event: &'a Value,
    status: &'a Value,
}

impl<'a> EventView<'a> {
    /// A view of one event.
    pub(crate) fn of(event: &'a Value) -> Self {
        let forms = ["/data/infrastructure_status", "/infrastructure_status"];
        let status = forms.iter().find_map(|form| event.pointer(form)).unwrap_or(event);
        Self { event, status }
    }

    /// The resource.
    pub(crate) fn resource_id(&self) -> &'a str {
        text(self.status, "resource_id")
    }

    /// The health from now on.
    pub(crate) fn status(&self) -> &'a str {
        text(self.status, "health_status")
    }

    /// The health before; empty where none is told.
    pub(crate) fn previous(&self) -> &'a str {
        text(self.status, "previous_status")
    }

    /// Why.
    pub(crate) fn reason(&self) -> &'a str {
        text(self.status, "reason")
    }

    /// When.
    pub(crate) fn time(&self) -> &'a str {
        ["time", "timestamp", "health_since", "last_updated"]
            .iter()
            .find_map(|key| self.event[*key].as_str())
            .unwrap_or_default()
    }

    /// The place among the resource's events.
    pub(crate) fn sequence(&self) -> String {
        shown(&self.event["sequence"])
    }

    /// `declared`, `transition` or `removed`, by the CloudEvents type.
    pub(crate) fn kind(&self) -> &'static str {
        match text(self.event, "type") {
            kind if kind.contains(".declared.") => "declared",
            kind if kind.contains(".removed.") => "removed",
            _ => "transition",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_are_read_in_each_of_their_forms() {
        let status =
            json!({"resource_id": "a", "health_status": "WARNING", "previous_status": "HEALTHY"});
        let cloud = json!({"type": "io.bellwether.infrastructure.resource.removed.v1", "time": "t",
            "sequence": "3", "data": {"infrastructure_status": status}});
        let row = json!({"resource_id": "a", "health_status": "WARNING", "sequence": 3});
        for (event, previous, kind) in [(&cloud, "HEALTHY", "removed"), (&row, "", "transition")] {
            let view = EventView::of(event);
            assert_eq!((view.resource_id(), view.status()), ("a", "WARNING"));
            assert_eq!((view.previous(), view.kind()), (previous, kind));
            assert_eq!(view.sequence(), "3");
        }
        assert_eq!(items(&json!({"events": [1]})), &[json!(1)]);
    }
}
