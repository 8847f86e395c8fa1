//! What is said of transitions that were decided again.

use serde_json::Value;

use super::compare::Outcome;
use crate::cli::{
    rows::{items, shown, text},
    table::TableView,
    text::{counted, cut, grouped, printable},
};

/// How much of the first reason a terminal has room for.
const REASON: usize = 40;

/// How many transitions came out how.
#[derive(Debug, Default)]
pub(super) struct Sum {
    /// Resources that were looked at.
    pub(super) resources: usize,
    transitions: u64,
    differ: u64,
    earlier: u64,
    unreadable: u64,
}

impl Sum {
    pub(super) fn count(&mut self, outcome: &Outcome) {
        self.transitions += 1;
        match outcome {
            Outcome::Same => {}
            Outcome::Differs(_) => self.differ += 1,
            Outcome::Earlier => self.earlier += 1,
            Outcome::Unreadable => self.unreadable += 1,
        }
    }

    /// All of it in one line.
    pub(super) fn line(&self) -> String {
        let transitions = counted(usize::try_from(self.transitions).unwrap_or(0), "transition");
        let of = format!("of {transitions} of {}", counted(self.resources, "resource"));
        let (skipped, why) = (self.earlier + self.unreadable, self.why());
        if skipped > 0 && skipped == self.transitions {
            return format!("none {of} can be decided again: {why}");
        }
        let differ = if self.differ == 0 { "none".to_owned() } else { grouped(self.differ) };
        if skipped == 0 {
            return format!("{differ} {of} would differ");
        }
        let skipped = grouped(skipped);
        format!("{differ} {of} would differ; {skipped} cannot be decided again: {why}")
    }

    /// Why some cannot be decided again.
    fn why(&self) -> String {
        let reasons = [
            (self.earlier, "decided by an earlier declaration, whose policy is not stored"),
            (self.unreadable, "stored without inputs that this version can read"),
        ];
        let told = reasons.into_iter().filter(|(count, _)| *count > 0);
        let told = told.map(|(count, why)| format!("{} {} {why}", grouped(count), were(count)));
        told.collect::<Vec<_>>().join(", ")
    }
}

fn were(count: u64) -> &'static str {
    if count == 1 { "was" } else { "were" }
}

/// What is said of the first transition that the policy in force decides otherwise than it did.
pub(super) fn offence(difference: &Value) -> String {
    let said = |key: &str| {
        let decision = &difference[key];
        format!("{} ({})", shown(&decision["health_status"]), shown(&decision["reason"]))
    };
    format!(
        "error: event {} of {} at {} was decided as {}, and again as {}: \
         the same inputs must decide the same, please report this",
        shown(&difference["sequence"]),
        printable(text(difference, "resource_id")),
        printable(text(difference, "time")),
        said("decided"),
        said("would_be")
    )
}

/// One line for each transition; on a terminal both reasons have room.
pub(super) fn table(differing: &Value, is_terminal: bool) -> TableView {
    let headings =
        ["TIME", "RESOURCE", "BEFORE", "DECIDED", "WOULD BE", "REASON", "REASON IT WOULD HAVE"];
    let mut table = TableView::new(&headings);
    let room = if is_terminal { REASON } else { usize::MAX };
    for one in items(differing) {
        let (decided, would_be) = (&one["decided"], &one["would_be"]);
        table.row([
            text(one, "time"),
            text(one, "resource_id"),
            &shown(&one["previous_status"]),
            text(decided, "health_status"),
            text(would_be, "health_status"),
            &cut(&shown(&decided["reason"]), room),
            &shown(&would_be["reason"]),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_summary_counts_everything_once() {
        let mut sum = Sum { resources: 2, ..Sum::default() };
        assert_eq!(sum.line(), "none of 0 transitions of 2 resources would differ");
        for outcome in [Outcome::Same, Outcome::Same, Outcome::Differs(Value::Null)] {
            sum.count(&outcome);
        }
        assert_eq!(sum.line(), "1 of 3 transitions of 2 resources would differ");
        for outcome in [Outcome::Earlier, Outcome::Earlier, Outcome::Unreadable] {
            sum.count(&outcome);
        }
        assert_eq!(
            sum.line(),
            "1 of 6 transitions of 2 resources would differ; 3 cannot be decided again: \
             2 were decided by an earlier declaration, whose policy is not stored, \
             1 was stored without inputs that this version can read"
        );
    }

    #[test]
    fn what_cannot_be_decided_at_all_is_not_said_to_be_the_same() {
        let mut sum = Sum { resources: 1, ..Sum::default() };
        sum.count(&Outcome::Earlier);
        assert_eq!(
            sum.line(),
            "none of 1 transition of 1 resource can be decided again: \
             1 was decided by an earlier declaration, whose policy is not stored"
        );
    }

    #[test]
    fn a_difference_is_a_line_with_both_decisions() {
        let one = json!({"time": "2026-11-21T10:00:00.000Z", "resource_id": "host:a",
            "sequence": "2", "previous_status": "HEALTHY",
            "decided": {"health_status": "WARNING", "reason": "cpu 91.2 above 85"},
            "would_be": {"health_status": "HEALTHY", "reason": ""}});
        let text = table(&json!([one]), false).render(false, None);
        let line = text.lines().nth(1).unwrap();
        assert!(line.starts_with("2026-11-21T10:00:00.000Z  host:a    HEALTHY  WARNING"), "{text}");
        assert!(line.ends_with("HEALTHY   cpu 91.2 above 85  -"), "{text}");
        assert_eq!(
            offence(&one),
            "error: event 2 of host:a at 2026-11-21T10:00:00.000Z was decided as WARNING \
             (cpu 91.2 above 85), and again as HEALTHY (-): the same inputs must decide the same, \
             please report this"
        );
    }
}
