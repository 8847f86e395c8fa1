//! Ports for programs that are started later.
//!
//! Invariant: none is from the range that the kernel takes ports from for connections
//! (`ip_local_port_range`, ip(7)). Such a port may be gone between the choice and the start of the
//! program that is to listen on it.

use std::{
    hash::{BuildHasher, RandomState},
    net::{Ipv4Addr, TcpListener},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use anyhow::{Result, bail};

/// What lies below belongs to services.
const LOWEST: u32 = 10_240;
/// Where the kernel does not say from which port on it takes them.
const USUAL: u32 = 32_768;

/// Programs begin anywhere, so that two that run side by side do not choose the same; and none is
/// chosen again before its turn, so that it need not be listened on at once.
static NEXT: LazyLock<AtomicU32> = LazyLock::new(|| {
    let random = RandomState::new().hash_one(std::process::id());
    AtomicU32::new((random >> 40) as u32)
});

/// A port of the loopback interface that nobody listens on, and no connection is given.
///
/// # Errors
/// Where no port is left.
pub fn free_port() -> Result<u16> {
    let range = range();
    for _ in 0..range.len() {
        let n = NEXT.fetch_add(1, Ordering::Relaxed) % (range.end - range.start);
        let port = u16::try_from(range.start + n)?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("all ports from {} to {} are taken", range.start, range.end - 1)
}

fn range() -> std::ops::Range<u32> {
    let told = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let told = told.unwrap_or_default();
    let mut bounds = told.split_whitespace().map_while(|bound| bound.parse::<u32>().ok());
    match (bounds.next(), bounds.next()) {
        (Some(first), _) if first > LOWEST => LOWEST..first,
        // It has been set to begin at the bottom: what is left is above.
        (Some(_), Some(last)) if last < 65_000 => last + 1..65_536,
        _ => LOWEST..USUAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_differ_and_are_none_that_a_connection_gets() {
        let (one, other) = (free_port().unwrap(), free_port().unwrap());
        assert_ne!(one, other);
        assert!(range().contains(&one.into()) && range().contains(&other.into()));
    }

    #[test]
    fn a_port_that_somebody_listens_on_is_passed_over() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, free_port().unwrap())).unwrap();
        let port = taken.local_addr().unwrap().port();
        NEXT.store(u32::from(port) - range().start, Ordering::Relaxed);
        assert_ne!(free_port().unwrap(), port);
    }
}
