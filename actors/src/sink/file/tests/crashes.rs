//! Power cuts between a write and its sync: what the disk keeps is any part of what was not
//! synced. Each is found again by its seed.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::*;
use crate::sink::testing::batch;

/// A disk that loses power at its n-th sync and leaves an image of what it kept.
struct PowerCut {
    image: PathBuf,
    state: Mutex<Power>,
}

struct Power {
    syncs_left: u64,
    synced: u64,
    dice: StdRng,
}

impl Medium for PowerCut {
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        System.write(file, bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        let mut power = self.state.lock();
        let len = file.metadata()?.len();
        if power.syncs_left == 0 {
            let synced = power.synced;
            let kept = power.dice.random_range(synced..=len);
            let bytes = fs::read(self.image.with_file_name("events.jsonl"))?;
            if !self.image.exists() {
                fs::write(&self.image, &bytes[..usize::try_from(kept).unwrap()])?;
            }
            return Err(io::Error::other("no power"));
        }
        power.syncs_left -= 1;
        power.synced = len;
        Ok(())
    }
}

#[tokio::test]
async fn a_power_cut_loses_nothing_acknowledged_and_repeats_nothing() {
    for seed in 0..200 {
        let (before, acknowledged) = run_until_the_power_is_cut(seed).await;
        let after = Place::new();
        fs::copy(before.directory.path().join("image"), after.path()).unwrap();
        let sink = after.open().await;
        let mut expected = Vec::new();
        for shard in 0..3_u32 {
            let acknowledged = acknowledged[shard as usize];
            let found = tail(&sink, shard).await.unwrap_or(0);
            assert!(found >= acknowledged, "seed {seed}: {acknowledged} of shard {shard} are gone");
            sink.append(&batch(shard, acknowledged + 1..=40)).await.unwrap();
            expected.extend(of_shard(shard.into(), 1..=40));
        }
        let mut all = places(&after.path());
        all.sort_unstable();
        assert_eq!(all, expected, "seed {seed}");
    }
}

/// The place, and the last acknowledged offset of each shard.
async fn run_until_the_power_is_cut(seed: u64) -> (Place, [u64; 3]) {
    let place = Place::new();
    let mut dice = StdRng::seed_from_u64(seed);
    let syncs_left = dice.random_range(1..12);
    let state = Power { syncs_left, synced: 0, dice: StdRng::seed_from_u64(!seed) };
    let image = place.directory.path().join("image");
    let sink = place.open_on(Arc::new(PowerCut { image, state: Mutex::new(state) })).await;
    let mut acknowledged = [0; 3];
    loop {
        let sizes = [(); 3].map(|()| dice.random_range(1..4));
        let batches = [0, 1, 2].map(|shard: u32| {
            let next = acknowledged[shard as usize] + 1;
            batch(shard, next..next + sizes[shard as usize])
        });
        let [first, second, third] = &batches;
        let answers = tokio::join!(sink.append(first), sink.append(second), sink.append(third));
        for (shard, answer) in [answers.0, answers.1, answers.2].into_iter().enumerate() {
            match answer {
                Ok(held) => acknowledged[shard] = held.offset.0,
                Err(_) => return (place, acknowledged),
            }
        }
    }
}
