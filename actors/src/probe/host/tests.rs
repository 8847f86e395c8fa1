//! The host's figures beside those of the system's own tools.

use std::{fs, process::Command};

use futures_util::future::join_all;
use model::Miss;
use serde_json::json;

use crate::probe::testing::{PATIENCE, assert_passed, find, find_within, metric, miss, probes};

fn meminfo(key: &str) -> f64 {
    let text = fs::read_to_string("/proc/meminfo").expect("this is Linux");
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let value = line.and_then(|rest| rest.split_whitespace().next()).expect("the key is there");
    value.parse().expect("a number")
}

#[tokio::test]
async fn memory_agrees_with_proc_meminfo_within_two_points() {
    let finding = find(json!({"host": {}})).await;
    assert_passed(&finding);
    let expected = 100.0 * (1.0 - meminfo("MemAvailable") / meminfo("MemTotal"));
    let measured = metric(&finding, "memory_usage_percent").expect("it is measured");
    assert!((measured - expected).abs() < 2.0, "{measured} is not {expected}");
    assert_eq!(metric(&finding, "memory_total_bytes"), Some(1024.0 * meminfo("MemTotal")));
}

#[tokio::test]
async fn disks_agree_with_df_within_two_points() {
    let output = Command::new("df").args(["--output=pcent", "/"]).output().expect("df is there");
    let text = String::from_utf8(output.stdout).expect("it is text");
    let percent = text.lines().nth(1).expect("a line").trim().trim_end_matches('%');
    let expected: f64 = percent.parse().expect("a number");
    let finding = find(json!({"host": {}})).await;
    let root = metric(&finding, "disk_usage_percent:_").expect("the root is measured");
    assert!((root - expected).abs() < 2.0, "{root} is not {expected}");
    assert!(metric(&finding, "disk_usage_percent").is_some_and(|fullest| fullest >= root));
}

#[tokio::test]
async fn every_figure_is_there_and_within_its_range() {
    let finding = find(json!({"host": {"node": "n1"}})).await;
    for name in ["cpu_usage_percent", "memory_usage_percent", "disk_usage_percent"] {
        let value = metric(&finding, name).unwrap_or(-1.0);
        assert!((0.0..=100.0).contains(&value), "{name} is {value}");
    }
    for name in [
        "network_io_bytes_per_sec",
        "load1",
        "load5",
        "load15",
        "memory_used_bytes",
        "uptime_seconds",
    ] {
        assert!(metric(&finding, name).is_some_and(|value| value >= 0.0), "{name}");
    }
    let processors = std::thread::available_parallelism().expect("this is Linux").get();
    assert!(metric(&finding, "cpu_count").is_some_and(|count| count >= processors as f64));
    let swap = meminfo("SwapTotal") > 0.0;
    assert_eq!(metric(&finding, "swap_usage_percent").is_some(), swap);
}

#[tokio::test]
async fn a_busy_processor_is_seen() {
    let spinning = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let spinners: Vec<_> = (0..std::thread::available_parallelism().expect("this is Linux").get())
        .map(|_| {
            let spinning = std::sync::Arc::clone(&spinning);
            std::thread::spawn(move || {
                while spinning.load(std::sync::atomic::Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        })
        .collect();
    let finding = find(json!({"host": {}})).await;
    spinning.store(false, std::sync::atomic::Ordering::Relaxed);
    for spinner in spinners {
        spinner.join().expect("it only spins");
    }
    let usage = metric(&finding, "cpu_usage_percent").expect("it is measured");
    assert!(usage > 50.0, "{usage}");
}

#[tokio::test]
async fn checks_at_the_same_time_share_one_sample() {
    let probes = probes();
    let findings =
        join_all((0..5).map(|_| find_within(&probes, json!({"host": {}}), PATIENCE))).await;
    for finding in &findings {
        assert_eq!(finding, &findings[0]);
    }
}

#[tokio::test]
async fn another_nodes_host_is_not_examined_here() {
    let (why, detail) = miss(find(json!({"host": {"node": "n2"}})).await);
    assert_eq!((why, detail.as_str()), (Miss::NoProber, "only the node n2 can examine its host"));
}

#[tokio::test]
async fn a_push_check_has_no_probe() {
    assert_eq!(miss(find(json!({"push": {"ttl": "30s"}})).await).0, Miss::NoReport);
}
