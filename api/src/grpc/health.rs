//! `grpc.health.v1`: whether this node may be asked, of the node as a whole and of each service.

use std::{convert::Infallible, time::Duration};

use tokio::time::interval;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{health::is_ready, state::ApiState};

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Tells how the node is, for as long as it is polled. `services` are full names; the node's own is
/// empty.
pub(super) async fn tell(
    api: &ApiState,
    reporter: &HealthReporter,
    services: &[&'static str],
) -> Infallible {
    let mut look = interval(LOOK);
    loop {
        look.tick().await;
        let status = match is_ready(api) {
            true => ServingStatus::Serving,
            false => ServingStatus::NotServing,
        };
        for service in services {
            reporter.set_service_status(*service, status).await;
        }
    }
}
