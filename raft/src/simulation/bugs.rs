//! Which seeded bug is in force on this thread: `make test` shows that histories catch each.

use std::cell::Cell;

thread_local! {
    static BUG: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// In force until it is dropped.
pub(super) struct Bug;

impl Bug {
    pub(super) fn seed(name: &'static str) -> Self {
        BUG.set(Some(name));
        Self
    }
}

impl Drop for Bug {
    fn drop(&mut self) {
        BUG.set(None);
    }
}

/// Whether this bug is in force.
pub(crate) fn in_force(name: &str) -> bool {
    BUG.get() == Some(name)
}
