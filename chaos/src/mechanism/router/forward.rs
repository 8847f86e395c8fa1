//! The program in the router: takes packets from a TUN device and puts them back when it is time.
//!
//! Invariant: it holds a bounded number of packets; what is beyond is lost, as in any router.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    io::{BufRead, Write},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use parking_lot::{Condvar, Mutex};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tun_rs::{DeviceBuilder, SyncDevice};

use super::{Routed, Weather};

/// Larger ones do not come.
const PACKET: usize = 1 << 16;
const MOST: usize = 50_000;
/// How much longer a packet is held back that is to be overtaken, at most, in milliseconds.
const LONGER: u64 = 30;
/// How much later the second of two comes, at most, in milliseconds.
const SECOND: u64 = 10;

/// Source and destination.
type Flow = [u8; 8];

/// What is held back, and by which rules.
struct Sky {
    weather: Weather,
    routed: Routed,
    random: StdRng,
    /// By the time at which it goes on, and the order in which it came.
    held: BinaryHeap<Reverse<(Instant, u64, Vec<u8>)>>,
    came: u64,
    /// When the last packet of a flow goes on.
    last: HashMap<Flow, Instant>,
}

impl Sky {
    fn new(seed: u64) -> Self {
        Self {
            weather: Weather::default(),
            routed: Routed::default(),
            random: StdRng::seed_from_u64(seed),
            held: BinaryHeap::new(),
            came: 0,
            last: HashMap::new(),
        }
    }

    fn take(&mut self, packet: &[u8], now: Instant) {
        self.routed.packets += 1;
        let Weather { delay, jitter, twice, overtaken } = self.weather;
        let jitter = self.random.random_range(0..=2 * jitter.min(delay));
        let mut at = now + millis(delay - self.weather.jitter.min(delay)) + millis(jitter);
        if self.random.random_range(0..100) < overtaken {
            self.routed.overtaken += 1;
            at += millis(self.random.random_range(1..=LONGER));
        } else if let Some(flow) = flow(packet) {
            at = at.max(self.last.get(&flow).copied().unwrap_or(at));
            self.last.insert(flow, at);
        }
        self.hold(packet, at);
        if self.random.random_range(0..100) < twice {
            self.routed.twice += 1;
            let later = millis(self.random.random_range(0..=SECOND));
            self.hold(packet, at + later);
        }
    }

    fn hold(&mut self, packet: &[u8], at: Instant) {
        if self.held.len() >= MOST {
            self.routed.lost += 1;
            return;
        }
        self.came += 1;
        self.held.push(Reverse((at, self.came, packet.to_vec())));
    }

    /// What goes on now, and when to look again.
    fn due(&mut self, now: Instant) -> (Vec<Vec<u8>>, Option<Instant>) {
        let mut due = Vec::new();
        while let Some(Reverse((at, ..))) = self.held.peek() {
            if *at > now {
                return (due, Some(*at));
            }
            due.extend(self.held.pop().map(|Reverse((.., packet))| packet));
        }
        (due, None)
    }
}

/// Forwards until its standard input ends. A line of it is a [`Weather`], and is answered by what
/// was [`Routed`].
///
/// # Errors
/// Where there is no device to be had, or an order is none.
pub(crate) fn forward(device: &str, seed: u64) -> Result<()> {
    let device = DeviceBuilder::new().name(device).build_sync();
    let device = Arc::new(device.context("no TUN device is to be had")?);
    let sky = Arc::new((Mutex::new(Sky::new(seed)), Condvar::new()));
    let (from, to) = (Arc::clone(&device), Arc::clone(&sky));
    thread::spawn(move || take(&from, &to));
    let from = Arc::clone(&sky);
    thread::spawn(move || give(&device, &from));
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let weather = serde_json::from_str(&line).with_context(|| format!("no weather: {line}"))?;
        let routed = {
            let mut sky = sky.0.lock();
            sky.weather = weather;
            sky.routed
        };
        let mut answers = std::io::stdout().lock();
        writeln!(answers, "{}", serde_json::to_string(&routed)?)?;
        answers.flush()?;
    }
    Ok(())
}

fn take(device: &SyncDevice, sky: &(Mutex<Sky>, Condvar)) {
    let mut packet = vec![0; PACKET];
    loop {
        // Down at first: then there is nothing to read yet.
        let Ok(len) = device.recv(&mut packet) else {
            thread::sleep(millis(1));
            continue;
        };
        sky.0.lock().take(&packet[..len], Instant::now());
        sky.1.notify_one();
    }
}

fn give(device: &SyncDevice, sky: &(Mutex<Sky>, Condvar)) {
    loop {
        let due = {
            let mut held = sky.0.lock();
            let (due, next) = held.due(Instant::now());
            if due.is_empty() {
                match next {
                    Some(next) => {
                        let _ = sky.1.wait_until(&mut held, next);
                    }
                    None => sky.1.wait(&mut held),
                }
            }
            due
        };
        for packet in due {
            // Refused where the way is gone: then it is lost, as it would be elsewhere.
            let _ = device.send(&packet);
        }
    }
}

/// The addresses of an IPv4 packet (RFC 791, section 3.1).
fn flow(packet: &[u8]) -> Option<Flow> {
    (packet.first()? >> 4 == 4).then(|| packet.get(12..20)?.try_into().ok()).flatten()
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(flow: u8, number: u8) -> Vec<u8> {
        let mut packet = vec![0; 21];
        (packet[0], packet[12], packet[20]) = (0x45, flow, number);
        packet
    }

    /// The numbers of packets in the order in which they go on, each with how long it took.
    fn passed(sky: &mut Sky, now: Instant) -> Vec<(u8, Duration)> {
        let mut passed = Vec::new();
        let mut next = Some(now);
        while let Some(at) = next {
            let (due, later) = sky.due(at);
            passed.extend(due.iter().map(|packet| (packet[20], at - now)));
            next = later;
        }
        passed
    }

    #[test]
    fn packets_are_held_back_within_the_jitter_and_keep_their_order() {
        let (mut sky, now) = (Sky::new(7), Instant::now());
        sky.weather = Weather { delay: 80, jitter: 20, ..Weather::default() };
        (0..100).for_each(|n| sky.take(&packet(1, n), now));
        let passed = passed(&mut sky, now);
        assert_eq!(
            passed.iter().map(|(n, _)| *n).collect::<Vec<_>>(),
            (0..100).collect::<Vec<_>>()
        );
        assert!(passed.iter().all(|(_, took)| (millis(60)..=millis(100)).contains(took)));
        assert_ne!(passed[0].1, passed[99].1);
    }

    #[test]
    fn some_come_twice_and_some_are_overtaken() {
        let (mut sky, now) = (Sky::new(7), Instant::now());
        sky.weather = Weather { twice: 20, overtaken: 20, ..Weather::default() };
        (0..100).for_each(|n| sky.take(&packet(1, n), now));
        let numbers: Vec<u8> = passed(&mut sky, now).iter().map(|(n, _)| *n).collect();
        let Routed { packets, twice, overtaken, lost } = sky.routed;
        assert_eq!((packets, lost, numbers.len() as u64), (100, 0, 100 + twice));
        assert!(twice > 5 && overtaken > 5 && !numbers.is_sorted());
    }

    #[test]
    fn what_is_too_much_is_lost() {
        let (mut sky, now) = (Sky::new(7), Instant::now());
        (0..=MOST).for_each(|_| sky.take(&packet(1, 0), now));
        assert_eq!((sky.held.len(), sky.routed.lost), (MOST, 1));
    }
}
