//! A small map in one block of memory. There are two in each of many thousand rows, most of them
//! with a handful of pairs, and a tree takes a node of eleven for one.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
    ser::SerializeMap,
};

/// Room that is made for pairs which a message only announces.
const ANNOUNCED: usize = 64;

/// Values by name, in the order of the names. Written as a map, in every format.
///
/// Invariant: the names are strictly ascending.
#[derive(Clone, PartialEq, Eq)]
pub struct Pairs<V>(Box<[(Box<str>, V)]>);

impl<V> Pairs<V> {
    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&V> {
        let place = self.0.binary_search_by(|(found, _)| (**found).cmp(name));
        place.ok().map(|place| &self.0[place].1)
    }

    /// Whether there is a value of a name.
    #[must_use]
    pub fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// How many pairs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All pairs, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// Sets the value of a name. Copies all pairs, so that many at once are better collected.
    pub fn insert(&mut self, name: &str, value: V) {
        match self.0.binary_search_by(|(found, _)| (**found).cmp(name)) {
            Ok(place) => self.0[place].1 = value,
            Err(place) => self.change(|pairs| pairs.insert(place, (name.into(), value))),
        }
    }

    /// Keeps what `keep` says.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &V) -> bool) {
        self.change(|pairs| pairs.retain(|(name, value)| keep(name, value)));
    }

    fn change(&mut self, change: impl FnOnce(&mut Vec<(Box<str>, V)>)) {
        let mut pairs = std::mem::take(&mut self.0).into_vec();
        change(&mut pairs);
        self.0 = pairs.into();
    }
}

impl<V> Default for Pairs<V> {
    fn default() -> Self {
        Self(Box::default())
    }
}

impl<V: fmt::Debug> fmt::Debug for Pairs<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Of several values of a name the last one counts.
impl<K: Into<Box<str>>, V> FromIterator<(K, V)> for Pairs<V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let sorted: BTreeMap<Box<str>, V> =
            pairs.into_iter().map(|(name, value)| (name.into(), value)).collect();
        Self(sorted.into_iter().collect())
    }
}

impl<V: Serialize> Serialize for Pairs<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Pairs<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reading(PhantomData))
    }
}

struct Reading<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for Reading<V> {
    type Value = Pairs<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map with texts as keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<V>, A::Error> {
        let mut pairs = Vec::with_capacity(map.size_hint().unwrap_or(0).min(ANNOUNCED));
        while let Some(pair) = map.next_entry::<Box<str>, V>()? {
            pairs.push(pair);
        }
        if pairs.is_sorted_by(|a, b| a.0 < b.0) {
            return Ok(Pairs(pairs.into()));
        }
        Ok(pairs.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn some() -> impl Strategy<Value = Vec<(String, u32)>> {
        prop::collection::vec(("[a-c]{0,2}", any::<u32>()), 0..20)
    }

    proptest! {
        #[test]
        fn it_is_a_map_like_any_other(some in some(), name in "[a-c]{0,2}", value: u32) {
            let mut tree: BTreeMap<String, u32> = some.iter().cloned().collect();
            let mut pairs: Pairs<u32> = some.into_iter().collect();
            for _ in 0..2 {
                let all: Vec<_> = tree.iter().map(|(name, value)| (name.as_str(), value)).collect();
                prop_assert_eq!(pairs.iter().collect::<Vec<_>>(), all);
                prop_assert_eq!(pairs.get(&name), tree.get(&name));
                prop_assert_eq!(pairs.contains_key(&name), tree.contains_key(&name));
                prop_assert_eq!((pairs.len(), pairs.is_empty()), (tree.len(), tree.is_empty()));
                tree.insert(name.clone(), value);
                pairs.insert(&name, value);
            }
            tree.retain(|_, value| *value % 2 == 0);
            pairs.retain(|_, value| *value % 2 == 0);
            prop_assert!(pairs.iter().eq(tree.iter().map(|(name, value)| (name.as_str(), value))));
        }

        #[test]
        fn records_and_documents_are_those_of_a_tree(some in some()) {
            let tree: BTreeMap<String, u32> = some.iter().cloned().collect();
            let pairs: Pairs<u32> = some.into_iter().collect();
            let record = postcard::to_stdvec(&tree).unwrap();
            prop_assert_eq!(&postcard::to_stdvec(&pairs).unwrap(), &record);
            prop_assert_eq!(&postcard::from_bytes::<Pairs<u32>>(&record).unwrap(), &pairs);
            let document = serde_json::to_string(&tree).unwrap();
            prop_assert_eq!(&serde_json::to_string(&pairs).unwrap(), &document);
            prop_assert_eq!(&serde_json::from_str::<Pairs<u32>>(&document).unwrap(), &pairs);
        }
    }

    #[test]
    fn what_is_out_of_order_or_twice_is_put_in_order_and_the_last_counts() {
        let read: Pairs<u32> = serde_json::from_str(r#"{"b": 1, "a": 2, "b": 3}"#).unwrap();
        assert_eq!(read.iter().collect::<Vec<_>>(), [("a", &2), ("b", &3)]);
    }

    #[test]
    fn a_length_that_a_message_only_claims_takes_no_memory() {
        let claimed = postcard::to_stdvec(&u64::MAX).unwrap();
        assert!(postcard::from_bytes::<Pairs<u32>>(&claimed).is_err());
    }
}
