//! Makes an input from those of a corpus, without knowing what they mean.

use rand::{RngExt, rngs::StdRng};

/// The longest input that is made, in bytes.
const MAX: usize = 16 * 1024;
/// The most changes that are made to one input.
const CHANGES: usize = 6;
/// The longest run that one change moves, repeats or takes out.
const RUN: usize = 64;
/// Bytes that mean something in many a language, and those at the ends of ranges.
const TELLING: &[u8] = b"\0\x01\x7f\x80\xc0\xff\t\n\r \"'`#$%&*/\\-_+.,:;!?=<>()[]{}|~^@019aAzZ";
/// Numbers at which counts and lengths go over.
const EDGES: [u64; 8] = [0, 1, 0x7f, 0xff, 0x7fff_ffff, 0xffff_ffff, i64::MAX as u64, u64::MAX];

/// One input: a seed with some changes.
pub(crate) fn mutate(seeds: &[&[u8]], random: &mut StdRng) -> Vec<u8> {
    let mut input = pick(seeds, random).to_vec();
    for _ in 0..random.random_range(1..=CHANGES) {
        change(&mut input, seeds, random);
        input.truncate(MAX);
    }
    input
}

fn change(input: &mut Vec<u8>, seeds: &[&[u8]], random: &mut StdRng) {
    let at = random.random_range(0..=input.len());
    match random.random_range(0..10) {
        0 => with_byte(input, at, |byte| byte ^ (1 << random.random_range(0..8))),
        1 => with_byte(input, at, |_| telling(random)),
        2 => with_byte(input, at, |byte| {
            byte.wrapping_add(random.random_range(0..=8)).wrapping_sub(4)
        }),
        3 => insert(input, at, &[telling(random)]),
        4 => {
            let gone = at..run_end(input, at, random);
            input.drain(gone);
        }
        5 => {
            let run = input[at..run_end(input, at, random)].to_vec();
            insert(input, random.random_range(0..=input.len()), &run);
        }
        6 => {
            let other = pick(seeds, random);
            let from = random.random_range(0..=other.len());
            insert(input, at, &other[from..run_end(other, from, random)]);
        }
        7 => {
            let many = vec![telling(random); random.random_range(1..=RUN * 8)];
            insert(input, at, &many);
        }
        8 => edge(input, at, random),
        _ => input.truncate(at),
    }
}

/// Writes a number over what is there, in either order of bytes, or as digits.
fn edge(input: &mut Vec<u8>, at: usize, random: &mut StdRng) {
    let number = EDGES[random.random_range(0..EDGES.len())];
    let width = [1, 2, 4, 8][random.random_range(0..4)];
    let bytes = match random.random_range(0..3) {
        0 => number.to_le_bytes()[..width].to_vec(),
        1 => number.to_be_bytes()[8 - width..].to_vec(),
        _ => number.to_string().into_bytes(),
    };
    let end = (at + bytes.len()).min(input.len());
    input.splice(at..end, bytes);
}

fn with_byte(input: &mut [u8], at: usize, new: impl FnOnce(u8) -> u8) {
    if let Some(byte) = input.get_mut(at) {
        *byte = new(*byte);
    }
}

fn insert(input: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    input.splice(at..at, bytes.iter().copied());
}

fn run_end(bytes: &[u8], from: usize, random: &mut StdRng) -> usize {
    (from + random.random_range(0..=RUN)).min(bytes.len())
}

fn telling(random: &mut StdRng) -> u8 {
    TELLING[random.random_range(0..TELLING.len())]
}

fn pick<'a>(seeds: &[&'a [u8]], random: &mut StdRng) -> &'a [u8] {
    seeds[random.random_range(0..seeds.len())]
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn inputs_stay_bounded_however_often_they_are_changed() {
        let mut random = StdRng::seed_from_u64(1);
        let long = vec![b'x'; 2 * MAX];
        let seeds: [&[u8]; 3] = [b"", b"a", &long];
        for _ in 0..5_000 {
            assert!(mutate(&seeds, &mut random).len() <= MAX);
        }
    }
}
