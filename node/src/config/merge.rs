//! Joins the files of `conf.d/` to the main one.
//!
//! Lists are concatenated, `secrets` is merged; every other section belongs to one file.

use serde_json::{Map, Value};

use super::{
    place::{Inner, Place, Sources, Tree},
    places::Places,
    problem::ConfigProblem,
};

/// The sections that are mappings with free keys.
const MAPS: [&str; 1] = ["secrets"];

/// Adds `extra` to `base`. Names both places of whatever is set twice.
pub(super) fn merge(base: &mut Tree, extra: Tree, sources: &Sources) -> Vec<ConfigProblem> {
    let spot = extra.place.spot;
    let (Value::Object(values), Inner::Map(mut places)) = (extra.value, extra.place.inner) else {
        return vec![ConfigProblem::at(sources, spot, "", "expected keys and values")];
    };
    let Some((base_values, base_places)) = as_map(base) else { return Vec::new() };
    let mut problems = Vec::new();
    for (name, value) in values {
        let place = places.remove(&name).unwrap_or(Place::leaf(spot));
        if base_values.contains_key(&name) {
            join(base_values, base_places, &name, Tree { value, place }, sources, &mut problems);
        } else {
            base_places.insert(&name, place);
            base_values.insert(name, value);
        }
    }
    problems
}

fn as_map(tree: &mut Tree) -> Option<(&mut Map<String, Value>, &mut Places)> {
    match (&mut tree.value, &mut tree.place.inner) {
        (Value::Object(values), Inner::Map(places)) => Some((values, places)),
        _ => None,
    }
}

fn join(
    values: &mut Map<String, Value>,
    places: &mut Places,
    name: &str,
    extra: Tree,
    sources: &Sources,
    problems: &mut Vec<ConfigProblem>,
) {
    let (Some(value), Some(place)) = (values.get_mut(name), places.get_mut(name)) else { return };
    let first = sources.show(place.spot);
    let twice = |at: &Place, key: &str, first: &str| {
        ConfigProblem::at(sources, at.spot, key, format!("is set twice, first in {first}"))
    };
    match (value, &mut place.inner, extra.value, extra.place.inner) {
        (Value::Array(all), Inner::List(spots), Value::Array(more), Inner::List(more_spots)) => {
            all.extend(more);
            spots.extend(more_spots);
        }
        (
            Value::Object(all),
            Inner::Map(spots),
            Value::Object(more),
            Inner::Map(mut more_spots),
        ) if MAPS.contains(&name) => {
            for (key, value) in more {
                let spot = more_spots.remove(&key).unwrap_or(Place::leaf(extra.place.spot));
                if let Some(known) = spots.get(&key) {
                    let path = format!("{name}.{key}");
                    problems.push(twice(&spot, &path, &sources.show(known.spot)));
                } else {
                    spots.insert(&key, spot);
                    all.insert(key, value);
                }
            }
        }
        (value @ Value::Null, inner, extra_value, extra_inner) => {
            (*value, *inner, place.spot) = (extra_value, extra_inner, extra.place.spot);
        }
        (_, _, Value::Null, _) => {}
        (_, _, _, extra_inner) => {
            let at = Place { spot: extra.place.spot, inner: extra_inner };
            problems.push(twice(&at, name, &first));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{place::Source, yaml};

    fn merged(texts: &[&str]) -> (Tree, Vec<String>) {
        let mut sources = Sources::default();
        let mut trees = texts.iter().enumerate().map(|(n, text)| {
            let source = sources.add(Source::File(format!("{n}.yaml")));
            yaml::parse(text, source, &mut 10_000).tree.expect("the test's YAML is sound")
        });
        let mut base = trees.next().expect("there is a first");
        let rest: Vec<_> = trees.collect();
        let problems = rest.into_iter().flat_map(|tree| merge(&mut base, tree, &sources));
        let problems: Vec<_> = problems.map(|p| p.to_string()).collect();
        (base, problems)
    }

    #[test]
    fn lists_are_concatenated_and_maps_are_merged() {
        let (tree, problems) = merged(&[
            "resources: [a]\nsecrets: {x: {file: 1}}\nsinks:\n",
            "resources: [b, c]\nsecrets: {y: {file: 2}}\nsinks: [s]\nnode: {name: n1}\n",
        ]);
        assert_eq!(problems, [""; 0]);
        assert_eq!(
            tree.value,
            json!({"resources": ["a", "b", "c"], "secrets": {"x": {"file": 1}, "y": {"file": 2}},
                "sinks": ["s"], "node": {"name": "n1"}})
        );
        assert_eq!(tree.place.find("/resources/2").key, "resources[1]");
    }

    #[test]
    fn whatever_is_set_twice_names_both_places() {
        let (_, problems) = merged(&[
            "\nnode: {name: a}\nsecrets:\n  x: {file: 1}\nresources: []\n",
            "node: {region: b}\nsecrets:\n  x: {file: 2}\nresources: {}\n",
        ]);
        assert_eq!(
            problems,
            [
                "1.yaml:1: node: is set twice, first in 0.yaml:2",
                "1.yaml:4: resources: is set twice, first in 0.yaml:5",
                "1.yaml:3: secrets.x: is set twice, first in 0.yaml:4",
            ]
        );
    }
}
