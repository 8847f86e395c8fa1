//! Several clients that write, clear and read a few registers at the same moments: resources, and
//! a maintenance window that concerns nobody.
//!
//! Invariant: no two writes of a register have the same value, and what was called is noted also
//! where nobody has said what came of it.

use std::{sync::atomic::Ordering, time::Duration};

use harness::Method;
use rand::RngExt;
use serde_json::{Value, json};

use super::{
    caller::{Caller, Outcome, Write},
    declaration, version,
};
use crate::history::{Did, Operation};

/// How many clients there are, by kind of register.
pub(super) const CLIENTS: u64 = 4;
/// All clients of a kind begin together, so that what they do is concurrent.
const BEAT: u64 = 120;
/// A window is set in every shard, which is more work.
const WINDOW_BEAT: u64 = 600;
const RESOURCES: u64 = 2;
/// After this the outcome of a write is left open.
const GIVES_UP: Duration = Duration::from_secs(5);
const FAR: &str = "2099-01-01T00:00:00Z";
const WINDOWS: &str = "/api/v1/infrastructure/maintenance";
const ROWS: &str = "/api/v1/infrastructure/resources";

/// Which kind of register a client works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A resource.
    Resource,
    /// A maintenance window.
    Window,
}

impl Kind {
    fn beat(self) -> u64 {
        match self {
            Self::Resource => BEAT,
            Self::Window => WINDOW_BEAT,
        }
    }

    /// The register of a moment, the same for all. Each round has its own, so that a history of
    /// many rounds is many short ones.
    fn register(self, era: u64, beat: u64) -> String {
        match self {
            Self::Resource => format!("push:shared-{era}-{}", beat % RESOURCES),
            Self::Window => format!("shared-{era}"),
        }
    }

    fn path(self, key: &str) -> String {
        match self {
            Self::Resource => format!("{ROWS}/{key}"),
            Self::Window => format!("{WINDOWS}/{key}"),
        }
    }

    fn body(self, key: &str, value: u64) -> Value {
        match self {
            Self::Resource => declaration(key, value),
            Self::Window => json!({
                "resource_ids": ["push:nobody"], "ends_at": FAR, "reason": value.to_string(),
            }),
        }
    }

    /// The value that an answer shows.
    fn value(self, answer: &Value) -> Option<u64> {
        match self {
            Self::Resource => version(answer),
            Self::Window => answer["reason"].as_str()?.parse().ok(),
        }
    }

    fn choose(self, random: &mut impl rand::Rng, value: u64) -> Did {
        match (self, random.random_range(0..4)) {
            (_, 0 | 1) => Did::Get(None),
            (Self::Window, 2) => Did::Clear,
            _ => Did::Put(value),
        }
    }
}

impl Caller {
    /// Goes on for good.
    pub(super) async fn share(mut self, kind: Kind, seed: u64) {
        for count in 1.. {
            let beat = self.until_next(kind.beat()).await;
            let register = kind.register(self.shared.era.load(Ordering::SeqCst), beat);
            let value = count * CLIENTS + self.number;
            match kind.choose(&mut self.random, value) {
                Did::Get(_) => self.get(kind, register).await,
                did => {
                    let key = format!("{seed}-{kind:?}-{value}");
                    self.in_turn(async |me| me.change(kind, register, did, key).await).await;
                }
            }
        }
    }

    /// Waits for the next moment at which all begin. Answers which.
    async fn until_next(&self, beat: u64) -> u64 {
        let next = self.now() / beat + 1;
        tokio::time::sleep(Duration::from_millis((next * beat).saturating_sub(self.now()))).await;
        next
    }

    async fn change(&mut self, kind: Kind, register: String, did: Did, key: String) {
        let path = kind.path(&register);
        let write = match did {
            Did::Put(value) => {
                let body = Some(kind.body(&register, value));
                Write { method: Method::PUT, path, key, body }
            }
            Did::Clear | Did::Get(_) => Write { method: Method::DELETE, path, key, body: None },
        };
        let operation = Operation {
            client: self.number,
            key: register,
            did,
            called: self.micros(),
            returned: None,
        };
        // Noted at its call: it may take effect although the run ends before it returns.
        let place = {
            let mut notes = self.shared.notes.lock();
            notes.operations.push(operation);
            notes.operations.len() - 1
        };
        let outcome = self.until_done(&write, GIVES_UP).await;
        let returned = self.micros();
        let mut notes = self.shared.notes.lock();
        match outcome {
            Outcome::Done => notes.operations[place].returned = Some(returned),
            Outcome::Refused(why) => notes.refused.push(why),
            Outcome::Unknown(_) => {}
        }
    }

    async fn get(&mut self, kind: Kind, register: String) {
        let called = self.micros();
        let path = kind.path(&register);
        let query = if kind == Kind::Resource { "?consistency=linearizable" } else { "" };
        let Ok(answer) = self.look(&format!("{path}{query}")).await else { return };
        let returned = Some(self.micros());
        let value = match answer.status.as_u16() {
            200 => kind.value(&answer.json()),
            404 => None,
            // A node that refuses says nothing about what is there.
            _ => return,
        };
        let (client, did) = (self.number, Did::Get(value));
        let operation = Operation { client, key: register, did, called, returned };
        self.shared.notes.lock().operations.push(operation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_a_read_shows() {
        for kind in [Kind::Resource, Kind::Window] {
            let body = kind.body("push:shared-1-0", 42);
            assert_eq!(kind.value(&body), Some(42));
        }
    }

    #[test]
    fn all_clients_of_a_beat_work_on_one_register_and_each_round_has_its_own() {
        assert_eq!(Kind::Resource.register(3, 7), "push:shared-3-1");
        assert_eq!(Kind::Resource.register(3, 8), "push:shared-3-0");
        assert_eq!(Kind::Window.register(3, 8), "shared-3");
    }
}
