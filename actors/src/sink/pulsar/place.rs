//! Names of topics, and places in them.

use std::fmt;

use model::ShardId;

use crate::sink::SinkError;

/// `persistent://TENANT/NAMESPACE/NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TopicName {
    tenant: String,
    namespace: String,
    name: String,
}

impl TopicName {
    /// # Errors
    /// It is none, or one of a topic that keeps nothing.
    pub(super) fn parse(text: &str) -> Result<Self, SinkError> {
        let unfit = || SinkError::Unfit {
            place: text.to_owned(),
            problem: "it is not the name of a topic that keeps its messages".to_owned(),
            remedy: "write it as persistent://TENANT/NAMESPACE/NAME",
        };
        let rest = text.strip_prefix("persistent://").ok_or_else(unfit)?;
        let mut parts = rest.split('/').map(str::to_owned);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=:.".contains(c);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(tenant), Some(namespace), Some(name), None)
                if [&tenant, &namespace, &name]
                    .iter()
                    .all(|part| !part.is_empty() && part.chars().all(is_plain)) =>
            {
                Ok(Self { tenant, namespace, name })
            }
            _ => Err(unfit()),
        }
    }

    /// The topic that holds a shard's events.
    pub(super) fn partition(&self, shard: ShardId) -> String {
        format!("{self}-partition-{shard}")
    }

    /// `TENANT/NAMESPACE`.
    pub(super) fn namespace(&self) -> String {
        format!("{}/{}", self.tenant, self.namespace)
    }

    /// `TENANT/NAMESPACE/NAME`.
    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.namespace(), self.name)
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "persistent://{}", self.path())
    }
}

/// A message's place in a partition. Places of one life of a topic are in the order of its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) ledger: u64,
    pub(super) entry: u64,
}

impl Place {
    /// That before the first.
    pub(super) const EARLIEST: Self = Self { ledger: u64::MAX, entry: u64::MAX };

    /// That after the last.
    pub(super) const LATEST: Self = Self { ledger: i64::MAX as u64, entry: i64::MAX as u64 };

    /// Brokers say −1 where there is nothing.
    pub(super) fn is_message(&self) -> bool {
        i64::try_from(self.ledger).is_ok() && i64::try_from(self.entry).is_ok()
    }

    /// As a cursor keeps it: which life of the topic it is of, and where it is.
    pub(super) fn written(self, life: &str) -> String {
        format!("{life}:{}:{}", self.ledger, self.entry)
    }

    /// The life and the place; none for what is not ours.
    pub(super) fn read(text: &str) -> Option<(&str, Self)> {
        let mut parts = text.rsplitn(3, ':');
        let (entry, ledger) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some((parts.next()?, Self { ledger, entry }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_and_what_keeps_nothing_is_refused() {
        let topic = TopicName::parse("persistent://public/default/status").unwrap();
        assert_eq!(topic.to_string(), "persistent://public/default/status");
        assert_eq!(topic.partition(ShardId(3)), "persistent://public/default/status-partition-3");
        assert_eq!(topic.namespace(), "public/default");
        for text in [
            "non-persistent://public/default/status",
            "persistent://public/status",
            "persistent://public/default/a/b",
            "persistent://public//a",
            "persistent://public/default/a?b",
            "status",
        ] {
            let refused = TopicName::parse(text).unwrap_err().to_string();
            assert!(refused.contains(text) && refused.contains("TENANT"), "{refused}");
        }
    }

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let place = Place { ledger: 12, entry: 3 };
        assert_eq!(Place::read(&place.written("a-life")), Some(("a-life", place)));
        for text in ["", "12:3", "life:12", "life:x:3", "life:12:-1"] {
            assert_eq!(Place::read(text), None, "{text}");
        }
    }

    #[test]
    fn where_brokers_say_minus_one_there_is_no_message() {
        assert!(Place { ledger: 12, entry: 0 }.is_message() && !Place::EARLIEST.is_message());
        assert!(!Place { ledger: 12, entry: u64::MAX }.is_message());
        assert!(Place { ledger: 12, entry: 7 } < Place { ledger: 13, entry: 0 });
    }
}
