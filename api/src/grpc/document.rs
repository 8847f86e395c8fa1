//! JSON documents as `google.protobuf.Struct`, and back.

use prost_types::{ListValue, Struct, Value as Field, value::Kind};
use serde_json::{Number, Value};

/// Beyond this, a double has no room for every whole number.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A document as REST would have got it.
pub(super) fn to_json(document: Struct) -> Value {
    let fields = document.fields.into_iter().map(|(key, field)| (key, field_to_json(field)));
    Value::Object(fields.collect())
}

fn field_to_json(field: Field) -> Value {
    match field.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(is_so)) => Value::Bool(is_so),
        Some(Kind::NumberValue(number)) => number_to_json(number),
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::ListValue(list)) => list.values.into_iter().map(field_to_json).collect(),
        Some(Kind::StructValue(inner)) => to_json(inner),
    }
}

/// Whole numbers are written without a point, as a person would.
fn number_to_json(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole, and small enough")]
        return Value::from(number as i64);
    }
    // What JSON has not is refused by whoever wants a number, and not taken for nothing said.
    Number::from_f64(number).map_or_else(|| Value::from(number.to_string()), Value::Number)
}

/// A document that is an object.
pub(super) fn to_struct(document: Value) -> Struct {
    match document {
        Value::Object(fields) => Struct {
            fields: fields.into_iter().map(|(key, value)| (key, to_field(value))).collect(),
        },
        _ => Struct::default(),
    }
}

fn to_field(value: Value) -> Field {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(is_so) => Kind::BoolValue(is_so),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => Kind::StringValue(text),
        Value::Array(items) => {
            Kind::ListValue(ListValue { values: items.into_iter().map(to_field).collect() })
        }
        Value::Object(_) => Kind::StructValue(to_struct(value)),
    };
    Field { kind: Some(kind) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_survives_the_way_there_and_back() {
        let document = json!({"type": "ENDPOINT", "failures": 3, "ratio": 0.5, "below": -7,
            "on": true, "none": null, "list": [1, "two", {"three": 3}], "inner": {"a": {}}});
        assert_eq!(to_json(to_struct(document.clone())), document);
    }

    #[test]
    fn numbers_that_json_has_not_are_text() {
        assert_eq!(number_to_json(f64::NAN), "NaN");
        assert_eq!(number_to_json(1e300), json!(1e300));
    }
}
