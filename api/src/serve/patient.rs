//! A connection that gives up on a client that says nothing at first, or takes nothing later.
//!
//! Time limits on requests cannot see these two: the first has sent no request yet, and the
//! second keeps an answer that is done.

use std::{
    io::{self, ErrorKind},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// So many bytes tell HTTP/1 from HTTP/2 (RFC 9113 section 3.4).
const PREFACE: usize = 24;

/// A stream with bounded patience.
pub(super) struct Patient<S> {
    stream: S,
    patience: Duration,
    /// Runs until the client has said enough or was answered.
    opening: Option<Pin<Box<Sleep>>>,
    received: usize,
    /// Runs while the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    pub(super) fn new(stream: S, patience: Duration) -> Self {
        let opening = Some(Box::pin(sleep(patience)));
        Self { stream, patience, opening, received: 0, stalled: None }
    }

    /// Passes a write's outcome on, or gives up where there was no progress for too long.
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stalled = None;
            self.opening = None;
            return outcome;
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
        match stalled.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.received += buffer.filled().len() - before;
        if self.received >= PREFACE {
            self.opening = None;
        }
        if outcome.is_pending()
            && let Some(opening) = &mut self.opening
            && opening.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(ErrorKind::TimedOut.into()));
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex},
        time::Instant,
    };

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_is_given_up_on() {
        let (near, mut far) = duplex(64);
        let mut near = Patient::new(near, PATIENCE);
        far.write_all(b"PRI").await.unwrap();
        let mut buffer = [0; 64];
        assert_eq!(near.read(&mut buffer).await.unwrap(), 3);
        let began = Instant::now();
        let error = near.read(&mut buffer).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(began.elapsed() <= PATIENCE + Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_spoken_may_be_silent() {
        let (near, mut far) = duplex(64);
        let mut near = Patient::new(near, PATIENCE);
        far.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut buffer = [0; 64];
        near.read_exact(&mut buffer[..27]).await.unwrap();
        let silent = tokio::time::timeout(PATIENCE * 10, near.read(&mut buffer)).await;
        assert!(silent.is_err(), "the connection stays open");
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_given_up_on() {
        let (near, _far) = duplex(8);
        let mut near = Patient::new(near, PATIENCE);
        near.write_all(&[0; 8]).await.unwrap();
        let error = near.write_all(&[0; 1]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_slowly_is_served() {
        let (near, mut far) = duplex(1);
        let mut near = Patient::new(near, PATIENCE);
        let reader = async {
            let mut buffer = [0; 1];
            for _ in 0..20 {
                sleep(PATIENCE / 2).await;
                far.read_exact(&mut buffer).await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(near.write_all(&[0; 20]), reader);
        assert!(written.is_ok());
    }
}
