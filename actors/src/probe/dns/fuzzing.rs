//! What must hold of any bytes that a name server answers with.
//!
//! `make fuzz` drives this under coverage, the test below over the corpus and mutations.

use std::{net::IpAddr, sync::Arc};

use hickory_resolver::proto::rr::RecordType;
use model::{
    Metrics, Outcome,
    check::{self, DnsCheck},
    outcome::clean,
};

use super::{DnsProbe, Fault, Question, answer::normal, conclude};
use crate::probe::{Finding, ProbeSettings, Probes};

/// Every kind of question, in the order of the input's first byte.
const KINDS: [check::RecordType; 9] = [
    check::RecordType::A,
    check::RecordType::Aaaa,
    check::RecordType::Cname,
    check::RecordType::Mx,
    check::RecordType::Ns,
    check::RecordType::Ptr,
    check::RecordType::Soa,
    check::RecordType::Srv,
    check::RecordType::Txt,
];

thread_local! {
    static PROBES: Vec<DnsProbe> = probes();
}

/// Whatever a name server sends, it is ignored or judged, in a clean reason, and never as a
/// fault of ours. The first byte chooses the question; what follows stands behind its id.
///
/// # Panics
/// Where that does not hold.
pub fn answer(bytes: &[u8]) {
    let Some((kind, sent)) = bytes.split_first() else { return };
    PROBES.with(|probes| judge(&probes[usize::from(*kind) % probes.len()], sent));
}

fn probes() -> Vec<DnsProbe> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime can be built");
    let _inside = runtime.enter();
    let probes = Probes::new(ProbeSettings::default()).expect("TLS can be set up");
    let probe = |record_type| {
        let check = DnsCheck {
            name: "shop.example".to_owned(),
            record_type,
            server: Some("127.0.0.1".to_owned()),
            expect: vec!["192.0.2.1".to_owned(), "10 mail.example".to_owned()],
        };
        let probe = DnsProbe::new(Arc::clone(&probes.shared), &check);
        probe.unwrap_or_else(|why| panic!("{why}"))
    };
    KINDS.into_iter().map(probe).collect()
}

fn judge(probe: &DnsProbe, sent: &[u8]) {
    let result = examined(probe, sent);
    match conclude(result, Metrics::default()) {
        Finding::Concluded { outcome: Outcome::Failed { reason, .. }, .. } => {
            assert!(!reason.is_empty() && reason == clean(&reason), "{reason:?}");
        }
        Finding::Concluded { .. } => {}
        Finding::Missed { .. } => panic!("a given server's answer is called a fault of ours"),
    }
}

fn examined(probe: &DnsProbe, sent: &[u8]) -> Result<Outcome, Fault> {
    let server = ([127, 0, 0, 1], 53).into();
    let question = Question::new(&probe.name, probe.kind)?;
    let Some(message) = question.read(&question.datagram(sent), server)? else {
        return Ok(Outcome::passed());
    };
    let records = message.answers.len();
    let (exists, found) = probe.said(&probe.usable(server, message)?);
    assert!(found.len() <= records, "{} values of {records} records", found.len());
    for value in &found {
        let written = normal(value, probe.kind);
        assert_eq!(normal(&written, probe.kind), written, "{value:?}");
        if matches!(probe.kind, RecordType::A | RecordType::AAAA) {
            assert!(value.parse::<IpAddr>().is_ok(), "{value:?}");
        }
    }
    probe.judge(exists, &found)
}

#[cfg(test)]
mod tests {
    #[test]
    fn any_answer_of_a_name_server_is_judged_cleanly() {
        mutate::short("dns_answer", 20_000, super::answer);
    }
}
