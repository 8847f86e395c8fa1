//! One connection: HTTP/1.1 or HTTP/2, with bounded patience.

use std::{pin::pin, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::{Rules, patient::Patient};

const MAX_STREAMS: u32 = 256;
/// What a connection, or with HTTP/2 each of its streams, may hold of answers that are not taken;
/// with HTTP/1 a request's head, too.
const MAX_BUFFERED: usize = 64 * 1024;

/// How connections are served; cloned for each.
#[derive(Clone)]
pub(super) struct Connection {
    builder: Builder<TokioExecutor>,
    router: Router,
    stall: Duration,
    shutdown: CancellationToken,
    cut_off: CancellationToken,
}

impl Connection {
    pub(super) fn new(
        router: Router,
        rules: &Rules<'_>,
        shutdown: CancellationToken,
        cut_off: CancellationToken,
    ) -> Self {
        let limits = rules.limits;
        let mut builder = Builder::new(TokioExecutor::new());
        if rules.http2_only {
            builder = builder.http2_only();
        }
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.stall)
            .max_buf_size(MAX_BUFFERED);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(limits.stall)
            .max_send_buf_size(MAX_BUFFERED)
            .max_concurrent_streams(MAX_STREAMS);
        Self { builder, router, stall: limits.stall, shutdown, cut_off }
    }

    /// Serves until the client goes, or until the node stops and what was asked is answered.
    pub(super) async fn run(self, stream: TcpStream) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let io = TokioIo::new(Patient::new(stream, self.stall));
        let service = TowerToHyperService::new(self.router);
        let mut connection = pin!(self.builder.serve_connection(io, service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.shutdown.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection.as_mut() => ended,
                    () = self.cut_off.cancelled() => return,
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke off");
        }
    }
}
