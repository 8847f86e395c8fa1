//! Label selectors in Kubernetes syntax: `a=b,c!=d,e in (x,y),f notin (z),g,!h`.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Labels;

/// The longest selector, in bytes, as it is given and as it is written.
pub const MAX_SELECTOR: usize = 4_096;
/// How much of a text is shown where it is wrong, in characters.
const SHOWN: usize = 40;

/// A conjunction of requirements. The empty one selects everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selector(Vec<Requirement>);

/// One condition on the labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Requirement {
    /// The key has one of the values.
    In(String, BTreeSet<String>),
    /// The key is absent or has none of the values.
    NotIn(String, BTreeSet<String>),
    /// The key is there.
    Exists(String),
    /// The key is absent.
    Absent(String),
}

/// Why a text is not a selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}; a selector is written like `team=shop,tier in (web,api),!test`")]
pub struct InvalidSelector {
    detail: String,
}

impl Selector {
    /// Whether the labels meet every requirement.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|requirement| requirement.matches(labels))
    }

    /// Whether it selects everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key and value of every requirement that names exactly one value, for an index.
    pub fn equalities(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|requirement| match requirement {
            Requirement::In(key, values) if values.len() == 1 => {
                Some((key.as_str(), values.first()?.as_str()))
            }
            _ => None,
        })
    }
}

impl Requirement {
    fn matches(&self, labels: &Labels) -> bool {
        match self {
            Self::In(key, values) => labels.get(key).is_some_and(|value| values.contains(&**value)),
            Self::NotIn(key, values) => {
                labels.get(key).is_none_or(|value| !values.contains(&**value))
            }
            Self::Exists(key) => labels.contains_key(key),
            Self::Absent(key) => !labels.contains_key(key),
        }
    }
}

impl FromStr for Selector {
    type Err = InvalidSelector;

    fn from_str(text: &str) -> Result<Self, InvalidSelector> {
        if text.len() > MAX_SELECTOR {
            return Err(invalid(format!("longer than {MAX_SELECTOR} bytes")));
        }
        let parts = split_outside_parentheses(text)?;
        if parts.len() == 1 && parts[0].trim().is_empty() {
            return Ok(Self::default());
        }
        let selector = parts.into_iter().map(requirement).collect::<Result<_, _>>().map(Self)?;
        // Written with the usual spaces it can be longer, and must still be one.
        if selector.to_string().len() > MAX_SELECTOR {
            return Err(invalid(format!("longer than {MAX_SELECTOR} bytes")));
        }
        Ok(selector)
    }
}

/// The beginning of a text, in quotes.
fn shown(text: &str) -> String {
    format!("{:?}", text.chars().take(SHOWN).collect::<String>())
}

fn invalid(detail: impl Into<String>) -> InvalidSelector {
    InvalidSelector { detail: detail.into() }
}

fn split_outside_parentheses(text: &str) -> Result<Vec<&str>, InvalidSelector> {
    let (mut parts, mut start, mut inside) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            '(' if inside => return Err(invalid("a parenthesis within a parenthesis")),
            '(' => inside = true,
            ')' if !inside => return Err(invalid("a `)` without its `(`")),
            ')' => inside = false,
            ',' if !inside => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if inside {
        return Err(invalid("a `(` without its `)`"));
    }
    parts.push(&text[start..]);
    Ok(parts)
}

fn requirement(text: &str) -> Result<Requirement, InvalidSelector> {
    let text = text.trim();
    if let Some((head, list)) = text.split_once('(') {
        return set_requirement(head.trim(), list);
    }
    if let Some((key, value)) = text.split_once("!=") {
        return Ok(Requirement::NotIn(label_key(key)?, one_value(value)?));
    }
    if let Some((key, value)) = text.split_once('=') {
        let value = value.strip_prefix('=').unwrap_or(value);
        return Ok(Requirement::In(label_key(key)?, one_value(value)?));
    }
    match text.strip_prefix('!') {
        Some(key) => Ok(Requirement::Absent(label_key(key)?)),
        None => Ok(Requirement::Exists(label_key(text)?)),
    }
}

fn set_requirement(head: &str, list: &str) -> Result<Requirement, InvalidSelector> {
    let list = list.strip_suffix(')').ok_or_else(|| invalid("text after a `)`"))?;
    let values = list.split(',').map(label_value).collect::<Result<BTreeSet<_>, _>>()?;
    match head.split_whitespace().collect::<Vec<_>>()[..] {
        [key, "in"] => Ok(Requirement::In(label_key(key)?, values)),
        [key, "notin"] => Ok(Requirement::NotIn(label_key(key)?, values)),
        _ => {
            let found = shown(head);
            Err(invalid(format!("expected `key in` or `key notin` before `(`, found {found}")))
        }
    }
}

fn one_value(text: &str) -> Result<BTreeSet<String>, InvalidSelector> {
    Ok(BTreeSet::from([label_value(text)?]))
}

fn label_key(text: &str) -> Result<String, InvalidSelector> {
    let key = text.trim();
    if is_label_key(key) {
        Ok(key.to_owned())
    } else {
        Err(invalid(format!("bad key {}", shown(key))))
    }
}

fn label_value(text: &str) -> Result<String, InvalidSelector> {
    let value = text.trim();
    if is_label_value(value) {
        Ok(value.to_owned())
    } else {
        Err(invalid(format!("bad value {}", shown(value))))
    }
}

/// Whether a text may be a label's key.
#[must_use]
pub fn is_label_key(key: &str) -> bool {
    !key.is_empty() && key.len() <= 253 && is_label_text(key, "._/-")
}

/// Whether a text may be a label's value; the empty one may.
#[must_use]
pub fn is_label_value(value: &str) -> bool {
    value.len() <= 63 && is_label_text(value, "._-")
}

fn is_label_text(text: &str, inner: &str) -> bool {
    let edge = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    edge(text.chars().next())
        && edge(text.chars().next_back())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || inner.contains(c))
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, requirement) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str(",")?;
            }
            match requirement {
                Requirement::In(key, values) => write_set(f, key, "in", "=", values)?,
                Requirement::NotIn(key, values) => write_set(f, key, "notin", "!=", values)?,
                Requirement::Exists(key) => f.write_str(key)?,
                Requirement::Absent(key) => write!(f, "!{key}")?,
            }
        }
        Ok(())
    }
}

fn write_set(
    f: &mut fmt::Formatter<'_>,
    key: &str,
    word: &str,
    sign: &str,
    values: &BTreeSet<String>,
) -> fmt::Result {
    if let (1, Some(value)) = (values.len(), values.first()) {
        return write!(f, "{key}{sign}{value}");
    }
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    write!(f, "{key} {word} ({})", values.join(","))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(text: &str) -> Labels {
        let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        pairs.map(|(k, v)| (k, v.into())).collect()
    }

    #[test]
    fn selects_as_kubernetes_does() {
        let shop = labels("team=shop,tier=web");
        for (selector, expected) in [
            ("", true),
            ("team=shop", true),
            ("team==shop", true),
            ("team!=shop", false),
            ("absent!=x", true),
            ("tier in (web, api)", true),
            ("tier notin (web,api)", false),
            ("team,!test", true),
            ("!team", false),
            ("team=shop,tier=db", false),
        ] {
            let parsed: Selector = selector.parse().unwrap();
            assert_eq!(parsed.matches(&shop), expected, "{selector}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_selector() {
        for bad in ["a=b=c", "=x", "a in (b", "a of (b)", "a in b)", "a b", ",", "a in ((b))", "-a"]
        {
            assert!(bad.parse::<Selector>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_what_is_read_is_written_back(text in ".{0,60}") {
            if let Ok(selector) = text.parse::<Selector>() {
                prop_assert_eq!(selector.to_string().parse::<Selector>().unwrap(), selector);
            }
        }
    }
}
