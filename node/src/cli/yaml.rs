//! Writes JSON values as YAML for people.

use serde_json::Value;

/// YAML 1.2 finds a key by its colon within 1,024 characters (section 7.4.2); a longer one has
/// to be marked.
const LONG_KEY: usize = 1_000;

/// The value as a YAML document that ends in a line break.
pub(crate) fn to_yaml(value: &Value) -> String {
    let mut out = String::new();
    write(value, 0, &mut out);
    if out.starts_with('\n') {
        out.remove(0);
    }
    out
}

/// Writes what follows a `key:` or a `-`.
fn write(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            for item in items {
                indent(depth, out);
                out.push('-');
                write_item(item, depth, out);
            }
        }
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            for (key, value) in map {
                indent(depth, out);
                write_entry(key, value, depth, out);
            }
        }
        scalar => {
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(&scalar_text(scalar));
            out.push('\n');
        }
    }
}

fn write_entry(key: &str, value: &Value, depth: usize, out: &mut String) {
    let key = plain_or_quoted(key);
    if key.len() > LONG_KEY {
        out.push_str("? ");
        out.push_str(&key);
        out.push('\n');
        indent(depth, out);
    } else {
        out.push_str(&key);
    }
    out.push(':');
    write(value, depth + 1, out);
}

/// A mapping within a list begins in the line of its dash.
fn write_item(item: &Value, depth: usize, out: &mut String) {
    let Value::Object(map) = item else { return write(item, depth + 1, out) };
    if map.is_empty() {
        return write(item, depth + 1, out);
    }
    for (n, (key, value)) in map.iter().enumerate() {
        if n == 0 {
            out.push(' ');
        } else {
            indent(depth + 1, out);
        }
        write_entry(key, value, depth + 1, out);
    }
}

fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", depth));
}

fn scalar_text(value: &Value) -> String {
    match value {
        Value::String(text) => plain_or_quoted(text),
        Value::Array(_) => "[]".to_owned(),
        Value::Object(_) => "{}".to_owned(),
        other => other.to_string(),
    }
}

/// Quotes whatever a reader, of YAML 1.1 included, could take for something else.
fn plain_or_quoted(text: &str) -> String {
    const WORDS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '_');
    let inner = |c: char| c.is_ascii_alphanumeric() || "_./-@+=()%".contains(c);
    let words = WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    let colons = text.split(':').skip(1).all(|part| !part.is_empty() && !part.starts_with(' '));
    let spaces = !text.ends_with(' ');
    let plain = starts && colons && spaces && !words;
    if plain && text.chars().all(|c| inner(c) || c == ':' || c == ' ' || c == ',') {
        return text.to_owned();
    }
    // A JSON text is a double-quoted YAML one, but for DEL, which YAML wants escaped.
    Value::from(text).to_string().replace('\u{7f}', "\\x7f")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::yaml_value;

    #[test]
    fn the_layout_is_what_people_write() {
        let value =
            json!([{"id": "host:n1", "labels": {}, "tags": ["a", [1]], "deep": {"x": null}}]);
        assert_eq!(
            to_yaml(&value),
            "- deep:\n    x: null\n  id: host:n1\n  labels: {}\n  tags:\n    - a\n    -\n      - 1\n"
        );
        assert_eq!(to_yaml(&json!("x")), "x\n");
        assert_eq!(to_yaml(&json!([])), "[]\n");
    }

    #[test]
    fn whatever_is_written_reads_back_the_same() {
        let texts = [
            "",
            " ",
            "a: b",
            "a:",
            ":a",
            "- a",
            "#x",
            "a #b",
            "no",
            "NULL",
            "1",
            "1.5",
            "0x1f",
            ".nan",
            "~",
            "é",
            "a\nb",
            "\u{7f}",
            "\u{1b}[0m",
            "2026-11-21T10:00:00.000Z",
            "99.9 %",
            "{a}",
            "[a]",
            "*a",
            "&a",
            "!a",
            "a,b",
            "it's",
            "\"q\"",
            "a ",
            "cpu 91.2 above 85 for 30s",
            "http://127.0.0.1:7420/livez",
            "<<",
            "?",
            "a\u{85}b",
            "\u{feff}x",
        ];
        let map: serde_json::Map<String, Value> =
            texts.iter().map(|text| ((*text).to_owned(), json!([text, {"k": text}]))).collect();
        for value in
            [json!(texts[..]), Value::Object(map.into_iter().filter(|(k, _)| k != "<<").collect())]
        {
            assert_eq!(yaml_value(&to_yaml(&value)), Some(value));
        }
    }

    #[test]
    fn keys_that_are_too_long_to_be_found_are_marked() {
        let long = "k".repeat(3_000);
        let value = json!({"a": [{&long: {"b": 1}, "c": 2}], &long: "x", "é".repeat(400): [1]});
        assert_eq!(yaml_value(&to_yaml(&value)), Some(value));
    }
}
