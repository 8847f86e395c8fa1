//! Packets and bytes between processes of this machine, as the kernel counts them by connection
//! (`ss -i`, tcp(7)).

use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

/// What the connections of some ports have sent so far. Over the loopback both ends of each are
/// listed, so that a packet counts once, where it was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent(BTreeMap<String, (u64, u64)>);

impl Sent {
    /// Reads it now.
    ///
    /// # Errors
    /// Where there is no `ss`, or it may not look.
    pub fn now(ports: &[u16]) -> Result<Self> {
        let either = |port| [format!("sport = :{port}"), format!("dport = :{port}")];
        let filter = ports.iter().flat_map(either).collect::<Vec<_>>().join(" or ");
        let mut command = Command::new("ss");
        command.args(["-t", "-i", "-n", "-O", "-H", "state", "established"]).arg(filter);
        let output = command.stdin(Stdio::null()).output().context("cannot run ss")?;
        ensure!(output.status.success(), "ss: {}", String::from_utf8_lossy(&output.stderr));
        Ok(Self::parse(&String::from_utf8_lossy(&output.stdout)))
    }

    fn parse(text: &str) -> Self {
        let connections = text.lines().filter_map(|line| {
            let mut words = line.split_whitespace().filter(|word| word.contains(':'));
            let ends = format!("{} {}", words.next()?, words.next()?);
            let field = |name: &str| {
                let mut values = line.split_whitespace().filter_map(|w| w.strip_prefix(name));
                values.next().and_then(|value| value.parse().ok()).unwrap_or(0)
            };
            Some((ends, (field("segs_out:"), field("bytes_sent:"))))
        });
        Self(connections.collect())
    }

    /// Packets and bytes that were sent since an earlier reading. What connections have sent that
    /// ended in between is not known.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> (u64, u64) {
        let of = |(ends, (packets, bytes)): (&String, &(u64, u64))| {
            let (p, b) = earlier.0.get(ends).copied().unwrap_or_default();
            (packets.saturating_sub(p), bytes.saturating_sub(b))
        };
        self.0.iter().map(of).fold((0, 0), |(p, b), (packets, bytes)| (p + packets, b + bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_count_by_connection_where_they_are_sent() {
        let before = "0 0 127.0.0.1:7 127.0.0.1:8 cubic bytes_sent:100 segs_out:5 segs_in:4\n\
                      0 0 127.0.0.1:8 127.0.0.1:7 cubic bytes_sent:10 segs_out:4 segs_in:5\n";
        let after = "0 0 127.0.0.1:7 127.0.0.1:8 cubic bytes_sent:150 segs_out:7 segs_in:5\n\
                     0 0 127.0.0.1:8 127.0.0.1:7 cubic bytes_sent:10 segs_out:5 segs_in:7\n\
                     0 0 127.0.0.1:9 127.0.0.1:7 cubic bytes_sent:3 segs_out:1 segs_in:0\n";
        let (before, after) = (Sent::parse(before), Sent::parse(after));
        assert_eq!(after.since(&before), (4, 53));
    }
}
