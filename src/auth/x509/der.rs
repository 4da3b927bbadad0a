//! A bounded reader of DER. Certificates are read with it too, since no library reads proxyCertInfo and
//! attribute certificates. The reader never recurses by itself.

pub(crate) use super::asn1::{oid, tag, tlv, without_zeros};

/// The bytes are not the DER that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the expected DER")]
pub(crate) struct DerError;

/// One element.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tlv<'a> {
    pub(crate) tag: u8,
    /// The content.
    pub(crate) value: &'a [u8],
    /// Tag, length and content.
    pub(crate) whole: &'a [u8],
}

/// Reads one level of elements, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The content of the one `SEQUENCE` that `bytes` must be.
    pub(crate) fn sequence(bytes: &'a [u8]) -> Result<Self, DerError> {
        let mut outer = Self::new(bytes);
        let value = outer.expect(tag::SEQUENCE)?;
        outer.finish()?;
        Ok(Self::new(value))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next element. Lengths are definite and minimal, tags are one byte (DER).
    pub(crate) fn next(&mut self) -> Result<Tlv<'a>, DerError> {
        let (&tag, after) = self.rest.split_first().ok_or(DerError)?;
        let (&first, after) = after.split_first().ok_or(DerError)?;
        if tag & 0x1f == 0x1f {
            return Err(DerError);
        }
        let (length, body) = match first {
            0..=0x7f => (usize::from(first), after),
            0x81..=0x84 => {
                let (digits, body) =
                    after.split_at_checked(usize::from(first & 0x7f)).ok_or(DerError)?;
                let length = digits.iter().fold(0u64, |sum, &digit| sum << 8 | u64::from(digit));
                if digits.first() == Some(&0) || length < 0x80 {
                    return Err(DerError);
                }
                (usize::try_from(length).map_err(|_| DerError)?, body)
            }
            _ => return Err(DerError),
        };
        let (value, rest) = body.split_at_checked(length).ok_or(DerError)?;
        let whole = &self.rest[..self.rest.len() - rest.len()];
        self.rest = rest;
        Ok(Tlv { tag, value, whole })
    }

    /// The content of the next element, which must bear this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Result<&'a [u8], DerError> {
        let tlv = self.next()?;
        if tlv.tag == tag { Ok(tlv.value) } else { Err(DerError) }
    }

    /// The content of the next element if it bears this tag.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, DerError> {
        if self.rest.first() == Some(&tag) { self.expect(tag).map(Some) } else { Ok(None) }
    }

    /// Nothing may be left.
    pub(crate) fn finish(&self) -> Result<(), DerError> {
        if self.is_empty() { Ok(()) } else { Err(DerError) }
    }
}

/// The content of an `INTEGER` that is not negative and fits.
pub(crate) fn small_integer(content: &[u8]) -> Result<u32, DerError> {
    match content {
        [] => Err(DerError),
        [first, ..] if first & 0x80 != 0 => Err(DerError),
        _ => {
            let digits = without_zeros(content);
            if digits.len() > 4 {
                return Err(DerError);
            }
            Ok(digits.iter().fold(0, |sum, &digit| sum << 8 | u32::from(digit)))
        }
    }
}

/// The content of a `BIT STRING` of whole bytes.
pub(crate) fn whole_bits(content: &[u8]) -> Result<&[u8], DerError> {
    match content.split_first() {
        Some((0, bits)) => Ok(bits),
        _ => Err(DerError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_it_writes() {
        for length in [0usize, 1, 127, 128, 255, 256, 70_000] {
            let content = vec![7u8; length];
            let written = tlv(tag::OCTET_STRING, &[&content]);
            let mut reader = Reader::new(&written);
            assert_eq!(reader.expect(tag::OCTET_STRING).unwrap(), content);
            reader.finish().unwrap();
        }
    }

    #[test]
    fn refuses_what_is_not_der() {
        let bad: [&[u8]; 7] = [
            &[0x30],
            &[0x30, 0x80, 0, 0],
            &[0x30, 0x81, 0x05, 0, 0, 0, 0, 0],
            &[0x30, 0x82, 0x00, 0x81],
            &[0x30, 2, 0],
            &[0x1f, 0x81, 1, 0],
            &[0x30, 0x85, 1, 0, 0, 0, 0],
        ];
        for bytes in bad {
            assert!(Reader::new(bytes).next().is_err(), "{bytes:02x?}");
        }
        assert_eq!(small_integer(&[0, 0xff]).unwrap(), 255);
        assert!(small_integer(&[0xff]).is_err());
        assert!(small_integer(&[1, 0, 0, 0, 0]).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader::new(&bytes);
            while let Ok(tlv) = reader.next() {
                prop_assert!(tlv.whole.len() >= tlv.value.len() + 2);
            }
        }
    }
}
