//! How groups lie in the store: keys, records, the log, and the one thread that syncs.

pub(crate) mod keys;
pub(crate) mod log;
pub(crate) mod record;
pub(crate) mod shorten;
pub(crate) mod snapshot;
pub(crate) mod sync;
pub(crate) mod watermark;
