//! The rows, and what to know beside them.

use super::{Figures, Load, RATES, load::RESOURCES, outage::Outage, to_f64};
use crate::{
    peer::pulsar::Sample,
    report::{Durability, Outcome, Row, Target},
};

/// Of what the peer sends at the same rate.
const SHARE: f64 = 0.9;
const MIB: f64 = 1024.0 * 1024.0;

/// Everything that was measured.
pub(super) struct Measured {
    pub(super) loads: [Load; RATES.len()],
    /// Messages a second of the peer without a limit.
    pub(super) fastest: Option<f64>,
    pub(super) outage: Outage,
    pub(super) sample: Sample,
    pub(super) missing: Option<String>,
}

pub(super) fn workload(rate: usize) -> String {
    format!("{rate} transitions/s of {RESOURCES} resources")
}

pub(super) fn outcome(measured: &Measured) -> Outcome {
    let of = |load| with_the_broker(load, measured.missing.as_deref());
    let mut rows: Vec<Row> = measured.loads.iter().flat_map(of).collect();
    rows.extend(without_it(measured));
    let both = "the same broker: acknowledged after the sync of its bookie's journal, one copy";
    Outcome {
        rows,
        durability: Some(Durability {
            ours: format!(
                "a transition is acknowledged to the client after the fsync of its log entry; {both}"
            ),
            peer: both.to_owned(),
        }),
        notes: notes(measured),
        extra: None,
    }
}

fn with_the_broker(load: &Load, missing: Option<&str>) -> Vec<Row> {
    let Load { rate, ours, peers } = load;
    let workload = workload(*rate);
    let each = |side: &[Figures], of: fn(&Figures) -> f64| side.iter().map(of).collect::<Vec<_>>();
    let both = |metric: &str, of: fn(&Figures) -> f64| {
        let row = Row::new(workload.clone(), metric).samples(each(ours, of), each(peers, of));
        Row { not_run: missing.map(str::to_owned), ..row }
    };
    let alone = |metric: &str, of: fn(&Figures) -> f64| {
        Row::new(workload.clone(), metric).samples(each(ours, of), Vec::new())
    };
    vec![
        both("acknowledged or sent, events/s", |f| f.offered_per_second),
        both("published, events/s", |f| f.published_per_second).target(Target::RatioAtLeast(SHARE)),
        alone("acknowledged → consumer, p50 ms", |f| f.beside.p50_ms),
        alone("acknowledged → consumer, p99 ms", |f| f.beside.p99_ms),
        both("due → consumer, p50 ms", |f| f.due.p50_ms),
        both("due → consumer, p99 ms", |f| f.due.p99_ms),
        Row::new(workload.clone(), "peer: due → receipt, p50 ms")
            .samples(Vec::new(), each(peers, |f| f.beside.p50_ms)),
        Row::new(workload.clone(), "peer: due → receipt, p99 ms")
            .samples(Vec::new(), each(peers, |f| f.beside.p99_ms)),
        alone("node, CPU µs/event", |f| f.cpu_micros),
        // A loss fails the run.
        alone("lost", |_| 0.0).target(Target::AtMost(0.0)),
        alone("repeated", |f| to_f64(f.repeats)),
    ]
}

fn without_it(measured: &Measured) -> Vec<Row> {
    let Outage { away, backlog, first, level, .. } = measured.outage;
    let outage = &measured.outage;
    let workload = format!("{:.0} s without the broker", away.as_secs_f64());
    let row = |metric: &str, value: f64| {
        Row::new(workload.clone(), metric).samples(vec![value], Vec::new())
    };
    #[expect(clippy::cast_precision_loss, reason = "bytes of a backlog are far below 2^53")]
    let mib = |bytes: u64| bytes as f64 / MIB;
    let mut drain = row("drain, events/s; peer: at full speed", outage.drained_per_second());
    drain.peer.extend(measured.fastest);
    vec![
        row("acknowledged meanwhile, events/s", outage.offered_per_second),
        row("backlog, events", to_f64(backlog)),
        row("back → first event, s", first.as_secs_f64()),
        row("back → level, s", level.as_secs_f64()),
        Row { not_run: measured.missing.clone(), ..drain },
        row("lost", 0.0).target(Target::AtMost(0.0)),
        row("repeated", to_f64(outage.repeats)),
        row("memory of the node before, MiB", mib(outage.resident_before)),
        row("memory of the node meanwhile, most, MiB", mib(outage.resident_most)),
        row("memory of the node once level, MiB", mib(outage.resident_level)),
        row("data of the node before, MiB", mib(outage.disk_before)),
        row("data of the node at the end, MiB", mib(outage.disk_after)),
    ]
}

fn notes(measured: &Measured) -> Vec<String> {
    let Sample { body, properties } = &measured.sample;
    vec![
        "peer: the official client for Java, of the broker's version, driven as pulsar-perf produce drives it; its class has no jar of its own here".to_owned(),
        "peer: sendAsync, batches of 1 ms, 1,000 messages or 4 MiB, no limit of pending messages but the client's 64 MiB, no compression, no key; ours: a message for each event, keyed, no compression".to_owned(),
        format!(
            "both: 16 partitions, {} bytes of body and {} properties, {} bytes in all; the peer's are those of one of our events",
            body.len(), properties.len(), measured.sample.bytes(),
        ),
        "both: read by one consumer, the crate pulsar, in the process of the load; due: the moment at which a transition or message is due in an open loop; ours counts what was acknowledged within the span".to_owned(),
        format!("the outage and the peer at full speed are measured once, not for each pair; the drain is of {} events", measured.outage.backlog),
        "every transition that was acknowledged to the client is in the topic, and nothing else is, after repeats were dropped, or the run fails".to_owned(),
    ]
}
