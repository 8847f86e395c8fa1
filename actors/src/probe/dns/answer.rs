//! The values in an answer, as people write them.

use hickory_resolver::proto::{
    op::Message,
    rr::{DNSClass, Name, RData, Record, RecordType},
};

/// Longer chains of aliases are not followed.
const MAX_ALIASES: usize = 16;

/// The values of the asked kind that belong to the name or to what it is an alias for.
pub(super) fn values(answer: &Message, name: &Name, kind: RecordType) -> Vec<String> {
    let owners = if kind == RecordType::CNAME { vec![name.clone()] } else { aliases(answer, name) };
    let ours = |record: &&Record| {
        record.record_type() == kind
            && record.dns_class == DNSClass::IN
            && owners.contains(&record.name)
    };
    answer.answers.iter().filter(ours).map(|record| text(&record.data)).collect()
}

/// A value in the form in which two writings of it are equal: names in lower case and
/// without the final dot. Texts are left as they are.
pub(super) fn normal(value: &str, kind: RecordType) -> String {
    match kind {
        RecordType::TXT => value.to_owned(),
        RecordType::A | RecordType::AAAA => match value.trim().parse::<std::net::IpAddr>() {
            Ok(address) => address.to_string(),
            Err(_) => value.trim().to_owned(),
        },
        _ => {
            let words = value.split_whitespace();
            let words = words.map(|word| word.strip_suffix('.').unwrap_or(word).to_lowercase());
            words.collect::<Vec<_>>().join(" ")
        }
    }
}

/// The name and those that it is an alias for, in order.
fn aliases(answer: &Message, name: &Name) -> Vec<Name> {
    let mut chain = vec![name.clone()];
    while chain.len() <= MAX_ALIASES {
        let last = &chain[chain.len() - 1];
        let next = answer.answers.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if record.name == *last => Some(target.0.clone()),
            _ => None,
        });
        match next {
            Some(next) if !chain.contains(&next) => chain.push(next),
            _ => break,
        }
    }
    chain
}

fn text(data: &RData) -> String {
    match data {
        RData::TXT(text) => {
            let joined = text.txt_data.concat();
            String::from_utf8_lossy(&joined).into_owned()
        }
        other => {
            let text = other.to_string();
            let words = text.split(' ').map(|word| word.strip_suffix('.').unwrap_or(word));
            words.collect::<Vec<_>>().join(" ")
        }
    }
}
