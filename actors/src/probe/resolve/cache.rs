//! What name servers have said lately: the addresses alone. Who answers for a name may say much beside them,
//! and a check that follows redirects asks for names of the target's own choice.

use std::{collections::HashMap, time::Instant};

use hickory_resolver::proto::rr::{Name, RecordType};
use parking_lot::Mutex;

use super::answer::Answer;

/// Two answers a name: enough for the largest fleet that is planned.
const MOST: usize = 65_536;

/// See the module.
#[derive(Default)]
pub(super) struct Cache(Mutex<HashMap<(Name, RecordType), (Instant, Answer)>>);

impl Cache {
    pub(super) fn get(&self, name: &Name, family: RecordType) -> Option<Answer> {
        let known = self.0.lock();
        let (until, answer) = known.get(&(name.clone(), family))?;
        (Instant::now() < *until).then(|| answer.clone())
    }

    /// Keeps an answer. Where there is no room another has to go, whichever it is.
    pub(super) fn keep(&self, name: Name, family: RecordType, answer: Answer, until: Instant) {
        let mut known = self.0.lock();
        if known.len() >= MOST {
            let now = Instant::now();
            known.retain(|_, (until, _)| now < *until);
        }
        while known.len() >= MOST {
            let Some(any) = known.keys().next().cloned() else { break };
            known.remove(&any);
        }
        known.insert((name, family), (until, answer));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    #[test]
    fn an_answer_counts_for_its_time_and_its_family() {
        let (cache, soon) = (Cache::default(), Instant::now() + Duration::from_secs(60));
        cache.keep(name("a.example."), RecordType::A, Answer::NoAddress, soon);
        cache.keep(name("b.example."), RecordType::A, Answer::NoAddress, Instant::now());
        assert_eq!(cache.get(&name("a.example."), RecordType::A), Some(Answer::NoAddress));
        assert_eq!(cache.get(&name("A.EXAMPLE."), RecordType::A), Some(Answer::NoAddress));
        assert_eq!(cache.get(&name("a.example."), RecordType::AAAA), None);
        assert_eq!(cache.get(&name("b.example."), RecordType::A), None, "its time is over");
    }

    #[test]
    fn there_is_room_for_so_many() {
        let (cache, soon) = (Cache::default(), Instant::now() + Duration::from_secs(60));
        for n in 0..MOST + 10 {
            cache.keep(name(&format!("n{n}.example.")), RecordType::A, Answer::NoSuchName, soon);
        }
        assert_eq!(cache.0.lock().len(), MOST);
    }
}
