//! Where each value of a configuration was written: a tree beside the tree of values.
//!
//! Invariant: a place has children exactly where its value has them, under the same names.

use serde_json::Value;

use super::places::Places;

/// How much of a key is shown, in characters.
const SHOWN_KEY: usize = 60;

/// An entry of [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SourceId(u16);

/// Something that a value can come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A file, by the path that people know it by.
    File(String),
    /// An environment variable or a flag; it has no lines.
    Override(String),
}

/// All that a configuration was read from, in the order of reading.
#[derive(Debug, Default)]
pub(crate) struct Sources(Vec<Source>);

/// A line of a source; lines count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    /// Which source.
    pub(crate) source: SourceId,
    /// Which line.
    pub(crate) line: u32,
}

/// Where a value was written, and where its children were.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Of a value in a mapping: where its key is.
    pub(crate) spot: Spot,
    /// The places within.
    pub(crate) inner: Inner,
}

/// The places within a place.
#[derive(Debug, Clone)]
pub(crate) enum Inner {
    /// A scalar.
    Leaf,
    /// The items of a list.
    List(Vec<Place>),
    /// The entries of a mapping.
    Map(Places),
}

/// A document and where it was written.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    /// What was written.
    pub(crate) value: Value,
    /// Where.
    pub(crate) place: Place,
}

/// What a pointer leads to, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// The innermost place that exists.
    pub(crate) spot: Spot,
    /// The key path, such as `resources[3].check`; list items count within their own file.
    pub(crate) key: String,
}

impl Sources {
    /// Adds one. More than 65,535 cannot come: the number of files is bounded far below.
    pub(crate) fn add(&mut self, source: Source) -> SourceId {
        let id = SourceId(u16::try_from(self.0.len()).unwrap_or(u16::MAX));
        self.0.push(source);
        id
    }

    /// The source itself.
    pub(crate) fn get(&self, id: SourceId) -> &Source {
        &self.0[usize::from(id.0)]
    }

    /// The source as people know it.
    pub(crate) fn name(&self, id: SourceId) -> &str {
        match self.get(id) {
            Source::File(name) | Source::Override(name) => name,
        }
    }

    /// `file:line`, or the name alone where there are no lines.
    pub(crate) fn show(&self, spot: Spot) -> String {
        match self.get(spot.source) {
            Source::File(name) => format!("{name}:{}", spot.line),
            Source::Override(name) => name.clone(),
        }
    }
}

impl Place {
    /// A scalar's place.
    pub(crate) fn leaf(spot: Spot) -> Self {
        Self { spot, inner: Inner::Leaf }
    }

    /// Follows an RFC 6901 pointer as far as it leads.
    pub(crate) fn find(&self, pointer: &str) -> Found {
        let mut place = Some(self);
        let mut found = Found { spot: self.spot, key: String::new() };
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            let (shown, next) = match place.map(|place| &place.inner) {
                Some(Inner::List(items)) => step_into_list(items, &token),
                Some(Inner::Map(entries)) => (key_step(&token), entries.get(&token)),
                Some(Inner::Leaf) | None => (key_step(&token), None),
            };
            found.key.push_str(&shown);
            found.spot = next.map_or(found.spot, |next| next.spot);
            place = next;
        }
        found.key = found.key.trim_start_matches('.').to_owned();
        found
    }
}

/// Items of one file are neighbours, because lists are concatenated file by file.
fn step_into_list<'a>(items: &'a [Place], token: &str) -> (String, Option<&'a Place>) {
    let index = token.parse::<usize>().ok();
    let Some((index, place)) = index.and_then(|index| Some((index, items.get(index)?))) else {
        return (format!("[{token}]"), None);
    };
    let first = items.partition_point(|item| item.spot.source < place.spot.source);
    (format!("[{}]", index.saturating_sub(first)), Some(place))
}

fn key_step(key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let is_plain = !key.is_empty() && key.chars().all(plain);
    let shown: String = key.chars().take(SHOWN_KEY).collect();
    if is_plain { format!(".{shown}") } else { format!("[{shown:?}]") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(spot: Spot, entries: &[(&str, Place)]) -> Place {
        let entries = entries.iter().map(|(key, place)| ((*key).into(), place.clone()));
        Place { spot, inner: Inner::Map(Places::new(entries.collect())) }
    }

    #[test]
    fn a_pointer_leads_as_far_as_the_document_goes() {
        let mut sources = Sources::default();
        let (main, extra) = (sources.add(Source::File("a.yaml".into())), SourceId(1));
        let at = |source, line| Spot { source, line };
        let items = vec![
            Place::leaf(at(main, 2)),
            map(at(extra, 7), &[("a.b/c", Place::leaf(at(extra, 8)))]),
        ];
        let list = Place { spot: at(main, 1), inner: Inner::List(items) };
        let root = map(at(main, 1), &[("resources", list)]);
        let found = root.find("/resources/1/a.b~1c/x");
        assert_eq!(found.key, "resources[0][\"a.b/c\"].x");
        assert_eq!(found.spot, at(extra, 8));
        assert_eq!(root.find("/resources/9").spot, at(main, 1));
        assert_eq!(root.find("").key, "");
        assert_eq!(sources.show(at(main, 2)), "a.yaml:2");
    }
}
