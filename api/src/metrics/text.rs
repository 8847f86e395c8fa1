//! Writes metric families in OpenMetrics 1.0 text format (section 3.2 of the specification).

use std::fmt::{self, Display, Write};

/// Starts a family: what it is and what it tells.
pub(super) fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    push(out, format_args!("# TYPE {name} {kind}\n# HELP {name} "));
    escape(out, help);
    out.push('\n');
}

/// Writes one sample.
pub(super) fn sample(out: &mut String, name: &str, labels: &[(&str, &str)], value: impl Display) {
    out.push_str(name);
    for (n, (label, text)) in labels.iter().enumerate() {
        out.push(if n == 0 { '{' } else { ',' });
        push(out, format_args!("{label}=\""));
        escape(out, text);
        out.push('"');
    }
    if !labels.is_empty() {
        out.push('}');
    }
    push(out, format_args!(" {value}\n"));
}

/// The end of an exposition; without it a scraper discards what it has.
pub(super) const EOF: &str = "# EOF\n";

/// Backslashes, quotes and line breaks are the three that the format escapes; any other
/// character stands for itself.
fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
}

fn push(out: &mut String, text: fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes any text");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_written_with_its_samples() {
        let mut out = String::new();
        family(&mut out, "a_b", "gauge", "What \"it\" is.");
        sample(&mut out, "a_b", &[("x", "1"), ("y", "2")], 7);
        sample(&mut out, "a_b", &[], 0.5);
        assert_eq!(
            out,
            "# TYPE a_b gauge\n# HELP a_b What \\\"it\\\" is.\na_b{x=\"1\",y=\"2\"} 7\na_b 0.5\n"
        );
    }

    #[test]
    fn a_label_cannot_break_out_of_its_quotes() {
        let mut out = String::new();
        sample(&mut out, "m", &[("name", "a\"} 1\nevil{x=\"\\")], 1);
        assert_eq!(out, "m{name=\"a\\\"} 1\\nevil{x=\\\"\\\\\"} 1\n");
        assert_eq!(out.lines().count(), 1);
    }
}
