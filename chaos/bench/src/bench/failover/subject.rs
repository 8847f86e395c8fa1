//! What is hurt: three nodes of either side.

use anyhow::Result;

use super::{
    hurt::{Slow, Tracer},
    writers::Store,
};

/// See the module. Nodes are named by their place.
pub(super) trait Subject {
    /// How its writers write.
    type Store: Store;

    fn store(&self) -> Self::Store;
    /// The node whose loss is felt most, and how many groups it leads.
    async fn leader(&self) -> Result<(usize, u64)>;
    /// The process of a node.
    fn pid(&self, node: usize) -> u32;
    /// Ends a node as a power cut would.
    fn kill(&mut self, node: usize) -> Result<()>;
    /// Lets a node hand over what it leads, in order.
    async fn hand_over(&mut self, node: usize) -> Result<()>;
    /// Starts what has ended, and waits until all is as before.
    async fn mend(&mut self, node: usize) -> Result<()>;
    /// Lets every sync of a node that leads take longer, until the value is dropped.
    async fn slow_down(&mut self, node: usize, slow: &Slow) -> Result<Option<Tracer>>;
    /// The node that leads each group, as the others see it.
    async fn seats(&self, hurt: usize) -> Result<Vec<Option<usize>>>;
    /// Slots without a result so far.
    async fn missed(&self) -> Result<u64>;
}
