//! Crashes in a row: first back off, then park.

use model::Miss;
use raft::ReportBody;

/// Crashes in a row after which a resource is parked.
const PARKED_AFTER: u32 = 5;
/// The most slots that are left out between two tries.
const LONGEST_PAUSE: u32 = 8;
/// A parked resource is tried again after so many slots.
const TRIED_AGAIN_AFTER: u32 = 60;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Crashes {
    in_a_row: u32,
    /// Slots to leave out before the next try.
    pause: u32,
    parked: Option<String>,
    told: bool,
}

impl Crashes {
    /// One that starts parked.
    pub(super) fn parked(why: String) -> Self {
        Self { in_a_row: PARKED_AFTER, pause: TRIED_AGAIN_AFTER, parked: Some(why), told: false }
    }

    /// Takes in how a probe ended.
    pub(super) fn record(&mut self, ended: Result<(), String>) {
        match ended {
            Err(why) => {
                self.in_a_row += 1;
                self.pause = (1 << (self.in_a_row - 1).min(3)).min(LONGEST_PAUSE);
                if self.in_a_row >= PARKED_AFTER {
                    *self = Self::parked(why);
                }
            }
            Ok(()) => *self = Self::default(),
        }
    }

    /// What to report instead of probing; `None` where the probe shall run.
    pub(super) fn verdict(&mut self) -> Option<ReportBody> {
        self.pause = self.pause.checked_sub(1)?;
        match &self.parked {
            Some(why) if !self.told => {
                self.told = true;
                let detail = format!("not probed, it crashed {PARKED_AFTER} times: {why}");
                Some(ReportBody::Parked { detail })
            }
            _ => Some(ReportBody::Missed { reason: Miss::Crashed }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crash(crashes: &mut Crashes) {
        while crashes.verdict().is_some() {}
        crashes.record(Err("index out of bounds".to_owned()));
    }

    #[test]
    fn a_crash_pauses_and_a_pass_forgets() {
        let mut crashes = Crashes::default();
        assert_eq!(crashes.verdict(), None);
        crash(&mut crashes);
        assert!(matches!(crashes.verdict(), Some(ReportBody::Missed { reason: Miss::Crashed })));
        assert_eq!(crashes.verdict(), None);
        crashes.record(Ok(()));
        assert_eq!(crashes.in_a_row, 0);
    }

    #[test]
    fn one_that_keeps_crashing_is_parked_and_says_so_once() {
        let mut crashes = Crashes::default();
        for _ in 0..PARKED_AFTER {
            crash(&mut crashes);
        }
        let Some(ReportBody::Parked { detail }) = crashes.verdict() else {
            panic!("five crashes park");
        };
        assert!(detail.contains("index out of bounds"));
        assert!(matches!(crashes.verdict(), Some(ReportBody::Missed { .. })));
        for _ in 2..TRIED_AGAIN_AFTER {
            assert!(crashes.verdict().is_some());
        }
        assert_eq!(crashes.verdict(), None, "it is tried again");
    }
}
