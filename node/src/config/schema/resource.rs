//! The part of the schema that describes resources and their defaults.

use model::ResourceType;
use serde_json::{Value, json};

use super::{check::check, count, duration, object, text};

/// The `defaults:` section.
pub(super) fn defaults() -> Value {
    object("What a resource gets where it says nothing.", &[], timing())
}

/// One item of `resources:`.
pub(super) fn resource() -> Value {
    let types: Vec<&str> = ResourceType::ALL.iter().map(|t| t.as_str()).collect();
    let mut properties = timing();
    let own = json!({
        "id": {"description": "Type and name where absent.", "type": "string",
            "pattern": "^[A-Za-z0-9._:@-]{1,200}$"},
        "type": {"description": "What kind of thing it is, in any case.", "type": "string",
            "examples": types},
        "name": text("A name for people.", 200),
        "namespace": text("A Kubernetes namespace, or any other grouping.", 100),
        "cluster_id": text("The cluster that it is part of.", 100),
        "region": text("Where it is; the node's region where absent.", 100),
        "labels": {"description": "Labels for selectors.", "type": ["object", "null"],
            "maxProperties": 64, "additionalProperties": {"type": "string", "maxLength": 63}},
        "depends_on": {"description": "Parents. They are read and checked for cycles; this version suppresses nothing by them.",
            "type": ["array", "null"], "maxItems": 64, "items": {"type": "string"}},
        "stale_after": duration("Silence longer than this is UNKNOWN; 3 intervals where absent."),
        "thresholds": {"description": "Limits by metric.", "type": ["object", "null"],
            "maxProperties": 64, "additionalProperties": threshold()},
        "check": check(),
    });
    if let (Value::Object(all), Value::Object(own)) = (&mut properties, own) {
        all.extend(own);
    }
    object("Something that is watched.", &["type", "name", "check"], properties)
}

fn timing() -> Value {
    json!({
        "interval": duration("How often to check; 10s where absent, 100ms to 1d."),
        "timeout": duration("How long one check may take; 3s where absent, never above interval."),
        "failures": count("Failed checks in a row before the health falls; 2 where absent.", 1_000),
        "successes": count("Passed checks in a row before it recovers; 1 where absent.", 1_000),
        "flapping": flapping(),
    })
}

fn flapping() -> Value {
    let rule = object(
        "So many changes of health within a window hold the worst of them until it is calm.",
        &["changes", "window"],
        json!({
            "changes": {"type": "integer", "minimum": 2, "maximum": 100},
            "window": duration("The window that they fall in."),
        }),
    );
    json!({"description": "When changes are one condition; `false` switches a default off.",
        "anyOf": [{"const": false}, {"type": "null"}, rule]})
}

fn threshold() -> Value {
    let mut threshold = object(
        "Limits on one metric; `warning`, `critical` or both.",
        &[],
        json!({
            "warning": {"description": "Beyond this it is WARNING.", "type": "number"},
            "critical": {"description": "Beyond this it is CRITICAL.", "type": "number"},
            "direction": {"description": "Which side is bad; above where absent.",
                "enum": ["above", "below"]},
            "hysteresis": {"description": "How far a value must come back before a level is left.",
                "type": "number", "minimum": 0},
            "for": duration("How long a value must violate before a level is entered."),
        }),
    );
    threshold["type"] = json!("object");
    threshold["minProperties"] = json!(1);
    threshold
}
