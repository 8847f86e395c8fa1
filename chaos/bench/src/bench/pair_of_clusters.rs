//! The peer's cluster, with certificates of the same kind as ours.

use std::path::Path;

use anyhow::Result;

use super::ours::cluster::certificates;
use crate::{
    peer::etcd::cluster::{Cluster, HOST},
    plan::Plan,
};

/// Three fresh members.
pub(super) async fn etcd(plan: &Plan, program: &Path) -> Result<Cluster> {
    Cluster::start(plan, program, certificates(plan, &[HOST])?).await
}
