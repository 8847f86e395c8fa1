//! What a load must show of a server that stalls.

use super::*;

/// Answers at once, but for one operation that takes long.
struct Stalls {
    done: u32,
    at: u32,
    pause: Duration,
}

impl Client for Stalls {
    async fn once(&mut self) -> Result<()> {
        self.done += 1;
        if self.done == self.at {
            tokio::time::sleep(self.pause).await;
        }
        Ok(())
    }
}

struct Fails;

impl Client for Fails {
    async fn once(&mut self) -> Result<()> {
        anyhow::bail!("wrong answer")
    }
}

#[tokio::test]
async fn a_stall_is_charged_to_all_operations_that_it_delayed() {
    let client = Stalls { done: 0, at: 10, pause: Duration::from_millis(200) };
    let pace = Pace::Open(200.0);
    let load = drive(vec![client], pace, Duration::ZERO, Duration::from_millis(500)).await.unwrap();
    // 40 operations were due during the stall: half of them waited for more than 100 ms, which
    // is more than the tenth of all operations that begins at the 90th percentile.
    assert!(load.quantile_ms(0.9) > 100.0, "{}", load.quantile_ms(0.9));
    assert!(load.done > 80, "{}", load.done);
}

#[tokio::test]
async fn a_closed_loop_counts_what_was_done_after_the_warm_up() {
    let clients: Vec<Stalls> = (0..4).map(|_| paused()).collect();
    let (warm, span) = (Duration::from_millis(20), Duration::from_millis(100));
    let load = drive(clients, Pace::Closed, warm, span).await.unwrap();
    assert!(load.done > 4 && load.rate() > 40.0, "{}", load.done);
    assert!((load.kept_up - 1.0).abs() < 1e-9);
}

fn paused() -> Stalls {
    Stalls { done: 0, at: 1, pause: Duration::from_millis(1) }
}

#[tokio::test]
async fn one_wrong_answer_fails_the_load() {
    let failed = drive(vec![Fails], Pace::Closed, Duration::ZERO, Duration::from_secs(5)).await;
    assert_eq!(failed.unwrap_err().to_string(), "wrong answer");
}
