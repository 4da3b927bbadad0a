//! Texts for people and for URLs: escapes, sizes, times. None of them panics on odd input.

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use time::OffsetDateTime;

/// What stands bare in a path: the unreserved characters of RFC 3986 and the slash.
pub(super) const PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// 9999-12-31T23:59:59Z, in seconds: the last moment that an HTTP date can tell.
const LAST_SECOND: u64 = 253_402_300_799;

/// A path for an href: percent-encoded UTF-8, slashes kept.
pub fn encode_path(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    write_path(&mut out, path);
    out
}

/// As [`encode_path`].
pub fn write_path(out: &mut String, path: &str) {
    out.extend(utf8_percent_encode(path, PATH));
}

/// Text for HTML or XML, in content or between quotes. Control characters, which XML cannot hold,
/// become U+FFFD; line ends become references, so that a reader gets them back.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    write_escaped(&mut out, text);
    out
}

/// As [`escape`].
pub fn write_escaped(out: &mut String, text: &str) {
    let plain = |c: u8| matches!(c, b' '..=b'~') && !matches!(c, b'&' | b'<' | b'>' | b'"' | b'\'');
    if text.bytes().all(plain) {
        out.push_str(text);
        return;
    }
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            '\t' => out.push_str("&#9;"),
            '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
}

/// A number with its thousands apart: `1,000,000`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes as people read them: `0 B`, `1.5 MiB`.
pub fn human_size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    // 1023.95 would be written "1024.0".
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A time that every date format can tell: from 1970 to 9999, whole seconds.
pub fn clamp(at: SystemTime) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds(at))
}

/// An HTTP date (RFC 9110 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn http_date(at: SystemTime) -> String {
    httpdate::fmt_http_date(clamp(at))
}

/// RFC 3339 in UTC without fractions: `1994-11-06T08:49:37Z`.
pub fn rfc3339(at: SystemTime) -> String {
    stamp(at, 'T', "Z")
}

/// A time for people: `1994-11-06 08:49:37`, UTC.
pub fn utc(at: SystemTime) -> String {
    stamp(at, ' ', "")
}

/// As [`utc`], of milliseconds since 1970.
pub fn utc_of_ms(ms: i64) -> String {
    utc(UNIX_EPOCH + Duration::from_millis(u64::try_from(ms).unwrap_or_default()))
}

/// A time for people, to the minute: `06 Nov 1994 08:49`, UTC.
pub fn day(at: SystemTime) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let t = calendar(at);
    let month = MONTHS.get(usize::from(t.month() as u8).wrapping_sub(1)).unwrap_or(&"");
    format!("{:02} {month} {} {:02}:{:02}", t.day(), t.year(), t.hour(), t.minute())
}

fn calendar(at: SystemTime) -> OffsetDateTime {
    i64::try_from(seconds(at))
        .ok()
        .and_then(|s| OffsetDateTime::from_unix_timestamp(s).ok())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Since 1970, no more than [`LAST_SECOND`].
pub(super) fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs()).min(LAST_SECOND)
}

fn stamp(at: SystemTime, middle: char, end: &str) -> String {
    let t = calendar(at);
    let (year, month, day) = t.to_calendar_date();
    let (hour, minute, second) = t.to_hms();
    let mut out = String::with_capacity(20);
    // Writing to a String does not fail.
    let _ = write!(
        out,
        "{year:04}-{:02}-{day:02}{middle}{hour:02}:{minute:02}:{second:02}{end}",
        month as u8
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_by_people() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_572_864, "1.5 MiB"),
            (1_048_575, "1.0 MiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(human_size(bytes), text);
        }
    }

    #[test]
    fn thousands_stand_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn times_stay_in_range() {
        let epoch = SystemTime::UNIX_EPOCH;
        let some = epoch + Duration::from_millis(784_111_777_900);
        assert_eq!(http_date(some), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(rfc3339(some), "1994-11-06T08:49:37Z");
        assert_eq!(utc(some), "1994-11-06 08:49:37");
        assert_eq!(day(some), "06 Nov 1994 08:49");
        assert_eq!(rfc3339(epoch - Duration::from_secs(5)), "1970-01-01T00:00:00Z");
        let far = epoch + Duration::from_secs(1 << 60);
        assert_eq!(rfc3339(far), "9999-12-31T23:59:59Z");
        assert_eq!(http_date(far), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn nothing_breaks_out_of_markup_or_path() {
        assert_eq!(escape("\"><script>'&"), "&quot;&gt;&lt;script&gt;&#39;&amp;");
        assert_eq!(escape("a\nb\x01c"), "a&#10;b\u{fffd}c");
        assert_eq!(encode_path("/a b/\"%?#é\n"), "/a%20b/%22%25%3F%23%C3%A9%0A");
    }
}
