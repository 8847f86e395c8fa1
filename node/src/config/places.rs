//! The places of a mapping's entries, kept in little room: a configuration has hundreds of
//! thousands of small mappings.
//!
//! Invariant: sorted by key, each key once.

use super::place::Place;

/// Places by key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places(Vec<(Box<str>, Place)>);

impl Places {
    /// The places of entries whose keys differ.
    pub(crate) fn new(mut entries: Vec<(Box<str>, Place)>) -> Self {
        entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        entries.shrink_to_fit();
        Self(entries)
    }

    /// The place of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Place> {
        self.position(key).ok().map(|at| &self.0[at].1)
    }

    /// The place of a key, to change it.
    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Place> {
        self.position(key).ok().map(|at| &mut self.0[at].1)
    }

    /// Puts a place in, or in the stead of another.
    pub(crate) fn insert(&mut self, key: &str, place: Place) {
        match self.position(key) {
            Ok(at) => self.0[at].1 = place,
            Err(at) => self.0.insert(at, (key.into(), place)),
        }
    }

    /// Takes a place out.
    pub(crate) fn remove(&mut self, key: &str) -> Option<Place> {
        self.position(key).ok().map(|at| self.0.remove(at).1)
    }

    fn position(&self, key: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.as_ref().cmp(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::place::{Source, Sources, Spot};

    #[test]
    fn places_are_found_changed_and_taken_out_by_key() {
        let source = Sources::default().add(Source::File(String::new()));
        let at = |line| Place::leaf(Spot { source, line });
        let mut places = Places::new(vec![("b".into(), at(2)), ("a".into(), at(1))]);
        places.insert("c", at(3));
        places.insert("a", at(9));
        let line = |places: &Places, key| places.get(key).map(|place| place.spot.line);
        assert_eq!(line(&places, "a"), Some(9));
        assert_eq!(line(&places, "b"), Some(2));
        assert_eq!(places.remove("b").map(|place| place.spot.line), Some(2));
        assert_eq!((line(&places, "b"), line(&places, "c")), (None, Some(3)));
        assert!(places.get_mut("c").is_some() && places.get_mut("d").is_none());
    }
}
