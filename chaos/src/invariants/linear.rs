//! **L**: linearizable reads are linearizable. All operations are judged by porcupine
//! ([`super::porcupine`]); where that cannot be had, they are not judged.
//!
//! What needs no search is judged here, too: some resources have one writer, whose versions
//! rise; then a read is linearizable if it shows at least what was acknowledged, or read, before it
//! was asked, and nothing that was not yet asked for when it was answered. It does not matter which
//! node was asked, nor how many were tried for one write: the writer goes on only when one has
//! acknowledged, so that a late repeat of an older write would show as a version that goes back.

use std::collections::BTreeMap;

use super::{Judgement, minority, porcupine};
use crate::history::{History, ReadNote, WriteNote};

pub(super) fn judge(history: &History) -> Judgement {
    let mut judgement = porcupine::judge(history);
    judgement.broken.extend(violations(history));
    judgement
}

fn violations(history: &History) -> Vec<String> {
    let mut writes: BTreeMap<&str, Vec<&WriteNote>> = BTreeMap::new();
    for write in &history.writes {
        writes.entry(&write.id).or_default().push(write);
    }
    let mut reads: BTreeMap<&str, Vec<&ReadNote>> = BTreeMap::new();
    for read in &history.reads {
        reads.entry(&read.id).or_default().push(read);
    }
    let none = Vec::new();
    let wrong =
        reads.iter().flat_map(|(id, reads)| of_resource(reads, writes.get(id).unwrap_or(&none)));
    wrong.chain(minority::violations(history)).collect()
}

fn of_resource(reads: &[&ReadNote], writes: &[&WriteNote]) -> Vec<String> {
    let mut wrong = Vec::new();
    for read in reads {
        let acknowledged = writes
            .iter()
            .filter(|write| write.acknowledged.is_some_and(|at| at < read.asked))
            .map(|write| write.version);
        let seen =
            reads.iter().filter(|other| other.answered < read.asked).filter_map(|r| r.version);
        let least = acknowledged.chain(seen).max();
        let most = writes.iter().filter(|w| w.asked <= read.answered).map(|w| w.version).max();
        if read.version < least || read.version > most {
            wrong.push(format!(
                "{}: a read at {} ms shows version {:?}, must be {least:?} to {most:?}",
                read.id, read.asked, read.version
            ));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::fixture::well;

    #[test]
    fn a_read_before_an_acknowledged_write_is_found() {
        let mut history = well();
        assert!(violations(&history).is_empty());
        history.reads[1].version = Some(1);
        assert_eq!(violations(&history).len(), 1);
    }

    #[test]
    fn a_read_of_the_future_is_found() {
        let mut history = well();
        history.reads[0].version = Some(3);
        assert!(!violations(&history).is_empty());
    }

    #[test]
    fn two_reads_that_go_back_are_found_also_where_the_write_was_not_acknowledged() {
        let mut history = well();
        history.writes[1].acknowledged = None;
        history.reads[0] = ReadNote { asked: 410, answered: 415, ..history.reads[0].clone() };
        history.reads[0].version = Some(2);
        assert!(violations(&history).is_empty());
        history.reads[1].version = Some(1);
        assert_eq!(violations(&history).len(), 1);
    }
}
