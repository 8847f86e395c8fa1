//! Refuses reads that take much memory while the node is short of it, so that writes, single
//! rows and health checks go on.
//!
//! Invariant: many reads that come at once are not let in on the memory that each of them finds
//! free: until its answer begins, a read counts with the most that it may take by then. From then
//! on the process's own size tells.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    error::{ApiError, Kind},
    state::ApiState,
};

/// A page of rows or events, one piece of its text, and what compresses it, in bytes.
const PIECEWISE: u64 = 2 << 20;
/// The same, and its message, which is there as a whole before its first byte goes.
pub(crate) const AT_ONCE: u64 = 8 << 20;

/// Lets a read pass while there is memory.
pub(crate) async fn shed(State(api): State<ApiState>, request: Request, next: Next) -> Response {
    match spared(&api, PIECEWISE) {
        Ok(_under_way) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// Counts a read that takes up to `most` bytes, where there is memory.
pub(crate) fn spared(api: &ApiState, most: u64) -> Result<UnderWay<'_>, ApiError> {
    let (under_way, expected) = api.large_reads().begin(most);
    match (api.hooks().short_of_memory)(expected) {
        None => Ok(under_way),
        Some(found) => {
            let detail = format!(
                "{found}; lists, watches, histories and coverage are refused until there is \
                 memory again; single resources and writes are not"
            );
            Err(ApiError::new(Kind::ShortOfMemory, detail))
        }
    }
}

/// How many bytes those may take that have no answer yet.
#[derive(Debug, Default)]
pub(crate) struct LargeReads(AtomicU64);

/// One of them; it is over when this is dropped.
pub(crate) struct UnderWay<'a> {
    reads: &'a LargeReads,
    most: u64,
}

impl LargeReads {
    /// Counts one more, and says how many bytes all of them may yet take.
    fn begin(&self, most: u64) -> (UnderWay<'_>, u64) {
        let before = self.0.fetch_add(most, SeqCst);
        (UnderWay { reads: self, most }, before.saturating_add(most))
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.reads.0.fetch_sub(self.most, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_count_until_they_are_over() {
        let reads = LargeReads::default();
        let (one, first) = reads.begin(PIECEWISE);
        let (_two, both) = reads.begin(AT_ONCE);
        assert_eq!((first, both), (PIECEWISE, PIECEWISE + AT_ONCE));
        drop(one);
        assert_eq!(reads.begin(PIECEWISE).1, AT_ONCE + PIECEWISE);
    }
}
