//! What must hold of any bytes that a target of an HTTP check answers with.
//!
//! `make fuzz` drives this under coverage, the test below over the corpus and mutations. No
//! socket is opened and no time passes: the clock stands still until nothing else can happen.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use model::{
    Outcome,
    check::{HttpCheck, StatusRange},
    outcome::clean,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    runtime::{Builder, Runtime},
    time::Instant,
};

use super::{HttpProbe, Measured, exchange::Answer, redirect::Route};
use crate::probe::{
    Finding, ProbeSettings, Probes,
    budget::Budget,
    fault::{Fault, Phase, conclude},
};

/// The time that a check has; it passes only where the target leaves it unused.
const TIME: Duration = Duration::from_secs(10);
/// Holds the connection open after the answer.
const STAYS: u8 = 0x80;
const MAX_BODY: f64 = 1_048_576.0;

thread_local! {
    static BENCH: Bench = Bench::new();
}

/// Checks of each sort, and the runtime that they run in.
struct Bench {
    runtime: Runtime,
    probes: Vec<HttpProbe>,
}

/// Whatever a target sends, it is judged: within the time, in a clean reason, and never as a
/// fault of ours. The first byte chooses the check, and whether the connection stays open.
///
/// # Panics
/// Where that does not hold.
pub fn answer(bytes: &[u8]) {
    let Some((choice, sent)) = bytes.split_first() else { return };
    BENCH.with(|bench| bench.judge(*choice, sent));
}

impl Bench {
    fn new() -> Self {
        let built = Builder::new_current_thread().enable_all().start_paused(true).build();
        let runtime = built.expect("a runtime can be built");
        let _inside = runtime.enter();
        let probes = Probes::new(ProbeSettings::default()).expect("TLS can be set up");
        let probe = |check| {
            let probe = HttpProbe::new(Arc::clone(&probes.shared), &check);
            probe.unwrap_or_else(|why| panic!("{why}"))
        };
        let probes = checks().into_iter().map(probe).collect();
        Self { runtime, probes }
    }

    fn judge(&self, choice: u8, sent: &[u8]) {
        let probe = &self.probes[usize::from(choice & !STAYS) % self.probes.len()];
        let (finding, took) = self.runtime.block_on(async {
            let started = Instant::now();
            (examined(probe, sent, choice & STAYS != 0).await, started.elapsed())
        });
        assert!(took <= TIME, "took {took:?}");
        let Finding::Concluded { outcome, metrics } = finding else {
            panic!("the target's answer is called a fault of ours: {finding:?}");
        };
        if let Outcome::Failed { reason, .. } = &outcome {
            assert!(!reason.is_empty() && *reason == clean(reason), "{reason:?}");
        }
        if let Some(status) = metrics.get("status_code") {
            assert!((100.0..1_000.0).contains(&status), "status {status}");
        }
        assert!(metrics.get("body_bytes").is_none_or(|bytes| bytes <= MAX_BODY));
    }
}

/// One check of each sort of look into the answer.
fn checks() -> [HttpCheck; 6] {
    let plain = HttpCheck {
        url: "http://shop.example/a?b=c".to_owned(),
        method: "GET".to_owned(),
        headers: [("authorization".to_owned(), "secret".to_owned())].into(),
        body: None,
        bearer_token: None,
        status: vec![StatusRange { from: 200, to: 299 }],
        body_contains: None,
        body_regex: None,
        json_path: None,
        equals: None,
        follow_redirects: 0,
        verify: true,
        ca_file: None,
        min_days: None,
    };
    let text = |text: &str| Some(text.to_owned());
    [
        HttpCheck { body_contains: text("ok"), ..plain.clone() },
        HttpCheck { body_regex: text("^(a+)+$|o.?k"), ..plain.clone() },
        HttpCheck { json_path: text("$..status"), equals: text("\"up\""), ..plain.clone() },
        HttpCheck { follow_redirects: 3, ..plain.clone() },
        HttpCheck { method: "HEAD".to_owned(), ..plain.clone() },
        HttpCheck { method: "POST".to_owned(), body: text("x"), follow_redirects: 1, ..plain },
    ]
}

async fn examined(probe: &HttpProbe, sent: &[u8], stays: bool) -> Finding {
    let budget = Budget::until(Instant::now() + TIME);
    let (near, far) = duplex(64 * 1024);
    let asking = async {
        let mut measured = Measured::default();
        let result = asked(probe, near, budget, &mut measured).await;
        conclude(result, measured.metrics(budget))
    };
    let (finding, ()) = tokio::join!(asking, target(far, sent, stays));
    finding
}

async fn asked(
    probe: &HttpProbe,
    near: DuplexStream,
    budget: Budget,
    measured: &mut Measured,
) -> Result<Outcome, Fault> {
    let (plan, step) = (&probe.plan, probe.plan.first_step());
    let request = plan.request(&step, &plan.headers)?;
    let peer: SocketAddr = ([127, 0, 0, 1], 80).into();
    let late = || Fault::timed_out(Phase::Waiting, peer);
    let answer = budget.run(Answer::over(near, request, peer), late).await?;
    measured.status = Some(answer.status());
    let mut route = Route::new(step, plan.redirects);
    match route.follow(&answer) {
        Ok(false) => probe.judge(answer, budget, measured).await,
        Ok(true) => {
            answer.finish(budget).await;
            leads_somewhere(probe, &route)
        }
        Err(fault) => {
            answer.finish(budget).await;
            Err(fault)
        }
    }
}

/// The next request can be made, and tells nobody else what was for the declared origin.
fn leads_somewhere(probe: &HttpProbe, route: &Route) -> Result<Outcome, Fault> {
    let step = route.step();
    assert!(matches!(step.url.scheme(), "http" | "https") && step.url.has_host());
    assert!(step.url.username().is_empty() && step.url.password().is_none());
    let request = probe.plan.request(step, &probe.plan.headers)?;
    let at_home = step.url.origin() == probe.plan.first_step().url.origin();
    assert_eq!(request.headers().contains_key("authorization"), at_home, "{}", step.url);
    Ok(Outcome::passed())
}

/// Reads a request, sends the bytes, and closes or stays.
async fn target(mut far: DuplexStream, sent: &[u8], stays: bool) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match far.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    far.write_all(sent).await.ok();
    if stays {
        tokio::io::copy(&mut far, &mut tokio::io::sink()).await.ok();
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn any_answer_is_judged_in_time_and_cleanly() {
        mutate::short("http_answer", 10_000, super::answer);
    }
}
