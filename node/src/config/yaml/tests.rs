//! What is refused, and where it is said to be.

use serde_json::json;

use super::{
    super::place::{Source, Sources},
    *,
};

fn read(text: &str) -> Parsed {
    let source = Sources::default().add(Source::File("f.yaml".to_owned()));
    parse(text, source, &mut 10_000)
}

fn faults(text: &str) -> Vec<String> {
    read(text)
        .faults
        .into_iter()
        .map(|f| format!("{} {}: {}", f.spot.line, f.key, f.detail))
        .collect()
}

#[test]
fn scalars_are_those_of_the_core_schema() {
    let text = "a: 5\nb: \"5\"\nc: 5s\nd: on\ne: true\nf:\ng: 1.5\nh: [x, 'y']\ni: !!str 7\n";
    let tree = read(text).tree.unwrap();
    assert_eq!(
        tree.value,
        json!({"a": 5, "b": "5", "c": "5s", "d": "on", "e": true, "f": null, "g": 1.5,
            "h": ["x", "y"], "i": "7"})
    );
    assert_eq!(tree.place.find("/h/1").spot.line, 8);
}

#[test]
fn a_value_is_shown_at_the_line_of_its_key() {
    let tree = read("# top\nlist:\n  - name:\n      x\n  - name: y\n").tree.unwrap();
    assert_eq!(tree.place.find("/list/0/name").spot.line, 3);
    assert_eq!(tree.place.find("/list/1").spot.line, 5);
}

#[test]
fn every_doubled_and_every_strange_key_is_named() {
    assert_eq!(
        faults("a: 1\nb: {c: 1, c: 2}\na: 3\n7: x\n<<: {}\n? [q]\n: 1\n"),
        [
            "2 c: is set twice, first in line 2",
            "3 a: is set twice, first in line 1",
            "4 : a key is a text; quote it: \"7\"",
            "5 : merge keys (`<<`) are not supported; repeat the keys",
            "6 : a key is a text",
        ]
    );
}

#[test]
fn tags_and_numbers_without_end_are_refused() {
    assert_eq!(
        faults("a: .nan\nb: .inf\nc: 1e999\nd: !secret x\n"),
        [
            "1 : .nan is not a finite number",
            "2 : .inf is not a finite number",
            "3 : 1e999 is not a finite number",
            "4 : the tag `!secret` is not supported; secrets are named as *_file",
        ]
    );
}

#[test]
fn a_second_document_and_broken_text_break_off() {
    let parsed = read("a: 1\n---\nb: 2\n");
    assert!(parsed.broken && parsed.tree.is_none());
    assert_eq!(parsed.faults[0].spot.line, 2);
    let parsed = read("a: 1\nb: [\n");
    assert!(parsed.broken, "{parsed:?}");
    assert!(parsed.faults[0].detail.starts_with("is not YAML: "), "{parsed:?}");
}

#[test]
fn aliases_are_copies_and_their_number_is_bounded() {
    let tree = read("a: &x {k: 1}\nb: *x\nc: *x\n").tree.unwrap();
    assert_eq!(tree.value, json!({"a": {"k": 1}, "b": {"k": 1}, "c": {"k": 1}}));
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..12 {
        let before = vec![format!("*a{}", n - 1); 8].join(", ");
        bomb.push_str(&format!("a{n}: &a{n} [{before}]\n"));
    }
    assert!(faults(&bomb)[0].contains("too many values, aliases included"));
    assert!(faults("a: &a [*a]\n")[0].contains("alias"), "{:?}", faults("a: &a [*a]\n"));
}

#[test]
fn nesting_is_bounded_in_both_styles_and_through_aliases() {
    for text in ["[".repeat(5_000), "- ".repeat(5_000), "{a: ".repeat(200)] {
        let found = faults(&text);
        assert!(found[0].contains("nests deeper") || found[0].contains("recursion"), "{found:?}");
    }
    let deep = |name: &str, inner: &str| {
        format!("{name}: &{name} {}{inner}{}\n", "[".repeat(40), "]".repeat(40))
    };
    let text = deep("a", "1") + &deep("b", "*a");
    assert!(faults(&text)[0].contains("nests deeper"), "{:?}", faults(&text));
}

#[test]
fn reading_ends_where_too_much_is_wrong() {
    let text = "a: 1\n".repeat(5_000);
    let parsed = read(&text);
    assert!(parsed.broken);
    assert_eq!(parsed.faults.len(), MAX_FAULTS + 1);
    assert_eq!(parsed.faults[MAX_FAULTS].detail, "too much is wrong to read on");
}
