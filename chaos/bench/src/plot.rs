//! The growth from 1,000 to 100,000 resources as an SVG (W3C, SVG 1.1), from benchmark 5's JSON.

mod panel;

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

use panel::Panel;

/// Which JSON, and where the drawing goes.
#[derive(Debug, Clone, clap::Args)]
pub struct PlotArgs {
    /// What benchmark 5 wrote
    #[arg(long, value_name = "FILE", default_value = "target/bench/5-memory.json")]
    from: PathBuf,
    /// The drawing
    #[arg(long, value_name = "FILE", default_value = "docs/performance/growth.svg")]
    to: PathBuf,
}

/// Draws memory and time to start over the number of resources.
///
/// # Errors
/// Where the JSON is missing or holds no points.
pub fn plot(args: &PlotArgs) -> Result<()> {
    let text = std::fs::read_to_string(&args.from)
        .with_context(|| format!("cannot read {}; run: make bench ONLY=5", args.from.display()))?;
    let svg = draw(&serde_json::from_str(&text)?)?;
    if let Some(folder) = args.to.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&args.to, svg).with_context(|| format!("cannot write {}", args.to.display()))
}

fn draw(report: &Value) -> Result<String> {
    let points = report["extra"]["points"].as_array().context("the JSON has no extra.points")?;
    let memory = Panel {
        title: "Memory of the node (PSS)",
        unit: "MiB",
        points: series(points, "pss_bytes", 1.0 / f64::from(1 << 20)),
        limit: Some(("12 KiB per resource", 12.0 / 1024.0)),
    };
    let start = Panel {
        title: "Start until all resources are there",
        unit: "s",
        points: series(points, "start_seconds", 1.0),
        limit: None,
    };
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" \
         viewBox=\"0 0 {w} {h}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{w}\" height=\"{h}\" fill=\"white\"/>\n{}{}</svg>\n",
        memory.draw(0.0),
        start.draw(panel::WIDTH),
        w = panel::WIDTH * 2.0,
        h = panel::HEIGHT
    ))
}

fn series(points: &[Value], name: &str, factor: f64) -> Vec<(f64, f64)> {
    let point = |p: &Value| Some((p["resources"].as_f64()?, p[name].as_f64()? * factor));
    let mut found: Vec<(f64, f64)> = points.iter().filter_map(point).collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_point_is_drawn_in_both_panels() {
        let points = json!([
            {"resources": 100_000, "pss_bytes": 1_000_000_000_u64, "start_seconds": 4.5},
            {"resources": 1_000, "pss_bytes": 50_000_000, "start_seconds": 0.5},
        ]);
        let svg = draw(&json!({"extra": {"points": points}})).unwrap();
        assert_eq!(svg.matches("<circle").count(), 4);
        assert!(svg.contains("12 KiB per resource") && svg.ends_with("</svg>\n"));
    }

    #[test]
    fn a_report_without_points_is_an_error() {
        assert!(draw(&json!({"extra": null})).is_err());
    }
}
