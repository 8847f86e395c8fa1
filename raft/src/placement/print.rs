//! A plan as text for people, and for tests.

use std::{collections::BTreeSet, fmt};

use model::NodeId;

use super::{Action, Blocked, Plan, Step};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = self.steps.iter().map(|step| (step.group, step.to_string()));
        let blocked = self.blocked.iter().map(|blocked| (blocked.group, blocked.to_string()));
        let mut lines: Vec<_> = steps.chain(blocked).collect();
        lines.sort();
        let mut lines: Vec<_> = lines.into_iter().map(|(_, line)| line).collect();
        lines.extend(waiting(self.waiting));
        if lines.is_empty() {
            lines.push("nothing to move".to_owned());
        }
        f.write_str(&lines.join("\n"))
    }
}

fn waiting(groups: usize) -> Option<String> {
    match groups {
        0 => None,
        1 => Some("1 more group waits for its turn".to_owned()),
        more => Some(format!("{more} more groups wait for their turn")),
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "group {}: {}: {}", self.group, self.action, self.why)
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "group {}: blocked: {}", self.group, self.why)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddLearner { node } => write!(f, "add learner {node}"),
            Self::SetVoters { voters } => write!(f, "set voters {}", list(voters)),
            Self::Transfer { to } => write!(f, "transfer to {to}"),
            Self::DropLearner { node } => write!(f, "drop learner {node}"),
        }
    }
}

fn list(nodes: &BTreeSet<NodeId>) -> String {
    let nodes: Vec<_> = nodes.iter().map(ToString::to_string).collect();
    nodes.join(", ")
}
