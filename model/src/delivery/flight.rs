//! What was sent on a connection and has no receipt yet.

use std::collections::VecDeque;

use crate::Offset;

/// Receipts may come in any order; acknowledged is what has them without a hole.
#[derive(Debug, Clone)]
pub struct Flight<P> {
    acknowledged: Offset,
    position: Option<P>,
    /// The last offsets of what was sent, in order, with the receipts that wait for earlier ones.
    sent: VecDeque<(Offset, Option<P>)>,
}

impl<P> Flight<P> {
    /// Begins after what the sink holds.
    #[must_use]
    pub fn after(held: Offset, position: Option<P>) -> Self {
        Self { acknowledged: held, position, sent: VecDeque::new() }
    }

    /// Everything up to this offset is durable at the sink.
    #[must_use]
    pub fn acknowledged(&self) -> Offset {
        self.acknowledged
    }

    /// Where its last message is; `None` where the sink was never sent anything.
    #[must_use]
    pub fn position(&self) -> Option<&P> {
        self.position.as_ref()
    }

    /// Everything up to this offset was sent.
    #[must_use]
    pub fn sent(&self) -> Offset {
        self.sent.back().map_or(self.acknowledged, |(last, _)| *last)
    }

    /// How many messages have no receipt.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.sent.len()
    }

    /// A message that reaches up to `last` was sent.
    pub fn send(&mut self, last: Offset) {
        self.sent.push_back((last, None));
    }

    /// The message that reaches up to `last` is durable there. Returns whether more is
    /// acknowledged than before.
    pub fn receive(&mut self, last: Offset, position: P) -> bool {
        let Ok(place) = self.sent.binary_search_by_key(&last, |(last, _)| *last) else {
            return false;
        };
        self.sent[place].1 = Some(position);
        let before = self.acknowledged;
        while let Some((_, Some(_))) = self.sent.front() {
            let (last, position) = self.sent.pop_front().expect("there is a front");
            (self.acknowledged, self.position) = (last, position);
        }
        self.acknowledged > before
    }
}
