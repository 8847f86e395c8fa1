//! What name servers said of one name.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use hickory_resolver::{
    lookup::Lookup,
    net::{DnsError, NetError},
    proto::op::ResponseCode,
};

/// What is known of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Its addresses; at least one.
    Addresses(Vec<IpAddr>),
    /// It exists, without an address.
    NoAddress,
    /// It does not exist (RFC 1035, name error).
    NoSuchName,
    /// Nobody said anything usable.
    Broken(String),
}

impl Answer {
    /// Reads a lookup's outcome.
    pub(super) fn of(lookup: Result<Lookup, NetError>) -> Self {
        match lookup {
            Ok(lookup) => match addresses(&lookup) {
                found if found.is_empty() => Self::NoAddress,
                found => Self::Addresses(found),
            },
            Err(error) if error.is_nx_domain() => Self::NoSuchName,
            Err(NetError::Dns(DnsError::NoRecordsFound(none)))
                if none.response_code == ResponseCode::NoError =>
            {
                Self::NoAddress
            }
            Err(error) => Self::Broken(error.to_string()),
        }
    }

    /// With no more addresses than this.
    pub(super) fn at_most(mut self, most: usize) -> Self {
        if let Self::Addresses(found) = &mut self {
            found.truncate(most);
        }
        self
    }

    /// Of two candidates' answers, the one that leaves more open.
    pub(super) fn or_worse(self, other: Self) -> Self {
        if other.openness() > self.openness() { other } else { self }
    }

    fn openness(&self) -> u8 {
        match self {
            Self::NoSuchName => 0,
            Self::NoAddress | Self::Addresses(_) => 1,
            Self::Broken(_) => 2,
        }
    }
}

/// One name's answer out of those for its two families. "No such name" holds for both,
/// whichever question it answers (RFC 8020).
pub(super) fn merge(v4: Answer, v6: Answer) -> Answer {
    match (v4, v6) {
        (Answer::Addresses(v4), Answer::Addresses(v6)) => Answer::Addresses([v4, v6].concat()),
        (Answer::Addresses(found), _) | (_, Answer::Addresses(found)) => Answer::Addresses(found),
        (Answer::NoSuchName, _) | (_, Answer::NoSuchName) => Answer::NoSuchName,
        (v4, v6) => v4.or_worse(v6),
    }
}

/// How long a lookup's outcome holds, if it does (RFC 2308 of names that are not there).
pub(super) fn valid_until(lookup: &Result<Lookup, NetError>) -> Option<Instant> {
    match lookup {
        Ok(lookup) => Some(lookup.valid_until()),
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
            Instant::now().checked_add(Duration::from_secs(none.negative_ttl?.into()))
        }
        Err(_) => None,
    }
}

/// The addresses in an answer.
pub(super) fn addresses(lookup: &Lookup) -> Vec<IpAddr> {
    lookup.answers().iter().filter_map(|record| record.data.ip_addr()).collect()
}
