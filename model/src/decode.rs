//! Strict reading of a document's tree: every problem at once, each with its place.
//!
//! YAML files and JSON bodies both become a `serde_json::Value` first; the caller maps the
//! JSON pointer of a problem back to a line, or hands it to the client as it is.

use std::cell::RefCell;

use serde_json::{Map, Value};

use crate::{Millis, ResourceId};

/// How much of a key is shown, in characters.
const SHOWN_KEY: usize = 60;
/// To so many unknown keys of one object the nearest known ones are looked for.
const HINTS: usize = 100;
/// The most characters of one key in a pointer: no key that is known has more.
const POINTER_KEY: usize = 300;

/// One thing that is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: an RFC 6901 JSON pointer.
    pub pointer: String,
    /// What is wrong and what is allowed.
    pub detail: String,
}

/// The problems found so far, in the order of the document's reading.
#[derive(Debug, Default)]
pub struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    /// Notes one.
    pub fn report(&self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.0.borrow_mut().push(Problem { pointer: pointer.into(), detail: detail.into() });
    }

    /// Whether nothing is wrong so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// How many were found so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// All of them.
    #[must_use]
    pub fn into_vec(self) -> Vec<Problem> {
        self.0.into_inner()
    }
}

/// Reads the keys of one object. Call [`Fields::finish`] last: it reports unknown keys.
pub struct Fields<'a> {
    map: &'a Map<String, Value>,
    pointer: String,
    known: Vec<&'static str>,
    problems: &'a Problems,
}

impl<'a> Fields<'a> {
    /// Starts to read `value`, which must be an object.
    pub fn new(value: &'a Value, pointer: &str, problems: &'a Problems) -> Option<Self> {
        let Value::Object(map) = value else {
            problems.report(pointer, format!("expected keys and values, found {}", kind(value)));
            return None;
        };
        Some(Self { map, pointer: pointer.to_owned(), known: Vec::new(), problems })
    }

    /// The pointer of a key of this object.
    #[must_use]
    pub fn at(&self, key: &str) -> String {
        child(&self.pointer, key)
    }

    /// The raw value of a key; null counts as absent.
    pub fn raw(&mut self, key: &'static str) -> Option<&'a Value> {
        self.known.push(key);
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// A key that may be absent.
    pub fn optional<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.raw(key)?;
        parse(value).map_err(|detail| self.problem(key, detail)).ok()
    }

    /// A key that must be there.
    pub fn required<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        if self.map.get(key).is_none_or(Value::is_null) {
            self.known.push(key);
            self.problems.report(&self.pointer, format!("`{key}` is missing"));
            return None;
        }
        self.optional(key, parse)
    }

    /// A key that holds an object.
    pub fn object(&mut self, key: &'static str) -> Option<Fields<'a>> {
        let value = self.raw(key)?;
        Fields::new(value, &self.at(key), self.problems)
    }

    /// The items of a key that holds a list, each with its pointer; at most `max` of them.
    pub fn list(&mut self, key: &'static str, max: usize) -> Vec<(String, &'a Value)> {
        let Some(value) = self.raw(key) else { return Vec::new() };
        let pointer = self.at(key);
        let Value::Array(items) = value else {
            self.problem(key, format!("expected a list, found {}", kind(value)));
            return Vec::new();
        };
        if items.len() > max {
            self.problem(key, format!("at most {max} items are allowed, found {}", items.len()));
            return Vec::new();
        }
        items.iter().enumerate().map(|(n, item)| (format!("{pointer}/{n}"), item)).collect()
    }

    /// The entries of a key that holds an object with free keys; at most `max` of them.
    pub fn entries(&mut self, key: &'static str, max: usize) -> Vec<(String, &'a str, &'a Value)> {
        let Some(value) = self.raw(key) else { return Vec::new() };
        let pointer = self.at(key);
        let Value::Object(map) = value else {
            self.problem(key, format!("expected keys and values, found {}", kind(value)));
            return Vec::new();
        };
        if map.len() > max {
            self.problem(key, format!("at most {max} entries are allowed, found {}", map.len()));
            return Vec::new();
        }
        map.iter().map(|(name, item)| (child(&pointer, name), name.as_str(), item)).collect()
    }

    /// Reports a problem of one key.
    pub fn problem(&self, key: &str, detail: impl Into<String>) {
        self.problems.report(self.at(key), detail);
    }

    /// Names keys that a later version brings, so that they are refused as such.
    pub fn later(&mut self, keys: &[&'static str]) {
        for key in keys {
            self.known.push(key);
            if self.map.contains_key(*key) {
                self.problem(key, format!("`{key}` is not in this version"));
            }
        }
    }

    /// The single key of an object that names a variant, such as `{"http": {..}}`.
    pub fn variant(&self) -> Option<(&'a str, &'a Value)> {
        let mut keys = self.map.iter();
        let (Some((name, value)), None) = (keys.next(), keys.next()) else {
            let found = self.map.len();
            self.problems.report(&self.pointer, format!("expected exactly one key, found {found}"));
            return None;
        };
        Some((name, value))
    }

    /// Reports every key that nobody asked for, with the nearest one that exists.
    pub fn finish(self) {
        let unknown = self.map.keys().filter(|key| !self.known.contains(&key.as_str()));
        for (n, key) in unknown.enumerate() {
            let hint = if n < HINTS { nearest(key, &self.known) } else { String::new() };
            let shown = shown_key(key);
            self.problems.report(self.at(key), format!("unknown key `{shown}`{hint}"));
        }
    }
}

/// ", did you mean `x`?" for the nearest candidate, or the list of what is allowed.
#[must_use]
pub fn nearest(found: &str, known: &[&str]) -> String {
    let found: String = found.chars().take(SHOWN_KEY).collect();
    let best = known
        .iter()
        .map(|candidate| (strsim::normalized_damerau_levenshtein(&found, candidate), candidate))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((likeness, candidate)) if likeness >= 0.5 => format!(", did you mean `{candidate}`?"),
        Some(_) => format!("; allowed are {}", known.join(", ")),
        None => String::new(),
    }
}

/// The JSON pointer of `key` below `pointer` (RFC 6901). Of a key that is longer than any that
/// could be meant, the beginning has to do.
#[must_use]
pub fn child(pointer: &str, key: &str) -> String {
    let end = key.char_indices().nth(POINTER_KEY).map_or(key.len(), |(end, _)| end);
    format!("{pointer}/{}", key[..end].replace('~', "~0").replace('/', "~1"))
}

/// A key that somebody else chose, cut and without control characters, for people.
#[must_use]
pub fn shown_key(key: &str) -> String {
    let shown = key.chars().take(SHOWN_KEY);
    shown.map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// What a value is, for people.
#[must_use]
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "keys and values",
    }
}

/// A text of 1 to `max` bytes without control characters.
pub fn text(max: usize) -> impl Fn(&Value) -> Result<String, String> {
    move |value| {
        let text = value.as_str().ok_or_else(|| expected("a text", value))?;
        if text.is_empty() || text.len() > max {
            return Err(format!("expected 1 to {max} bytes of text, found {}", text.len()));
        }
        if text.chars().any(char::is_control) {
            return Err("control characters are not allowed".to_owned());
        }
        Ok(text.to_owned())
    }
}

/// A text of at most `max` bytes in which line breaks and tabs are allowed.
pub fn body(max: usize) -> impl Fn(&Value) -> Result<String, String> {
    move |value| {
        let text = value.as_str().ok_or_else(|| expected("a text", value))?;
        if text.len() > max {
            return Err(format!("expected at most {max} bytes of text, found {}", text.len()));
        }
        Ok(text.to_owned())
    }
}

/// A duration such as `30s`, from `min` to `max`.
pub fn duration(min: Millis, max: Millis) -> impl Fn(&Value) -> Result<Millis, String> {
    move |value| {
        let text = value.as_str().ok_or_else(|| match value {
            Value::Number(n) => format!("{n} has no unit; write {n}s for seconds"),
            other => expected("a duration such as 30s", other),
        })?;
        let span: Millis = text.parse().map_err(|e: crate::time::InvalidDuration| e.to_string())?;
        if span < min || span > max {
            return Err(format!("{span} is outside {min} to {max}"));
        }
        Ok(span)
    }
}

/// A whole number from `min` to `max`.
pub fn integer(min: u64, max: u64) -> impl Fn(&Value) -> Result<u64, String> {
    move |value| {
        let number = whole(value).ok_or_else(|| expected("a whole number", value))?;
        if number < min || number > max {
            return Err(format!("{number} is outside {min} to {max}"));
        }
        Ok(number)
    }
}

/// JSON knows one kind of number: `537.0` is as whole as `537` (JSON Schema 2020-12, 4.2.3).
pub(crate) fn whole(value: &Value) -> Option<u64> {
    /// From here on a float may stand for its neighbours, too.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    value.as_u64().or_else(|| {
        let number = value.as_f64().filter(|n| n.fract() == 0.0 && (0.0..EXACT).contains(n))?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole")]
        Some(number as u64)
    })
}

/// A finite number.
///
/// # Errors
/// Says what was found instead.
pub fn number(value: &Value) -> Result<f64, String> {
    value.as_f64().filter(|n| n.is_finite()).ok_or_else(|| expected("a finite number", value))
}

/// `true` or `false`.
///
/// # Errors
/// Says what was found instead.
pub fn boolean(value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| expected("true or false", value))
}

/// A resource id.
///
/// # Errors
/// Says which rule is broken.
pub fn resource_id(value: &Value) -> Result<ResourceId, String> {
    let text = value.as_str().ok_or_else(|| expected("a resource id", value))?;
    ResourceId::new(text).map_err(|e| e.to_string())
}

fn expected(what: &str, found: &Value) -> String {
    let shown = match found {
        Value::String(text) => format!("{:?}", text.chars().take(40).collect::<String>()),
        Value::Number(n) => n.to_string(),
        other => kind(other).to_owned(),
    };
    format!("expected {what}, found {shown}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_without_a_fraction_is_whole_however_it_is_written() {
        let read = integer(1, u64::MAX);
        assert_eq!(read(&json!(537)), Ok(537));
        assert_eq!(read(&json!(537.0)), Ok(537));
        assert_eq!(read(&json!(u64::MAX)), Ok(u64::MAX));
        for wrong in [json!(0.5), json!(-1.0), json!(1e300), json!("1"), json!(-0.0)] {
            assert!(read(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn all_problems_are_found_at_once_with_their_places() {
        let document = json!({"interval": 5, "naem": "x", "later": 1});
        let problems = Problems::default();
        let mut fields = Fields::new(&document, "/resources/0", &problems).unwrap();
        fields.required("name", text(10));
        fields.optional("interval", duration(Millis(1), Millis(10)));
        fields.later(&["later"]);
        fields.finish();
        let found: Vec<_> = problems
            .into_vec()
            .into_iter()
            .map(|p| format!("{}: {}", p.pointer, p.detail))
            .collect();
        assert_eq!(
            found,
            [
                "/resources/0: `name` is missing",
                "/resources/0/interval: 5 has no unit; write 5s for seconds",
                "/resources/0/later: `later` is not in this version",
                "/resources/0/naem: unknown key `naem`, did you mean `name`?",
            ]
        );
    }

    #[test]
    fn keys_of_others_are_shown_short_and_clean() {
        let document = json!({"a\u{1b}[31m": 1, "k".repeat(100_000): 1});
        let problems = Problems::default();
        Fields::new(&document, "", &problems).unwrap().finish();
        for problem in problems.into_vec() {
            assert!(problem.pointer.len() < 400 && problem.detail.len() < 200, "{problem:?}");
            assert!(!problem.detail.contains('\u{1b}'), "{problem:?}");
        }
    }

    #[test]
    fn pointers_escape_as_rfc_6901_says() {
        assert_eq!(child("/a", "b/c~d"), "/a/b~1c~0d");
    }
}
