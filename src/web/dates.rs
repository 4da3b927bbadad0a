//! Times of many files as text, one after the other: most are of the same day as the one before, and only
//! the hour is written anew.

use std::time::{Duration, SystemTime};

use super::text::{http_date, rfc3339, seconds};

const DAY: u64 = 24 * 60 * 60;

/// Writes what [`http_date`] and [`rfc3339`] give.
#[derive(Debug, Default)]
pub struct Dates {
    /// Days since 1970, and how such a day begins: `Sun, 06 Nov 1994 `, `1994-11-06T`. Empty at first.
    day: u64,
    http: String,
    rfc3339: String,
}

impl Dates {
    /// An HTTP date (RFC 9110 5.6.7).
    pub fn write_http(&mut self, out: &mut String, at: SystemTime) {
        let second = self.turn_to(at);
        out.push_str(&self.http);
        write_hour(out, second);
        out.push_str(" GMT");
    }

    /// RFC 3339, in UTC, without fractions.
    pub fn write_rfc3339(&mut self, out: &mut String, at: SystemTime) {
        let second = self.turn_to(at);
        out.push_str(&self.rfc3339);
        write_hour(out, second);
        out.push('Z');
    }

    /// The second of the day, which is remembered.
    fn turn_to(&mut self, at: SystemTime) -> u64 {
        let seconds = seconds(at);
        let day = seconds / DAY;
        if day != self.day || self.http.is_empty() {
            let midnight = SystemTime::UNIX_EPOCH + Duration::from_secs(day * DAY);
            let until = |text: String, end| text.split_once(end).map(|(day, _)| day.to_owned());
            // Both tell midnight as 00:00:00.
            self.http = until(http_date(midnight), "00:00:00").unwrap_or_default();
            self.rfc3339 = until(rfc3339(midnight), "00:00:00").unwrap_or_default();
            self.day = day;
        }
        seconds % DAY
    }
}

fn write_hour(out: &mut String, second: u64) {
    let digit = |n: u64| char::from(b'0' + (n % 10) as u8);
    for (n, part) in [second / 3600, second / 60 % 60, second % 60].into_iter().enumerate() {
        if n > 0 {
            out.push(':');
        }
        out.push(digit(part / 10));
        out.push(digit(part));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn as_one_by_one(times in proptest::collection::vec(0..260_000_000_000_u64, 1..20)) {
            let mut dates = Dates::default();
            for seconds in times.iter().flat_map(|at| [*at, at + 1, at + 4000]) {
                let at = SystemTime::UNIX_EPOCH + Duration::from_millis(seconds * 1000 + 999);
                let (mut http, mut other) = (String::new(), String::new());
                dates.write_http(&mut http, at);
                dates.write_rfc3339(&mut other, at);
                prop_assert_eq!((http, other), (http_date(at), rfc3339(at)));
            }
        }
    }

    #[test]
    fn the_first_day() {
        let mut out = String::new();
        Dates::default().write_http(&mut out, SystemTime::UNIX_EPOCH - Duration::from_secs(9));
        assert_eq!(out, "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
