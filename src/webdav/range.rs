//! The `Range` header (RFC 9110 14).

use std::ops::Range;

/// Most ranges in one request. Physics clients read scattered baskets of one file with some
/// hundred ranges at a time; what each costs is bounded by [`wanted`].
const MAX_RANGES: usize = 512;

/// What a `Range` header asks of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Everything: no range, one in another unit, or one that is none.
    Whole,
    /// These bytes, none empty, none overlapping.
    Parts(Vec<Range<u64>>),
    /// Nothing that is there: 416.
    Unsatisfiable,
    /// More than [`MAX_RANGES`]: 416.
    TooMany,
}

/// Reads a `Range` header against a file of `size` bytes. Ranges keep their order. Ranges that
/// overlap are made one, so that no header makes an answer much larger than the file.
pub(super) fn wanted(header: Option<&str>, size: u64) -> Wanted {
    let Some((unit, list)) = header.and_then(|h| h.split_once('=')) else { return Wanted::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    let mut parts = Vec::new();
    let mut count = 0;
    for one in list.split(',').map(str::trim).filter(|one| !one.is_empty()) {
        count += 1;
        if count > MAX_RANGES {
            return Wanted::TooMany;
        }
        match read(one, size) {
            Ok(Some(part)) => parts.push(part),
            Ok(None) => {}
            Err(()) => return Wanted::Whole,
        }
    }
    match (count, parts.is_empty()) {
        (0, _) => Wanted::Whole,
        (_, true) => Wanted::Unsatisfiable,
        _ => Wanted::Parts(disjoint(parts)),
    }
}

/// One range: `None` when nothing of it is there.
fn read(one: &str, size: u64) -> Result<Option<Range<u64>>, ()> {
    let (first, last) = one.split_once('-').ok_or(())?;
    let part = match (number(first)?, number(last)?) {
        (None, None) => return Err(()),
        (None, Some(suffix)) => size.saturating_sub(suffix)..size,
        (Some(first), None) => first..size,
        (Some(first), Some(last)) if first <= last => first..size.min(last.saturating_add(1)),
        (Some(_), Some(_)) => return Err(()),
    };
    Ok((part.start < part.end).then_some(part))
}

/// Digits; too many for u64 are as good as the largest.
fn number(text: &str) -> Result<Option<u64>, ()> {
    let text = text.trim();
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(());
    }
    Ok(match text {
        "" => None,
        digits => Some(digits.parse().unwrap_or(u64::MAX)),
    })
}

/// Leaves ranges alone that do not overlap; else sorts and merges all.
fn disjoint(parts: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let mut sorted = parts.clone();
    sorted.sort_by_key(|part| part.start);
    if sorted.windows(2).all(|pair| pair[0].end <= pair[1].start) {
        return parts;
    }
    let mut merged: Vec<Range<u64>> = Vec::with_capacity(sorted.len());
    for part in sorted {
        match merged.last_mut() {
            Some(last) if part.start <= last.end => last.end = last.end.max(part.end),
            _ => merged.push(part),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges() {
        let parts = |list: &[(u64, u64)]| Wanted::Parts(list.iter().map(|(a, b)| *a..*b).collect());
        for (header, wanted_) in [
            ("bytes=0-0", parts(&[(0, 1)])),
            ("bytes=0-", parts(&[(0, 10)])),
            ("Bytes = 5-100", parts(&[(5, 10)])),
            ("bytes=-3", parts(&[(7, 10)])),
            ("bytes=-30", parts(&[(0, 10)])),
            ("bytes=8-9,0-1", parts(&[(8, 10), (0, 2)])),
            ("bytes=8-9,,20-30", parts(&[(8, 10)])),
            ("bytes=0-5,3-7", parts(&[(0, 8)])),
            ("bytes=0-,0-,0-", parts(&[(0, 10)])),
            ("bytes=10-", Wanted::Unsatisfiable),
            ("bytes=-0", Wanted::Unsatisfiable),
            ("bytes=99999999999999999999999-", Wanted::Unsatisfiable),
            ("bytes=0-99999999999999999999999", parts(&[(0, 10)])),
            ("bytes=5-4", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("lines=1-2", Wanted::Whole),
            ("nonsense", Wanted::Whole),
        ] {
            assert_eq!(wanted(Some(header), 10), wanted_, "{header}");
        }
        assert_eq!(wanted(None, 10), Wanted::Whole);
        assert_eq!(wanted(Some("bytes=0-"), 0), Wanted::Unsatisfiable);
        let many = format!("bytes={}", "0-1,".repeat(MAX_RANGES + 1));
        assert_eq!(wanted(Some(&many), 10), Wanted::TooMany);
    }

    proptest! {
        #[test]
        fn an_answer_is_never_larger_than_the_file(
            list in prop::collection::vec((0u64..2000, 0u64..2000), 1..40),
            size in 1u64..1500,
        ) {
            let text: Vec<_> = list.iter().map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))).collect();
            if let Wanted::Parts(parts) = wanted(Some(&format!("bytes={}", text.join(","))), size) {
                prop_assert!(parts.iter().all(|p| p.start < p.end && p.end <= size));
                prop_assert!(parts.iter().map(|p| p.end - p.start).sum::<u64>() <= size);
                for at in 0..size {
                    let asked = list.iter().any(|(a, b)| (a.min(b)..=a.max(b)).contains(&&at));
                    prop_assert_eq!(asked, parts.iter().any(|p| p.contains(&at)));
                }
            }
        }
    }
}
