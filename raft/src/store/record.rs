//! How a value is stored: a version, the record, and a checksum over key and value.
//!
//! Invariant: bytes whose checksum or shape is wrong are an error that names the key; they
//! are never returned as data.

use std::io;

use serde::{Serialize, de::DeserializeOwned};

use crate::bug;

const CHECKSUM: usize = 4;

/// Something that is stored. A new shape is a new version, and [`Record::migrate`] chains from
/// each former version to the next.
pub(crate) trait Record: Serialize + DeserializeOwned {
    /// The version that is written.
    const VERSION: u8;

    /// About how many bytes the record takes, so that they are allocated once.
    fn size_hint(&self) -> usize {
        123
    }

    /// Reads a former version; `None` where it is not known.
    fn migrate(version: u8, bytes: &[u8]) -> Option<Self> {
        let _ = (version, bytes);
        None
    }
}

/// A stored value that cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damaged {
    #[error("checksum of key {key} does not match")]
    Checksum { key: String },
    #[error("record version {version} at key {key} is not known to this version")]
    Version { key: String, version: u8 },
    #[error("record at key {key} has the wrong shape")]
    Shape { key: String },
}

impl From<Damaged> for io::Error {
    fn from(damaged: Damaged) -> Self {
        Self::new(io::ErrorKind::InvalidData, damaged)
    }
}

pub(crate) fn encode<R: Record>(key: &[u8], record: &R) -> Vec<u8> {
    let mut start = Vec::with_capacity(record.size_hint() + 1 + CHECKSUM);
    start.push(R::VERSION);
    seal(key, postcard::to_extend(record, start).expect("records are plain data of known length"))
}

/// Puts the checksum behind a version and its body.
pub(crate) fn seal(key: &[u8], mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.extend(checksum(key, &bytes).to_le_bytes());
    bytes
}

pub(crate) fn decode<R: Record>(key: &[u8], bytes: &[u8]) -> Result<R, Damaged> {
    let damaged = || Damaged::Checksum { key: show(key) };
    let (version, body) = verified(key, bytes)?.split_first().ok_or_else(damaged)?;
    let shape = || Damaged::Shape { key: show(key) };
    if *version == R::VERSION {
        // What follows a whole record is a shape that this version does not know.
        return match postcard::take_from_bytes(body) {
            Ok((record, [])) => Ok(record),
            _ => Err(shape()),
        };
    }
    R::migrate(*version, body).ok_or(Damaged::Version { key: show(key), version: *version })
}

/// Checks a stored value whose type does not matter.
pub(crate) fn verify(key: &[u8], bytes: &[u8]) -> Result<(), Damaged> {
    verified(key, bytes).map(|_| ())
}

fn verified<'a>(key: &[u8], bytes: &'a [u8]) -> Result<&'a [u8], Damaged> {
    let split = bytes.split_last_chunk::<CHECKSUM>();
    split
        .filter(|(payload, sum)| {
            bug!("bug-bad-checksum") || checksum(key, payload) == u32::from_le_bytes(**sum)
        })
        .map(|(payload, _)| payload)
        .ok_or_else(|| Damaged::Checksum { key: show(key) })
}

/// Covers the key, so that a value that was written to the wrong place is found, too.
fn checksum(key: &[u8], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), payload)
}

/// A key for people: `group 3 kind 0x20 "host:n1"`.
pub(crate) fn show(key: &[u8]) -> String {
    let Some((group, rest)) = key.split_first_chunk::<8>() else {
        return format!("{key:02x?}");
    };
    let (kind, rest) = rest.split_first().map_or((0, rest), |(kind, rest)| (*kind, rest));
    format!("group {} kind {kind:#04x} \"{}\"", u64::from_be_bytes(*group), rest.escape_ascii())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Third {
        name: String,
        count: u64,
        region: Option<String>,
    }

    #[derive(Serialize, Deserialize)]
    struct First(String);

    #[derive(Serialize, Deserialize)]
    struct Second {
        name: String,
        count: u64,
    }

    impl Record for First {
        const VERSION: u8 = 1;
    }

    impl Record for Second {
        const VERSION: u8 = 2;

        fn migrate(version: u8, bytes: &[u8]) -> Option<Self> {
            let First(name) = (version == 1).then(|| postcard::from_bytes(bytes).ok())??;
            Some(Self { name, count: 0 })
        }
    }

    impl Record for Third {
        const VERSION: u8 = 3;

        fn migrate(version: u8, bytes: &[u8]) -> Option<Self> {
            let former = match version {
                2 => postcard::from_bytes(bytes).ok()?,
                older => Second::migrate(older, bytes)?,
            };
            Some(Self { name: former.name, count: former.count, region: None })
        }
    }

    #[test]
    fn former_versions_are_read_through_the_chain() {
        let first = encode(b"k", &First("n".to_owned()));
        let read: Third = decode(b"k", &first).unwrap();
        assert_eq!(read, Third { name: "n".to_owned(), count: 0, region: None });
        let newer = encode(b"k", &read);
        assert!(matches!(decode::<Second>(b"k", &newer), Err(Damaged::Version { version: 3, .. })));
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_found_and_its_key_is_named(count: u64, bit in 0usize..10_000) {
            let record = Second { name: "n".to_owned(), count };
            let key = [&7u64.to_be_bytes()[..], b" host:n1"].concat();
            let mut bytes = encode(&key, &record);
            let at = bit / 8 % bytes.len();
            bytes[at] ^= 1 << (bit % 8);
            let error = decode::<Second>(&key, &bytes).err().unwrap().to_string();
            prop_assert!(error.contains("group 7") && error.contains("host:n1"), "{}", error);
        }

        #[test]
        fn arbitrary_bytes_never_pass_for_a_record(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(decode::<Second>(b"k", &bytes).is_err());
        }

        #[test]
        fn a_value_in_the_wrong_place_is_found(count: u64) {
            let bytes = encode(b"a", &Second { name: "n".to_owned(), count });
            prop_assert!(decode::<Second>(b"b", &bytes).is_err());
        }
    }
}
