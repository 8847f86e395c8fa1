//! Waiting for a condition, with a bound and without a fixed sleep.

use std::{
    fmt::Display,
    future::Future,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

const PAUSE: Duration = Duration::from_millis(20);

/// Asks until the answer is `Ok`, at most for `limit`.
///
/// # Errors
/// Names `what` and the last reason why it was not yet so.
pub async fn eventually<T, E, F, Fut>(what: &str, limit: Duration, mut ask: F) -> Result<T>
where
    E: Display,
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let started = Instant::now();
    loop {
        let why = match ask().await {
            Ok(value) => return Ok(value),
            Err(why) => why,
        };
        if started.elapsed() >= limit {
            bail!("not within {limit:?}: {what}; last: {why:#}");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_reason_is_named_when_time_is_up() {
        let never = || async { Err::<(), _>("still asleep") };
        let error = eventually("it wakes", Duration::from_millis(30), never).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("it wakes") && text.contains("still asleep"), "{text}");
    }
}
