//! Builds the tree from the parser's events, without recursion.

use std::{collections::HashMap, ops::ControlFlow};

use model::decode::shown_key;
use saphyr::{Scalar, ScalarStyle};
use saphyr_parser::{Event, Tag};
use serde_json::{Map, Number, Value};

use super::{
    super::{
        place::{Inner, Place, SourceId, Spot, Tree},
        places::Places,
    },
    Fault, MAX_DEPTH, MAX_FAULTS, Parsed,
};

/// Takes events; gives back a tree.
pub(super) struct Builder<'b> {
    source: SourceId,
    budget: &'b mut usize,
    frames: Vec<Frame>,
    anchors: HashMap<usize, (Tree, usize)>,
    documents: usize,
    parsed: Parsed,
}

/// A collection that is not complete yet.
struct Frame {
    anchor: usize,
    spot: Spot,
    nodes: usize,
    kind: Kind,
}

enum Kind {
    List(Vec<Value>, Vec<Place>),
    Map { values: Map<String, Value>, places: Entries, key: Key },
}

/// What the next value within a mapping is.
enum Key {
    /// A key.
    Wanted,
    /// The value of this key.
    Have(String, Spot),
    /// The value of a key that was refused.
    Refused,
}

type Flow = ControlFlow<()>;
type Entries = Vec<(Box<str>, Place)>;

impl<'b> Builder<'b> {
    pub(super) fn new(source: SourceId, budget: &'b mut usize) -> Self {
        let (frames, anchors) = (Vec::new(), HashMap::new());
        Self { source, budget, frames, anchors, documents: 0, parsed: Parsed::default() }
    }

    /// Takes the next event, which began at `line`.
    pub(super) fn take(&mut self, event: Event<'_>, line: u32) -> Flow {
        let spot = Spot { source: self.source, line };
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {
                Flow::Continue(())
            }
            Event::DocumentStart(_) => self.document(line),
            Event::Scalar(text, style, anchor, tag) => {
                self.charge(1, spot)?;
                let value = self.scalar(text, style, tag.as_deref(), spot);
                self.deliver(Tree { value, place: Place::leaf(spot) }, anchor, 1)
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(tag.as_deref(), spot);
                self.open(anchor, spot, Kind::List(Vec::new(), Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(tag.as_deref(), spot);
                let (values, places) = (Map::new(), Entries::new());
                self.open(anchor, spot, Kind::Map { values, places, key: Key::Wanted })
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => self.alias(anchor, spot),
        }
    }

    /// Notes a fault after which nothing more can be read.
    pub(super) fn break_off(&mut self, line: u32, detail: impl Into<String>) -> Flow {
        self.fault(Spot { source: self.source, line }, "", detail);
        self.parsed.broken = true;
        Flow::Break(())
    }

    /// What was built.
    pub(super) fn finish(mut self) -> Parsed {
        if self.parsed.broken {
            self.parsed.tree = None;
        }
        self.parsed
    }

    fn document(&mut self, line: u32) -> Flow {
        self.documents += 1;
        if self.documents > 1 {
            return self.break_off(line, "a file holds one document; put the second into conf.d/");
        }
        Flow::Continue(())
    }

    fn open(&mut self, anchor: usize, spot: Spot, kind: Kind) -> Flow {
        if self.frames.len() >= MAX_DEPTH {
            return self.break_off(spot.line, format!("nests deeper than {MAX_DEPTH} levels"));
        }
        self.charge(1, spot)?;
        self.frames.push(Frame { anchor, spot, nodes: 1, kind });
        Flow::Continue(())
    }

    fn close(&mut self) -> Flow {
        let frame = self.frames.pop().expect("the parser ends only what it began");
        let (value, inner) = match frame.kind {
            Kind::List(values, places) => (Value::Array(values), Inner::List(places)),
            Kind::Map { values, places, .. } => {
                (Value::Object(values), Inner::Map(Places::new(places)))
            }
        };
        let tree = Tree { value, place: Place { spot: frame.spot, inner } };
        self.deliver(tree, frame.anchor, frame.nodes)
    }

    fn alias(&mut self, anchor: usize, spot: Spot) -> Flow {
        let Some(nodes) = self.anchors.get(&anchor).map(|(_, nodes)| *nodes) else {
            return self.break_off(spot.line, "an alias cannot stand within its own anchor");
        };
        self.charge(nodes, spot)?;
        let mut tree = self.anchors[&anchor].0.clone();
        tree.place.spot = spot;
        if self.frames.len() + depth(&tree.value) > MAX_DEPTH {
            return self.break_off(spot.line, format!("nests deeper than {MAX_DEPTH} levels"));
        }
        self.deliver(tree, 0, nodes)
    }

    /// Takes `nodes` values from the budget before they are built or copied.
    fn charge(&mut self, nodes: usize, spot: Spot) -> Flow {
        let Some(left) = self.budget.checked_sub(nodes) else {
            return self.break_off(spot.line, "holds too many values, aliases included");
        };
        *self.budget = left;
        Flow::Continue(())
    }

    /// Hands a complete value to the collection that it stands in.
    fn deliver(&mut self, tree: Tree, anchor: usize, nodes: usize) -> Flow {
        let line = tree.place.spot.line;
        if anchor > 0 {
            self.charge(nodes, tree.place.spot)?;
            self.anchors.insert(anchor, (tree.clone(), nodes));
        }
        let Some(frame) = self.frames.last_mut() else {
            self.parsed.tree = Some(tree);
            return Flow::Continue(());
        };
        frame.nodes += nodes;
        if let Some(fault) = frame.put(tree) {
            self.parsed.faults.push(fault);
        }
        if self.parsed.faults.len() >= MAX_FAULTS {
            return self.break_off(line, "too much is wrong to read on");
        }
        Flow::Continue(())
    }

    fn scalar(
        &mut self,
        text: std::borrow::Cow<'_, str>,
        style: ScalarStyle,
        tag: Option<&Tag>,
        spot: Spot,
    ) -> Value {
        if self.refuse_tag(tag, spot) {
            return Value::Null;
        }
        let shown: String = text.chars().take(40).collect();
        let tag = tag.map(std::borrow::Cow::Borrowed);
        match Scalar::parse_from_cow_and_metadata(text, style, tag.as_ref()) {
            Some(Scalar::Null) => Value::Null,
            Some(Scalar::Boolean(flag)) => Value::Bool(flag),
            Some(Scalar::Integer(number)) => Value::Number(number.into()),
            Some(Scalar::FloatingPoint(number)) => match Number::from_f64(number.into_inner()) {
                Some(number) => Value::Number(number),
                None => self.refused(spot, format!("{shown} is not a finite number")),
            },
            Some(Scalar::String(text)) => Value::String(text.into_owned()),
            None => self.refused(spot, format!("{shown:?} is not what its tag says")),
        }
    }

    fn refused(&mut self, spot: Spot, detail: String) -> Value {
        self.fault(spot, "", detail);
        Value::Null
    }

    fn refuse_tag(&mut self, tag: Option<&Tag>, spot: Spot) -> bool {
        let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema()) else { return false };
        let detail = format!("the tag `{tag}` is not supported; secrets are named as *_file");
        self.fault(spot, "", detail);
        true
    }

    fn fault(&mut self, spot: Spot, key: &str, detail: impl Into<String>) {
        self.parsed.faults.push(Fault { spot, key: key.to_owned(), detail: detail.into() });
    }
}

impl Frame {
    fn put(&mut self, tree: Tree) -> Option<Fault> {
        match &mut self.kind {
            Kind::List(values, places) => {
                values.push(tree.value);
                places.push(tree.place);
                None
            }
            Kind::Map { values, places, key } => match std::mem::replace(key, Key::Wanted) {
                Key::Refused => None,
                Key::Wanted => {
                    let (next, fault) = read_key(tree, values, places);
                    *key = next;
                    fault
                }
                Key::Have(name, spot) => {
                    // Problems of a value are shown at its key.
                    let place = Place { spot, ..tree.place };
                    places.push((name.as_str().into(), place));
                    values.insert(name, tree.value);
                    None
                }
            },
        }
    }
}

fn read_key(tree: Tree, values: &Map<String, Value>, places: &Entries) -> (Key, Option<Fault>) {
    let spot = tree.place.spot;
    let fault = |key: &str, detail: String| {
        (Key::Refused, Some(Fault { spot, key: key.to_owned(), detail }))
    };
    match tree.value {
        Value::String(name) if name == "<<" => {
            fault("", "merge keys (`<<`) are not supported; repeat the keys".to_owned())
        }
        Value::String(name) if values.contains_key(&name) => {
            let first = places.iter().find(|(known, _)| **known == *name);
            let line = first.map_or(spot.line, |(_, first)| first.spot.line);
            fault(&shown_key(&name), format!("is set twice, first in line {line}"))
        }
        Value::String(name) => (Key::Have(name, spot), None),
        scalar @ (Value::Null | Value::Bool(_) | Value::Number(_)) => {
            fault("", format!("a key is a text; quote it: \"{scalar}\""))
        }
        Value::Array(_) | Value::Object(_) => fault("", "a key is a text".to_owned()),
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
