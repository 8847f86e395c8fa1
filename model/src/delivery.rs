//! Which events a sink has, and from where on it is sent: the part of publishing that decides.
//!
//! A publisher of a shard works in sessions. A session is one connection to the sink, which is
//! never replaced. It is opened; then the session is taken ([`Change::Take`]), which ends every
//! former one's say in the cursor; then what the sink holds is read ([`Reading`]); then, where the
//! sink has less than the cursor says, the cursor is told so; then events are sent in order on that
//! connection alone ([`Flight`]), until anything fails.
//!
//! Invariant (SEMANTICS 10): whoever reads the sink and drops repeated ids sees every event of
//! the shard once and in order, whatever became of publishers, connections, receipts and proposals.
//! It rests on what a sink promises of one connection: of what was sent on it, in this order, the
//! sink holds a beginning, and nothing of it after it has lost anything.

mod cursor;
mod flight;
mod reading;
mod reset;
mod subscribe;
mod tail;

#[cfg(test)]
mod tests;

pub use cursor::{Change, Outdated, SinkCursor};
pub use flight::Flight;
pub use reading::{Place, ReadFrom, Reading};
pub use reset::{NoPlace, ResetTo};
pub use subscribe::{NoStart, SubscribeFrom};
pub use tail::{Span, Tail};
