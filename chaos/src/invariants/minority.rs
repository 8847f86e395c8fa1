//! Part of **L**: a node without a majority says nothing as if it were fresh, takes no write, tells
//! how old its answers are, and that it is not ready.

use crate::history::{Asked, History, Minority, Question};

/// After this, in ms, it must have refused a read and a write that came when it knew that it is
/// alone, each of which it may hold for 2 s. The first that comes then comes by 1.6 s.
const REFUSES: u64 = 3_700;
/// After this, in ms, it must have said that it is not ready: it gives an election 2 s.
const UNREADY: u64 = 2_500;
/// Two clocks in whole milliseconds, of the same machine.
const ROUNDED: u64 = 5;

pub(super) fn violations(history: &History) -> Vec<String> {
    history.minorities.iter().flat_map(|minority| of_minority(history, minority)).collect()
}

fn of_minority(history: &History, minority: &Minority) -> Vec<String> {
    let Minority { node, from, until, unready, asked } = minority;
    let mut wrong: Vec<String> = asked.iter().filter_map(|asked| answer(minority, asked)).collect();
    wrong.extend(clients(history, *from, *until));
    let span = until - from;
    let late = unready.map_or(span, |at| at.saturating_sub(*from));
    if late > UNREADY {
        wrong.push(format!("{node} was alone for {span} ms, and ready for {late} of them"));
    }
    for what in [Question::Fresh, Question::Write, Question::Stale] {
        if span > REFUSES && !asked.iter().any(|asked| asked.what == what) {
            wrong.push(format!("{node} was alone for {span} ms, and no {what:?} was answered"));
        }
    }
    wrong
}

fn answer(minority: &Minority, asked: &Asked) -> Option<String> {
    let Asked { what, at, answered, status, age } = asked;
    let alone = at.saturating_sub(minority.from);
    let right = match what {
        Question::Fresh | Question::Write => *status == 503,
        Question::Stale => *status == 200 && age.is_some_and(|age| age + ROUNDED >= alone),
    };
    (!right && answered <= &minority.until).then(|| {
        format!(
            "{} was alone for {alone} ms when asked for a {what:?} at {at} ms: {status}, age {age:?}",
            minority.node
        )
    })
}

/// What clients were told that asked meanwhile.
fn clients(history: &History, from: u64, until: u64) -> Vec<String> {
    let within = |asked: u64, answered: u64| asked > from && answered < until;
    let reads = history.reads.iter().filter(|read| within(read.asked, read.answered));
    let writes = history.writes.iter();
    let written =
        writes.filter(|write| write.acknowledged.is_some_and(|at| within(write.asked, at)));
    let told = |what: &str, id: &str, at: u64| {
        format!("{what} of {id} at {at} ms was answered, from {from} to {until} nobody could")
    };
    let reads = reads.map(|read| told("a read", &read.id, read.asked));
    reads.chain(written.map(|write| told("a write", &write.id, write.asked))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::fixture::well;

    fn asked(what: Question, status: u16, age: Option<u64>) -> Asked {
        Asked { what, at: 2_500, answered: 2_600, status, age }
    }

    fn alone() -> History {
        let asked = vec![
            asked(Question::Fresh, 503, None),
            asked(Question::Write, 503, None),
            asked(Question::Stale, 200, Some(1_510)),
        ];
        let node = "n1".to_owned();
        let minority = Minority { node, from: 1_000, until: 4_800, unready: Some(1_900), asked };
        History { minorities: vec![minority], ..well() }
    }

    #[test]
    fn an_answer_that_needs_a_majority_is_found() {
        assert_eq!(violations(&alone()), Vec::<String>::new());
        for (n, status, age) in [(0, 200, None), (1, 200, None), (2, 200, None), (2, 200, Some(9))]
        {
            let mut history = alone();
            let answer = &mut history.minorities[0].asked[n];
            (answer.status, answer.age) = (status, age);
            assert_eq!(violations(&history).len(), 1, "{n} {status} {age:?}");
        }
    }

    #[test]
    fn a_client_that_is_answered_meanwhile_is_found() {
        let mut history = alone();
        history.writes[1].asked = 1_200;
        history.writes[1].acknowledged = Some(1_300);
        history.reads[0].asked = 1_200;
        history.reads[0].answered = 1_300;
        assert_eq!(violations(&history).len(), 2);
    }

    #[test]
    fn a_node_that_stays_ready_or_answers_nothing_is_found() {
        let mut history = alone();
        history.minorities[0].unready = None;
        history.minorities[0].asked.remove(0);
        assert_eq!(violations(&history).len(), 2);
    }
}
