//! The entries of a group that are on their way.
//!
//! Invariant: there are two at most, and beside one that holds writes of clients there is none but
//! those that began before it.

use futures_util::{
    StreamExt,
    future::{BoxFuture, FutureExt},
    stream::FuturesUnordered,
};
use tokio::sync::oneshot;

use super::{Answer, Landing};
use crate::{
    command::{Command, Envelope},
    error::ProposeError,
};

/// A second one would halve what an entry of writes holds, and an entry costs more than a command.
const WRITES: usize = 1;
/// A finding that may change a health must not wait until those before it, which cannot, have
/// landed.
const MOST: usize = 2;

/// Who waits for the replies of an entry.
pub(super) type Callers = Vec<oneshot::Sender<Result<Answer, ProposeError>>>;

/// See the module.
#[derive(Default)]
pub(super) struct Flights {
    all: FuturesUnordered<BoxFuture<'static, (Cargo, Callers, Landing)>>,
    writes: usize,
}

/// What an entry holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cargo {
    /// What probes have found, and nothing else.
    Reports,
    /// Anything else: it shows how many more there are to come.
    Writes,
}

/// An entry on its way, and what it holds.
pub(super) struct Flight {
    pub(super) cargo: Cargo,
    pub(super) landing: BoxFuture<'static, (Callers, Landing)>,
}

impl Cargo {
    pub(super) fn of(envelopes: &[Envelope]) -> Self {
        let reports = envelopes.iter().all(|e| matches!(e.command, Command::Observe(_)));
        if reports { Self::Reports } else { Self::Writes }
    }
}

impl Flights {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether another may begin.
    pub(super) fn has_room(&self) -> bool {
        self.writes < WRITES && self.all.len() < MOST
    }

    pub(super) fn begin(&mut self, Flight { cargo, landing }: Flight) {
        self.writes += usize::from(cargo == Cargo::Writes);
        self.all.push(landing.map(move |(callers, landing)| (cargo, callers, landing)).boxed());
    }

    /// The next that has landed; none where none is on its way.
    pub(super) async fn landed(&mut self) -> Option<(Callers, Landing)> {
        let (cargo, callers, landing) = self.all.next().await?;
        self.writes -= usize::from(cargo == Cargo::Writes);
        Some((callers, landing))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::{pending, ready};
    use model::ShardId;

    use super::*;

    fn never(cargo: Cargo) -> Flight {
        Flight { cargo, landing: pending().boxed() }
    }

    fn at_once(cargo: Cargo) -> Flight {
        let landing = Err(ProposeError::Unknown(ShardId(0)));
        Flight { cargo, landing: ready((Vec::new(), landing)).boxed() }
    }

    #[test]
    fn what_probes_have_found_does_not_hold_up_what_follows() {
        for second in [Cargo::Reports, Cargo::Writes] {
            let mut flights = Flights::default();
            flights.begin(never(Cargo::Reports));
            assert!(flights.has_room());
            flights.begin(never(second));
            assert!(!flights.has_room());
        }
    }

    #[tokio::test]
    async fn what_follows_a_write_waits_until_it_has_landed() {
        let mut flights = Flights::default();
        flights.begin(at_once(Cargo::Writes));
        assert!(!flights.has_room());
        assert!(flights.landed().await.is_some());
        assert!(flights.has_room() && flights.is_empty());
        assert!(flights.landed().await.is_none());
    }

    #[test]
    fn one_write_among_reports_makes_the_entry_one_of_writes() {
        let report = || Envelope::from(Command::Observe(Vec::new()));
        assert_eq!(Cargo::of(&[report(), report()]), Cargo::Reports);
        assert_eq!(Cargo::of(&[report(), Command::Tick.into()]), Cargo::Writes);
    }
}
