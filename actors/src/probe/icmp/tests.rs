//! ICMP checks of this host, and their fallback.

use std::{net::IpAddr, time::Duration};

use futures_util::future::join_all;
use model::{Miss, check::IcmpCheck};
use serde_json::json;
use tokio::time::Instant;

use super::{
    IcmpProbe,
    fallback::ask_ports,
    series::{Reply, Series},
};
use crate::probe::{
    budget::Budget,
    fault::Fault,
    testing::{PATIENCE, assert_passed, find_within, metric, probes, refusing, serve},
};

/// Time for replies that are there already.
const BRIEF: Duration = Duration::from_millis(100);
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn budget(time: Duration) -> Budget {
    Budget::until(Instant::now() + time)
}

#[tokio::test]
async fn this_host_answers_by_echo_or_else_over_tcp() {
    let finding = find_within(&probes(), json!({"icmp": {"host": "127.0.0.1"}}), PATIENCE).await;
    assert_passed(&finding);
    assert_eq!(metric(&finding, "loss_percent"), Some(0.0));
    assert!(metric(&finding, "rtt_avg_ms").is_some_and(|ms| ms > 0.0));
    assert!(metric(&finding, "rtt_max_ms") >= metric(&finding, "rtt_avg_ms"));
}

#[tokio::test]
async fn many_pingers_of_one_address_do_not_confuse_each_other() {
    let probes = probes();
    let check = || json!({"icmp": {"host": "127.0.0.1", "count": 3}});
    let findings = join_all((0..20).map(|_| find_within(&probes, check(), PATIENCE))).await;
    for finding in findings {
        assert_passed(&finding);
        assert_eq!(metric(&finding, "loss_percent"), Some(0.0));
    }
}

#[tokio::test]
async fn a_refused_connection_is_a_sign_of_life() {
    let refused = refusing().await;
    let open = serve(|stream| async { drop(stream) }).await;
    for ports in [&[refused.port()][..], &[open.port()]] {
        let series = ask_ports(HERE, 3, budget(PATIENCE), ports).await.expect("it lives");
        assert_eq!((series.answered(), series.loss_percent()), (3, 0.0));
    }
}

#[tokio::test]
async fn semantics_4_silence_without_permission_is_no_verdict() {
    let nobody = ask_ports(HERE, 2, budget(Duration::from_millis(50)), &[]).await;
    let Err(Fault::Missed { reason: Miss::Permission, detail }) = nobody.map(|_| ()) else {
        panic!("no port was asked, so nothing is known");
    };
    assert!(detail.contains("CAP_NET_RAW"), "{detail}");
}

#[tokio::test]
async fn loss_is_what_was_not_answered() {
    let replies = [Reply::After(Duration::from_millis(2)), Reply::Lost, Reply::Lost];
    let requests = replies.into_iter().map(|reply| std::future::ready(Ok(reply))).collect();
    let series = Series::run(requests, budget(BRIEF)).await.expect("one was answered");
    assert!((series.loss_percent() - 66.666).abs() < 0.001);
    let expected = Duration::from_millis(2);
    assert_eq!(series.round_trips(), Some((expected, expected)));
}

#[tokio::test]
async fn semantics_4_what_this_host_kept_back_is_not_counted() {
    let fault = || Err(Fault::missed(Miss::NoRoute, "no route"));
    let none = vec![std::future::ready(fault()), std::future::ready(Ok(Reply::Lost))];
    assert_eq!(Series::run(none, budget(BRIEF)).await.err(), fault().map(|_: Reply| ()).err());
    let answered = Ok(Reply::After(Duration::from_millis(1)));
    let some = vec![std::future::ready(fault()), std::future::ready(answered)];
    let series = Series::run(some, budget(BRIEF)).await.expect("one was answered");
    assert_eq!((series.sent, series.answered(), series.loss_percent()), (1, 1, 0.0));
    assert!(series.own_fault.is_some());
}

#[test]
fn what_was_lost_is_said_and_nothing_is_added_to_what_a_router_said() {
    let probe = probe(3, 30.0);
    let series = |answered: usize, refusal: Option<&str>| Series {
        sent: 3,
        times: vec![Duration::from_millis(1); answered],
        refusal: refusal.map(str::to_owned),
        own_fault: None,
    };
    for (series, expected) in [
        (series(0, None), "no answer to 3 echo requests (127.0.0.1)"),
        (series(2, None), "1 of 3 echo requests were lost (127.0.0.1)"),
        (series(0, Some("host unreachable: 127.0.0.1")), "host unreachable: 127.0.0.1"),
        (series(1, Some("host unreachable")), "2 of 3 echo requests were lost (127.0.0.1)"),
    ] {
        assert_eq!(probe.judge(&series, HERE), Err(Fault::failed(expected)));
    }
    assert_eq!(probe.judge(&series(3, None), HERE), Ok(()));
    let tolerant = self::probe(3, 40.0);
    assert_eq!(tolerant.judge(&series(2, None), HERE), Ok(()));
    // Where some could not be sent, what was lost may have been lost here.
    let own = Fault::missed(Miss::Overload, "too many echo requests are waiting");
    let series = Series { own_fault: Some(own.clone()), ..series(2, None) };
    assert_eq!(probe.judge(&series, HERE), Err(own));
    assert_eq!(tolerant.judge(&series, HERE), Ok(()));
}

fn probe(count: u16, max_loss_percent: f64) -> IcmpProbe {
    let check = IcmpCheck { host: "127.0.0.1".to_owned(), count, max_loss_percent };
    IcmpProbe::new(probes().shared, &check)
}
