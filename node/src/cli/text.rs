//! Texts for people: what a stranger may not do to a terminal, ages, counts, percentages.

use model::{Millis, WallTime};

/// The text without control characters, which could steer a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The same, line breaks kept.
pub(crate) fn printable_lines(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

/// At most `width` characters; what is cut ends in an ellipsis.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// How long ago, such as `5m`, `1h30m` or `12d`: two units while the first is small.
pub(crate) fn age(since: WallTime, now: WallTime) -> String {
    const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let seconds = now.since(since).0 / 1_000;
    let Some(at) = UNITS.iter().position(|(_, size)| seconds >= *size) else {
        return "0s".to_owned();
    };
    let (unit, size) = UNITS[at];
    let (count, rest) = (seconds / size, seconds % size);
    match UNITS.get(at + 1) {
        Some((smaller, size)) if count < 10 && rest >= *size => {
            format!("{count}{unit}{}{smaller}", rest / size)
        }
        _ => format!("{count}{unit}"),
    }
}

/// The age of an RFC 3339 time, or what was sent instead.
pub(crate) fn age_of(time: &str, now: WallTime) -> String {
    WallTime::parse_rfc3339(time).map_or_else(|| printable(time), |since| age(since, now))
}

/// Now, by this machine's clock.
pub(crate) fn now() -> WallTime {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let millis = since_1970.map_or(0, |since| since.as_millis());
    WallTime(0).plus(Millis(u64::try_from(millis).unwrap_or(u64::MAX)))
}

/// `part` of `whole` in percent, cut and never rounded up: 100 % is only what is complete.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 || part == whole {
        return "100 %".to_owned();
    }
    let scaled = u128::from(part) * 1_000_000 / u128::from(whole);
    format!("{}.{:04} %", scaled / 10_000, scaled % 10_000)
}

/// A count with thin groups of three digits, such as `1,234,567`.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 shard`, `2 shards`.
pub(crate) fn counted(count: usize, thing: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} {thing}{ending}", grouped(count as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (300, "5m"),
            (301, "5m1s"),
            (5_400, "1h30m"),
            (36_061, "10h"),
            (90_000, "1d1h"),
            (12 * 86_400 + 7, "12d"),
        ] {
            let now = WallTime(0).plus(Millis::from_secs(seconds));
            assert_eq!(age(WallTime(0), now), text);
        }
        assert_eq!(age(WallTime(5_000), WallTime(0)), "0s");
    }

    #[test]
    fn almost_all_is_never_all() {
        assert_eq!(percent(99_998_700, 100_000_000), "99.9987 %");
        assert_eq!(percent(9_999_999, 10_000_000), "99.9999 %");
        assert_eq!(percent(1, 3), "33.3333 %");
        assert_eq!(percent(5, 5), "100 %");
        assert_eq!(percent(0, 0), "100 %");
    }

    #[test]
    fn texts_are_cut_by_character_and_steer_no_terminal() {
        assert_eq!(cut("ééééé", 3), "éé…");
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(printable("a\u{1b}[31mb\nc"), "a [31mb c");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(999), "999");
    }
}
