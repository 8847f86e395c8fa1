//! Environment variables and flags that take the place of single values.

use std::ffi::{OsStr, OsString};

use model::decode::nearest;
use serde_json::{Map, Value};

use super::{
    place::{Inner, Place, Source, Sources, Spot, Tree},
    places::Places,
    problem::ConfigProblem,
};

/// What a variable's text becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
}

/// Every value that a variable can take the place of, as `SECTION__KEY`.
const KNOWN: [(&str, Kind); 19] = [
    ("cluster__name", Kind::Text),
    ("cluster__shards", Kind::Number),
    ("node__name", Kind::Text),
    ("node__region", Kind::Text),
    ("node__zone", Kind::Text),
    ("node__data_dir", Kind::Text),
    ("node__disk_reserve", Kind::Number),
    ("node__memory_limit", Kind::Number),
    ("listen__http", Kind::Text),
    ("listen__grpc", Kind::Text),
    ("listen__peer", Kind::Text),
    ("listen__advertise", Kind::Text),
    ("tls__ca_file", Kind::Text),
    ("tls__cert_file", Kind::Text),
    ("tls__key_file", Kind::Text),
    ("defaults__interval", Kind::Text),
    ("defaults__timeout", Kind::Text),
    ("defaults__failures", Kind::Number),
    ("defaults__successes", Kind::Number),
];

const PREFIX: &str = "BELLWETHER_";

/// Puts every `BELLWETHER_SECTION__KEY` in its place. Variables without `__` are not
/// configuration: `BELLWETHER_SERVER` is the client's, and Kubernetes sets others of its own.
pub(super) fn apply_environment(
    tree: &mut Tree,
    sources: &mut Sources,
    environment: &[(OsString, OsString)],
) -> Vec<ConfigProblem> {
    let mut variables: Vec<(&str, &OsStr)> = environment
        .iter()
        .filter_map(|(name, value)| Some((name.to_str()?, value.as_os_str())))
        .filter(|(name, _)| name.starts_with(PREFIX) && name.contains("__"))
        .collect();
    variables.sort_unstable();
    let mut problems = Vec::new();
    for (name, value) in variables {
        let shown = format!("environment variable {name}");
        if let Err(detail) = apply_variable(tree, sources, name, value, &shown) {
            problems.push(ConfigProblem::of_file(shown, detail));
        }
    }
    problems
}

/// Puts the value of a flag in its place.
pub(super) fn apply_flag(
    tree: &mut Tree,
    sources: &mut Sources,
    flag: &str,
    (section, key): (&str, &str),
    value: &str,
) {
    let source = sources.add(Source::Override(flag.to_owned()));
    set(tree, section, key, Value::from(value), Spot { source, line: 0 });
}

fn apply_variable(
    tree: &mut Tree,
    sources: &mut Sources,
    name: &str,
    value: &OsStr,
    shown: &str,
) -> Result<(), String> {
    let path = name[PREFIX.len()..].to_ascii_lowercase();
    let Some((_, kind)) = KNOWN.iter().find(|(known, _)| *known == path) else {
        return Err(unknown(&path));
    };
    let text = value.to_str().ok_or("is not UTF-8 text")?;
    let value = match kind {
        Kind::Text => Value::from(text),
        Kind::Number => {
            let number: u64 =
                text.parse().map_err(|_| format!("expected a whole number, found {text:?}"))?;
            Value::from(number)
        }
    };
    let (section, key) = path.split_once("__").expect("every known path has two parts");
    let source = sources.add(Source::Override(shown.to_owned()));
    set(tree, section, key, value, Spot { source, line: 0 });
    Ok(())
}

fn unknown(path: &str) -> String {
    let names: Vec<String> =
        KNOWN.iter().map(|(known, _)| format!("{PREFIX}{}", known.to_uppercase())).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let hint = nearest(&format!("{PREFIX}{}", path.to_uppercase()), &names);
    format!("takes the place of no key{hint}")
}

fn set(tree: &mut Tree, section: &str, key: &str, value: Value, spot: Spot) {
    let (Value::Object(values), Inner::Map(places)) = (&mut tree.value, &mut tree.place.inner)
    else {
        return;
    };
    let empty = || Place { spot, inner: Inner::Map(Places::default()) };
    let section_value = values.entry(section).or_insert(Value::Null);
    if places.get(section).is_none() {
        places.insert(section, empty());
    }
    let Some(section_place) = places.get_mut(section) else { return };
    if section_value.is_null() {
        *section_value = Value::Object(Map::new());
        section_place.inner = empty().inner;
    }
    // A section that is no mapping stays as it is: the decoder reports it at its line.
    if let (Value::Object(values), Inner::Map(places)) = (section_value, &mut section_place.inner) {
        values.insert(key.to_owned(), value);
        places.insert(key, Place::leaf(spot));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::yaml;

    fn overridden(text: &str, variables: &[(&str, &str)]) -> (Tree, Vec<String>) {
        let mut sources = Sources::default();
        let source = sources.add(Source::File("f.yaml".to_owned()));
        let mut tree =
            yaml::parse(text, source, &mut 1_000).tree.expect("the test's YAML is sound");
        let environment: Vec<_> =
            variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let problems = apply_environment(&mut tree, &mut sources, &environment);
        (tree, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn variables_take_the_place_of_scalars_and_keep_their_type() {
        let (tree, problems) = overridden(
            "node: {name: a, zone: z}\nlisten:\n",
            &[
                ("BELLWETHER_NODE__NAME", "123"),
                ("BELLWETHER_CLUSTER__SHARDS", "4"),
                ("BELLWETHER_LISTEN__HTTP", "127.0.0.1:1"),
                ("BELLWETHER_SERVER", "http://x"),
                ("OTHER__NAME", "x"),
            ],
        );
        assert_eq!(problems, [""; 0]);
        assert_eq!(
            tree.value,
            json!({"node": {"name": "123", "zone": "z"}, "cluster": {"shards": 4},
                "listen": {"http": "127.0.0.1:1"}})
        );
    }

    #[test]
    fn unknown_variables_are_errors_with_the_nearest_known_one() {
        let (_, problems) = overridden(
            "a: 1\n",
            &[("BELLWETHER_NODE__NAEM", "x"), ("BELLWETHER_CLUSTER__SHARDS", "many")],
        );
        assert_eq!(
            problems,
            [
                "environment variable BELLWETHER_CLUSTER__SHARDS: expected a whole number, found \"many\"",
                "environment variable BELLWETHER_NODE__NAEM: takes the place of no key, did you mean `BELLWETHER_NODE__NAME`?",
            ]
        );
    }
}
