//! Checksums while bytes pass: several in one pass.

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512};
use md5::{Digest as _, Md5};
use simd_adler32::Adler32;

use crate::model::{Algorithm, Digests};

/// Checksums of the bytes it is shown. That costs time: show them on the blocking pool.
pub struct Hasher(Vec<(Algorithm, Running)>);

enum Running {
    Adler32(Adler32),
    Crc32c(u32),
    Md5(Box<Md5>),
    Sha(Box<Context>),
}

impl Hasher {
    /// For these, each once.
    pub fn new(algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        let mut algorithms: Vec<Algorithm> = algorithms.into_iter().collect();
        algorithms.sort();
        algorithms.dedup();
        let sha = |kind| Running::Sha(Box::new(Context::new(kind)));
        let begin = |algorithm| match algorithm {
            Algorithm::Adler32 => Running::Adler32(Adler32::new()),
            Algorithm::Crc32c => Running::Crc32c(0),
            Algorithm::Md5 => Running::Md5(Box::default()),
            Algorithm::Sha1 => sha(&SHA1_FOR_LEGACY_USE_ONLY),
            Algorithm::Sha256 => sha(&SHA256),
            Algorithm::Sha512 => sha(&SHA512),
        };
        Self(algorithms.into_iter().map(|one| (one, begin(one))).collect())
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        for (_, running) in &mut self.0 {
            match running {
                Running::Adler32(sum) => sum.write(bytes),
                Running::Crc32c(sum) => *sum = crc32c::crc32c_append(*sum, bytes),
                Running::Md5(sum) => sum.update(bytes),
                Running::Sha(sum) => sum.update(bytes),
            }
        }
    }

    /// The checksums.
    pub fn finish(self) -> Digests {
        let end = |running| match running {
            Running::Adler32(sum) => format!("{:08x}", sum.finish()),
            Running::Crc32c(sum) => format!("{sum:08x}"),
            Running::Md5(sum) => hex(&sum.finalize()),
            Running::Sha(sum) => hex(sum.finish().as_ref()),
        };
        self.0.into_iter().map(|(algorithm, running)| (algorithm, end(running))).collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of each, of the nine digits (RFC 3720 B.4 and the catalogues).
    #[test]
    fn known_values() {
        let mut hasher = Hasher::new(Algorithm::ALL.into_iter().chain([Algorithm::Md5]));
        hasher.update(b"1234");
        hasher.update(b"");
        hasher.update(b"56789");
        let digests = hasher.finish();
        for (algorithm, value) in [
            (Algorithm::Adler32, "091e01de"),
            (Algorithm::Crc32c, "e3069283"),
            (Algorithm::Md5, "25f9e794323b453885f5181f1b624d0b"),
            (Algorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
        ] {
            assert_eq!(digests[&algorithm], value, "{}", algorithm.name());
        }
        assert!(
            digests[&Algorithm::Sha256].starts_with("15e2b0d3c33891ebb0f1ef609ec419420c20e320")
        );
        for (algorithm, text) in &digests {
            assert_eq!(algorithm.hex(text).as_ref(), Some(text));
        }
        assert_eq!(digests.len(), Algorithm::ALL.len());
    }
}
