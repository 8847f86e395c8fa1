//! The thread that writes: it drains its queue, writes once, syncs once, answers all.

use std::{io, thread};

use model::{Offset, ShardId};
use tokio::sync::{mpsc, watch};

use super::{Answer, line::Line, store::Store};
use crate::sink::SinkError;

/// Requests that wait; who finds the queue full waits for a place.
const QUEUE: usize = 64;
/// Requests that share one sync.
const GROUP: usize = 64;

/// What the thread is asked.
pub(super) enum Request {
    /// What is held of a shard, everything that was handed over before included.
    Tail { shard: ShardId, answer: Answer<Option<Offset>> },
    /// To hold more.
    Append(Append),
}

/// Lines of one shard, in order.
pub(super) struct Append {
    pub(super) shard: ShardId,
    pub(super) lines: Vec<Line>,
    /// Up to which offset the shard is held then.
    pub(super) answer: Answer<Offset>,
}

/// Starts the thread. It ends, and lets the second channel close, when the first is closed
/// and empty.
pub(super) fn start(mut store: Store) -> io::Result<(mpsc::Sender<Request>, watch::Receiver<()>)> {
    let (queue, mut requests) = mpsc::channel(QUEUE);
    let (running, ended) = watch::channel(());
    thread::Builder::new().name("event-file".to_owned()).spawn(move || {
        while let Some(first) = requests.blocking_recv() {
            serve(&mut store, group(first, &mut requests));
        }
        drop(store);
        drop(running);
    })?;
    Ok((queue, ended))
}

fn group(first: Request, requests: &mut mpsc::Receiver<Request>) -> Vec<Request> {
    let mut group = vec![first];
    while group.len() < GROUP {
        let Ok(next) = requests.try_recv() else { break };
        group.push(next);
    }
    group
}

/// Appends come first: a tail that saw less than was handed over would be out of date.
fn serve(store: &mut Store, group: Vec<Request>) {
    let (mut appends, mut tails) = (Vec::new(), Vec::new());
    for request in group {
        match request {
            Request::Append(append) => appends.push(append),
            Request::Tail { shard, answer } => tails.push((shard, answer)),
        }
    }
    if !appends.is_empty() {
        let done = store.commit(appends.iter().map(|append| (append.shard, &append.lines[..])));
        answer(store, appends, &done);
    }
    for (shard, answer) in tails {
        // Who has stopped waiting needs no answer.
        let _ = answer.send(store.tail(shard));
    }
}

fn answer(store: &Store, appends: Vec<Append>, done: &Result<(), SinkError>) {
    for append in appends {
        let _ = append.answer.send(done.clone().map(|()| store.known(append.shard)));
    }
}
