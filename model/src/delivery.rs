//! Which events a sink has, and from where on it is sent: the part of publishing that decides.
//!
//! A publisher of a shard works in sessions. A session is one connection to the sink, which is
//! never replaced: it is opened, then what the sink holds is read ([`start`], [`Tail`]), then
//! events are sent in order on that connection alone ([`Flight`]), until anything fails.
//!
//! Invariant (SEMANTICS 10): whoever reads the sink and drops repeated ids sees every event of
//! the shard once and in order, whatever became of publishers, connections and receipts. It
//! rests on what a sink promises of one connection: of what was sent on it, in this order, the
//! sink holds a beginning, and nothing of it after it has lost anything.

mod flight;
mod tail;

#[cfg(test)]
mod tests;

pub use flight::Flight;
pub use tail::{Span, Start, Tail, start};
