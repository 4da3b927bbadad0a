//! Points in time for the checks, and lengths of time for people.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Clocks of client, VOMS server and storage may differ by this much (canl, VOMS).
pub(crate) const GRACE: i64 = 300;

/// Seconds since 1970; certificates know no finer time.
pub(crate) fn seconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX),
    }
}

/// The other way round; times before 1970 and absurd ones become an end of the range.
pub(crate) fn system_time(seconds: i64) -> SystemTime {
    const YEAR_9999: u64 = 253_402_300_799;
    let seconds = u64::try_from(seconds).unwrap_or(0).min(YEAR_9999);
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// A length of time as people say it: `40 s`, `12 min`, `3 h`, `5 days`.
pub(crate) fn span(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_well() {
        let texts = [5, 720, 3 * 3600 + 5, 5 * 86_400].map(span);
        assert_eq!(texts, ["5 s", "12 min", "3 h", "5 days"]);
    }

    #[test]
    fn odd_times_do_no_harm() {
        assert_eq!(system_time(-5), UNIX_EPOCH);
        assert_eq!(seconds(system_time(1_700_000_000)), 1_700_000_000);
        assert!(seconds(system_time(i64::MAX)) > 0);
    }
}
