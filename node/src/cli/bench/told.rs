//! What was measured, in words, as a table, and as JSON.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    super::{output::Output, table::TableView, text::grouped},
    BenchArgs, Measured,
    writes::Load,
};

pub(super) fn json(args: &BenchArgs, measured: &Measured) -> Value {
    let writes = measured.writes.iter().map(|load| {
        json!({
            "clients": load.clients,
            "writes_per_second": load.writes_per_second,
            "p50_ms": milliseconds(load.latency.p50),
            "p99_ms": milliseconds(load.latency.p99),
            "writes_per_sync": load.writes_per_sync,
        })
    });
    json!({
        "directory": args.dir,
        "shards": args.shards,
        "fdatasync": {
            "p50_ms": milliseconds(measured.disk.p50),
            "p99_ms": milliseconds(measured.disk.p99),
        },
        "writes": writes.collect::<Vec<_>>(),
    })
}

pub(super) fn text(output: &Output, args: &BenchArgs, measured: &Measured) -> String {
    let mut table = TableView::new(&["CLIENTS", "WRITES/S", "P50 MS", "P99 MS", "WRITES PER SYNC"]);
    for load in &measured.writes {
        table.row([
            &load.clients.to_string(),
            &whole(load.writes_per_second),
            &in_ms(load.latency.p50),
            &in_ms(load.latency.p99),
            &format!("{:.1}", load.writes_per_sync),
        ]);
    }
    format!("{}\n{}", output.table(&table), words(args, measured))
}

fn words(args: &BenchArgs, measured: &Measured) -> String {
    let (disk, dir) = (measured.disk, args.dir.display());
    let mut words = format!(
        "The disk of {dir} makes an append durable in {} ms, and in {} ms 99 times of 100: {}.\n",
        in_ms(disk.p50),
        in_ms(disk.p99),
        judgement(disk.p99)
    );
    if let Some(one) = measured.writes.first() {
        words += &format!(
            "One client's write is durable and readable in {} ms.\n",
            in_ms(one.latency.p50)
        );
    }
    if let Some(most) = measured.writes.iter().max_by(faster) {
        words += &format!(
            "{} clients together make {} writes a second durable; {:.0} of them share a sync.\n",
            grouped(most.clients as u64),
            whole(most.writes_per_second),
            most.writes_per_sync
        );
        words += &format!(
            "With a check every 10 s for each, that is room for about {} resources on this disk, \
             if the processor does nothing else.\n",
            whole(most.writes_per_second * 10.0)
        );
    }
    words
}

fn faster(a: &&Load, b: &&Load) -> std::cmp::Ordering {
    a.writes_per_second.total_cmp(&b.writes_per_second)
}

/// The design's aim is 50 ms from a probe's reply to a durable write on a majority.
fn judgement(p99: Duration) -> &'static str {
    match p99.as_millis() {
        0..10 => "good for a node's data",
        10..50 => "usable; results become visible later now and then",
        _ => "too slow: results are visible within 50 ms only on a disk that syncs faster",
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive count")]
fn whole(number: f64) -> String {
    grouped(number.round().max(0.0) as u64)
}

fn in_ms(time: Duration) -> String {
    format!("{:.2}", milliseconds(time))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::{super::disk::Latency, *};

    fn measured() -> Measured {
        let latency =
            |ms| Latency { p50: Duration::from_millis(ms), p99: Duration::from_millis(ms * 2) };
        let load = |clients, writes_per_second| Load {
            clients,
            writes_per_second,
            latency: latency(4),
            writes_per_sync: 12.0,
        };
        Measured { disk: latency(2), writes: vec![load(1, 900.0), load(1_000, 45_678.4)] }
    }

    fn args() -> BenchArgs {
        BenchArgs { dir: "/data".into(), shards: 16 }
    }

    #[test]
    fn words_say_what_the_figures_mean() {
        let words = words(&args(), &measured());
        assert!(words.contains("The disk of /data makes an append durable in 2.00 ms"), "{words}");
        assert!(words.contains("good for a node's data"), "{words}");
        assert!(words.contains("1,000 clients together make 45,678 writes a second"), "{words}");
    }

    #[test]
    fn programs_get_every_figure() {
        let value = json(&args(), &measured());
        assert_eq!(value["fdatasync"]["p99_ms"], 4.0);
        assert_eq!(value["writes"][1]["writes_per_second"], 45_678.4);
    }
}
