//! What is drawn of the benchmarks of a cluster.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::panel::Panel;

const PEER: &str = "etcd";

/// The windows without writes of each kill and each planned transfer, the shortest first.
pub(super) fn failover(report: &Value) -> Result<[Panel; 2]> {
    let extra = &report["extra"];
    let panel = |of: &str, title| {
        Ok::<_, anyhow::Error>(Panel {
            title,
            unit: "ms",
            across: "the shortest first",
            points: sorted(&extra["ours"][of])?,
            beside: sorted(&extra["peer"][of]).ok().map(|points| (PEER, points)),
            limit: None,
        })
    };
    let kills = panel("kills", "Window without writes, kill -9 of the leader")?;
    Ok([kills, panel("transfers", "Window without writes, planned transfer")?])
}

fn sorted(windows: &Value) -> Result<Vec<(f64, f64)>> {
    let windows = windows.as_array().context("the JSON has no windows of benchmark 9")?;
    let mut windows: Vec<f64> = windows.iter().filter_map(Value::as_f64).collect();
    ensure!(!windows.is_empty(), "the JSON has no windows of benchmark 9");
    windows.sort_by(f64::total_cmp);
    Ok((1..).map(f64::from).zip(windows).collect())
}

/// What idle nodes cost by the number of their shards.
pub(super) fn idle(report: &Value) -> Result<[Panel; 2]> {
    let points = report["extra"]["points"].as_array().context("no points of benchmark 15")?;
    let panel = |of: &str, title, unit| {
        let point = |point: &Value| Some((point["shards"].as_f64()?, point[of].as_f64()?));
        Panel {
            title,
            unit,
            across: "shards",
            points: points.iter().filter_map(point).collect(),
            beside: None,
            limit: None,
        }
    };
    let cpu = panel("cpu_ms", "Processor time of three idle nodes", "ms/s");
    Ok([cpu, panel("packets", "Packets between three idle nodes", "/s")])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn windows_are_drawn_in_order_beside_the_peers() {
        let side = json!({"kills": [3.0, 1.0], "transfers": [2.0]});
        let report = json!({"extra": {"ours": side, "peer": side}});
        let [kills, transfers] = failover(&report).unwrap();
        assert_eq!(kills.points, [(1.0, 1.0), (2.0, 3.0)]);
        assert!(kills.beside.is_some() && transfers.points.len() == 1);
        assert!(failover(&json!({})).is_err());
    }

    #[test]
    fn costs_are_drawn_by_shards() {
        let points = json!([{"shards": 1, "cpu_ms": 2.0, "packets": 30.0}]);
        let [cpu, packets] = idle(&json!({"extra": {"points": points}})).unwrap();
        assert_eq!((cpu.points[0], packets.points[0]), ((1.0, 2.0), (1.0, 30.0)));
    }
}
