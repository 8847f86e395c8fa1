//! How much goes into one entry.

use super::Pending;

/// The most bytes of one, unless a single command has more: an entry crosses to another node as a
/// whole, and what the wire does not carry would stop the group.
const MOST_BYTES: usize = 1 << 20;

/// As many of the first as an entry takes, and one at least.
pub(super) fn fitting(waiting: &mut Vec<Pending>) -> Vec<Pending> {
    let mut size = 0;
    let fits = waiting.iter().take_while(|pending| {
        size += pending.size;
        size <= MOST_BYTES
    });
    let rest = waiting.split_off(fits.count().max(1).min(waiting.len()));
    std::mem::replace(waiting, rest)
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::command::Command;

    #[test]
    fn an_entry_takes_what_fits_and_never_nothing() {
        let sizes = [600 << 10, 500 << 10, 10, 3 << 20, 20];
        let pending =
            |size| Pending { envelope: Command::Tick.into(), size, answer: oneshot::channel().0 };
        let mut waiting: Vec<Pending> = sizes.map(pending).into();
        let mut packed = Vec::new();
        while !waiting.is_empty() {
            packed.push(fitting(&mut waiting).iter().map(|p| p.size).collect::<Vec<_>>());
        }
        let expected: [&[usize]; 4] = [&[600 << 10], &[500 << 10, 10], &[3 << 20], &[20]];
        assert_eq!(packed, expected);
    }
}
