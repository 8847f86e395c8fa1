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

#[tokio::test(start_paused = true)]
async fn a_stall_is_charged_to_all_operations_that_it_delayed() {
    let client = Stalls { done: 0, at: 10, pause: Duration::from_millis(200) };
    let pace = Pace::Open(200.0);
    let load = drive(vec![client], pace, Duration::ZERO, Duration::from_millis(500)).await.unwrap();
    // 40 operations were due during the stall: half of them waited for more than 100 ms, which
    // is more than the tenth of all operations that begins at the 90th percentile.
    assert!(load.quantile_ms(0.9) > 100.0, "{}", load.quantile_ms(0.9));
    assert!(load.done > 80, "{}", load.done);
}

/// Takes as long for each operation as the clock says.
struct Takes(Duration);

impl Client for Takes {
    async fn once(&mut self) -> Result<()> {
        tokio::time::sleep(self.0).await;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_closed_loop_counts_what_began_after_the_warm_up() {
    let clients = (0..4).map(|_| Takes(Duration::from_millis(10))).collect();
    let (warm, span) = (Duration::from_millis(20), Duration::from_millis(100));
    let load = drive(clients, Pace::Closed, warm, span).await.unwrap();
    assert_eq!(load.done, 4 * 10);
    assert!((load.rate() - 400.0).abs() < 1e-9, "{}", load.rate());
    assert!((load.kept_up - 1.0).abs() < 1e-9, "{}", load.kept_up);
}

#[tokio::test]
async fn one_wrong_answer_fails_the_load() {
    let failed = drive(vec![Fails], Pace::Closed, Duration::ZERO, Duration::from_secs(5)).await;
    assert_eq!(failed.unwrap_err().to_string(), "wrong answer");
}
