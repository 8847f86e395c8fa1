//! Drawings of what a benchmark's JSON holds, as an SVG (W3C, SVG 1.1): the growth from 1,000 to
//! 100,000 resources, the windows of failovers, the cost of idle groups.

mod panel;
mod panels;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use panel::Panel;

/// What benchmark 5 found of one node.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Point {
    /// How many resources it had.
    pub resources: u32,
    /// Its memory, the proportional share.
    pub pss_bytes: u64,
    /// From its start until each resource was checked once.
    pub checked_after_seconds: f64,
}

/// Which JSON, and where the drawing goes.
#[derive(Debug, Clone, clap::Args)]
pub struct PlotArgs {
    /// What benchmark 5, 9 or 15 wrote: memory, failover or idle
    #[arg(long, value_name = "FILE", default_value = "target/bench/5-memory.json")]
    from: PathBuf,
    /// The drawing
    #[arg(long, value_name = "FILE", default_value = "docs/performance/growth.svg")]
    to: PathBuf,
}

/// Draws what the benchmark is about.
///
/// # Errors
/// Where the JSON is missing or holds no points.
pub fn plot(args: &PlotArgs) -> Result<()> {
    let text = std::fs::read_to_string(&args.from)
        .with_context(|| format!("cannot read {}; run: make bench", args.from.display()))?;
    let svg = draw(&serde_json::from_str(&text)?)?;
    if let Some(folder) = args.to.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&args.to, svg).with_context(|| format!("cannot write {}", args.to.display()))
}

fn draw(report: &Value) -> Result<String> {
    let panels = match report["name"].as_str() {
        Some("failover") => panels::failover(report)?,
        Some("idle") => panels::idle(report)?,
        _ => growth(report)?,
    };
    let drawn = (0..).zip(panels).map(|(n, panel)| panel.draw(panel::WIDTH * f64::from(n)));
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" \
         viewBox=\"0 0 {w} {h}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{w}\" height=\"{h}\" fill=\"white\"/>\n{}</svg>\n",
        drawn.collect::<String>(),
        w = panel::WIDTH * 2.0,
        h = panel::HEIGHT
    ))
}

fn growth(report: &Value) -> Result<[Panel; 2]> {
    let points = report["extra"]["points"].clone();
    let mut points: Vec<Point> =
        serde_json::from_value(points).context("the JSON has no points of benchmark 5")?;
    ensure!(!points.is_empty(), "the JSON has no points of benchmark 5");
    points.sort_by_key(|point| point.resources);
    let series = |of: fn(&Point) -> f64| {
        points.iter().map(|point| (f64::from(point.resources), of(point))).collect()
    };
    let memory = Panel {
        title: "Memory of the node (PSS)",
        unit: "MiB",
        across: "resources",
        points: series(mebibytes),
        beside: None,
        limit: Some(("12 KiB per resource", 12.0 / 1024.0)),
    };
    let start = Panel {
        title: "From the start until each was checked once",
        unit: "s",
        across: "resources",
        points: series(|point| point.checked_after_seconds),
        beside: None,
        limit: None,
    };
    Ok([memory, start])
}

#[expect(clippy::cast_precision_loss, reason = "bytes of memory are far below 2^53")]
fn mebibytes(point: &Point) -> f64 {
    point.pss_bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_point_is_drawn_in_both_panels() {
        let points = json!([
            Point { resources: 100_000, pss_bytes: 1_000_000_000, checked_after_seconds: 4.5 },
            Point { resources: 1_000, pss_bytes: 50_000_000, checked_after_seconds: 0.5 },
        ]);
        let svg = draw(&json!({"extra": {"points": points}})).unwrap();
        assert_eq!(svg.matches("<circle").count(), 4);
        assert!(svg.contains("12 KiB per resource") && svg.ends_with("</svg>\n"));
    }

    #[test]
    fn a_report_without_points_is_an_error() {
        assert!(draw(&json!({"extra": null})).is_err());
        assert!(draw(&json!({"extra": {"points": []}})).is_err());
        assert!(draw(&json!({"extra": {"points": [{"resources": 1, "pss_bytes": 2}]}})).is_err());
    }
}
