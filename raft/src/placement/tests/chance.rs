//! Random choices that follow from a seed.

/// SplitMix64 (Steele, Lea, Flood, 2014).
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below this one.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(super) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// One of these, where there are any.
    pub(super) fn one<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        let count = u64::try_from(of.len()).ok().filter(|count| *count > 0)?;
        of.get(usize::try_from(self.below(count)).ok()?).copied()
    }

    /// So many of these, or all.
    pub(super) fn some<T: Copy>(&mut self, mut of: Vec<T>, count: usize) -> Vec<T> {
        while of.len() > count {
            let end = u64::try_from(of.len()).unwrap();
            of.remove(usize::try_from(self.below(end)).unwrap());
        }
        of
    }
}
