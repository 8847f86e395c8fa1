//! One drawing with axes from zero: equal steps are equally far apart, so that linear growth is a
//! straight line.

use std::fmt::Write;

/// Of one panel, in the SVG's units.
pub(super) const WIDTH: f64 = 440.0;
pub(super) const HEIGHT: f64 = 300.0;

const LEFT: f64 = 64.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 36.0;
const BOTTOM: f64 = 44.0;
const STEPS: u32 = 5;

/// What is drawn.
pub(super) struct Panel {
    pub(super) title: &'static str,
    pub(super) unit: &'static str,
    /// What grows to the right.
    pub(super) across: &'static str,
    /// Where to the right, and the value.
    pub(super) points: Vec<(f64, f64)>,
    /// The same of the peer, with its name.
    pub(super) beside: Option<(&'static str, Vec<(f64, f64)>)>,
    /// A bound on the growth above the first point, per step to the right.
    pub(super) limit: Option<(&'static str, f64)>,
}

impl Panel {
    /// The panel with its left edge at `x`.
    pub(super) fn draw(&self, x: f64) -> String {
        let (widest, highest) = (self.widest(), self.highest());
        let place = |(resources, value): (f64, f64)| {
            (
                LEFT + resources / widest * (WIDTH - LEFT - RIGHT),
                HEIGHT - BOTTOM - value / highest * (HEIGHT - TOP - BOTTOM),
            )
        };
        let mut svg = format!("<g transform=\"translate({x} 0)\">\n");
        text(&mut svg, (WIDTH / 2.0, 20.0), "middle", self.title);
        self.grid(&mut svg, widest, highest, &place);
        if let Some((name, slope)) = self.limit {
            let first = self.points.first().map_or(0.0, |point| point.1);
            let end = (widest, first + slope * widest);
            line(&mut svg, &[place((0.0, first)), place(end)], "#b33", "6 4");
            let at = place(end);
            // Below the line, since what is drawn may lie on it.
            text(&mut svg, (at.0, at.1 + 72.0), "end", name);
        }
        if let Some((name, points)) = &self.beside {
            let places: Vec<(f64, f64)> = points.iter().copied().map(place).collect();
            curve(&mut svg, &places, "#c72");
            let at = places.last().copied().unwrap_or_default();
            text(&mut svg, (at.0, at.1 - 8.0), "end", name);
        }
        let places: Vec<(f64, f64)> = self.points.iter().copied().map(place).collect();
        curve(&mut svg, &places, "#246");
        svg + "</g>\n"
    }

    fn all(&self) -> impl Iterator<Item = &(f64, f64)> {
        self.points.iter().chain(self.beside.iter().flat_map(|(_, points)| points))
    }

    fn widest(&self) -> f64 {
        self.all().map(|point| point.0).fold(1.0, f64::max)
    }

    fn highest(&self) -> f64 {
        let values = self.all().map(|point| point.1).fold(0.0, f64::max);
        let first = self.points.first().map_or(0.0, |point| point.1);
        let limit = self.limit.map_or(0.0, |(_, slope)| first + slope * self.widest());
        round_up(values.max(limit).max(f64::MIN_POSITIVE))
    }

    fn grid(
        &self,
        svg: &mut String,
        widest: f64,
        highest: f64,
        place: &dyn Fn((f64, f64)) -> (f64, f64),
    ) {
        for step in 0..=STEPS {
            let share = f64::from(step) / f64::from(STEPS);
            let (left, right) = (place((0.0, highest * share)), place((widest, highest * share)));
            line(svg, &[left, right], "#ddd", "none");
            let label = format!("{} {}", short(highest * share), self.unit);
            text(svg, (left.0 - 6.0, left.1 + 4.0), "end", &label);
            let below = place((widest * share, 0.0));
            text(svg, (below.0, below.1 + 18.0), "middle", &short(widest * share));
        }
        text(svg, (WIDTH / 2.0, HEIGHT - 8.0), "middle", self.across);
    }
}

/// The next of 1, 2, 2.5, 5, 10 at the value's magnitude.
fn round_up(value: f64) -> f64 {
    let magnitude = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 1.5, 2.0, 2.5, 5.0, 10.0].map(|step| step * magnitude);
    steps.into_iter().find(|step| *step >= value).unwrap_or(value)
}

fn short(value: f64) -> String {
    if value >= 10_000.0 {
        format!("{:.0}k", value / 1_000.0)
    } else if value >= 10.0 || value == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, words: &str) {
    let (x, y) = (format!("{x:.1}"), format!("{y:.1}"));
    put(svg, format_args!("<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{words}</text>"));
}

fn line(svg: &mut String, points: &[(f64, f64)], colour: &str, dashes: &str) {
    let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let path = path.join(" ");
    put(
        svg,
        format_args!(
            "<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" \
             stroke-dasharray=\"{dashes}\"/>"
        ),
    );
}

fn curve(svg: &mut String, places: &[(f64, f64)], colour: &str) {
    line(svg, places, colour, "none");
    for (x, y) in places {
        put(svg, format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>"));
    }
}

fn put(svg: &mut String, element: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(svg, "{element}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        let rounded: Vec<f64> = [3.0, 12.0, 100.0, 0.7].map(round_up).into();
        assert_eq!(rounded, [5.0, 15.0, 100.0, 1.0]);
    }

    #[test]
    fn equal_steps_are_equally_far_apart() {
        let points = vec![(0.0, 0.0), (50.0, 5.0), (100.0, 10.0)];
        let panel = Panel { title: "t", unit: "s", across: "n", points, beside: None, limit: None };
        let svg = panel.draw(0.0);
        let xs: Vec<f64> = svg
            .split("<circle cx=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap().parse().unwrap())
            .collect();
        assert!((xs[1] - xs[0] - (xs[2] - xs[1])).abs() < 0.2, "{xs:?}");
    }
}
