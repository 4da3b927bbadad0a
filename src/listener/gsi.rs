//! What GSI adds to TLS: one byte after the handshake, `0` or `D`, and after `D` a delegation. The
//! server says nothing before that byte: clients that speak plain https send none.

use std::io;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::judge::{DelegatedCredential, Judge};
use super::prefixed::Prefixed;

/// The largest delegated certificate taken, in bytes.
const CERTIFICATE_MAX: usize = 64 * 1024;

/// The longest text of one TLS record, in bytes.
const RECORD_MAX: usize = 16 * 1024;

/// A connection whose GSI part is over: HTTP follows.
pub(super) struct Opened<S> {
    pub(super) io: Prefixed<S>,
    /// It sent a GSI byte.
    pub(super) gsi: bool,
    /// What became of the delegation, where it asked for one; an error is for the person.
    pub(super) delegation: Option<Result<DelegatedCredential, String>>,
}

/// Why a connection ends before its first request.
#[derive(Debug, thiserror::Error)]
pub(super) enum GsiError {
    #[error("the client went away")]
    Closed,
    #[error("the client was silent for {0:?}")]
    Silent(Duration),
    #[error("the connection broke: {0}")]
    Io(io::Error),
    #[error("delegation failed: {0}")]
    Delegation(String),
}

/// Reads the GSI byte, if the client sends one, and does the delegation it asks for. `chain` is the
/// client's. Every step of the client may take `patience`.
pub(super) async fn open<S: AsyncRead + AsyncWrite + Unpin>(
    mut io: S,
    chain: &[CertificateDer<'static>],
    judge: &dyn Judge,
    patience: Duration,
) -> Result<Opened<S>, GsiError> {
    let mut read = BytesMut::new();
    within(patience, more(&mut io, &mut read)).await?;
    let (gsi, delegation) = match read.first() {
        Some(b'0') => {
            let _ = read.split_to(1);
            (true, None)
        }
        // There is no DELETE on this port: it is always the GSI byte.
        Some(b'D') => {
            let _ = read.split_to(1);
            (true, Some(delegate(&mut io, &mut read, chain, judge, patience).await?))
        }
        _ => (false, None),
    };
    Ok(Opened { io: Prefixed::new(Bytes::from(read), io), gsi, delegation })
}

/// Request out, certificate in. The outer error ends the connection: nobody knows where in the
/// stream we stand.
async fn delegate<S: AsyncRead + AsyncWrite + Unpin>(
    io: &mut S,
    read: &mut BytesMut,
    chain: &[CertificateDer<'static>],
    judge: &dyn Judge,
    patience: Duration,
) -> Result<Result<DelegatedCredential, String>, GsiError> {
    if chain.is_empty() {
        return Err(GsiError::Delegation("the client showed no certificate".to_owned()));
    }
    let pending = timeout(patience, judge.delegation(chain, SystemTime::now()))
        .await
        .unwrap_or_else(|_| Err(format!("no key was ready after {patience:?}")))
        .map_err(GsiError::Delegation)?;
    let request = pending.request();
    if request.len() > RECORD_MAX {
        return Err(GsiError::Delegation("the certificate request is too large".to_owned()));
    }
    let certificate = within(patience, async {
        // One write, one record: the client reads a single one.
        io.write_all(request).await.map_err(GsiError::Io)?;
        io.flush().await.map_err(GsiError::Io)?;
        loop {
            if let Some(length) = der_length(read).map_err(GsiError::Delegation)?
                && read.len() >= length
            {
                return Ok(read.split_to(length).to_vec());
            }
            more(io, read).await?;
        }
    })
    .await?;
    Ok(pending.accept(CertificateDer::from(certificate), chain, SystemTime::now()))
}

/// The whole length of the DER SEQUENCE that `bytes` begin with; `None`: too few bytes to tell.
fn der_length(bytes: &[u8]) -> Result<Option<usize>, String> {
    let (tag, first) = match bytes {
        [] => return Ok(None),
        [tag] => (*tag, None),
        [tag, first, ..] => (*tag, Some(*first)),
    };
    if tag != 0x30 {
        return Err("what the client sent is no certificate".to_owned());
    }
    let length = match first {
        None => return Ok(None),
        Some(short @ 0..=0x7f) => 2 + usize::from(short),
        Some(long @ 0x81..=0x83) => {
            let digits = usize::from(long & 0x0f);
            let Some(digits) = bytes.get(2..2 + digits) else {
                return Ok(None);
            };
            2 + digits.len() + digits.iter().fold(0, |n, digit| n << 8 | usize::from(*digit))
        }
        Some(_) => usize::MAX,
    };
    if length > CERTIFICATE_MAX {
        return Err(format!("the client's certificate has more than {CERTIFICATE_MAX} bytes"));
    }
    Ok(Some(length))
}

async fn more<S: AsyncRead + Unpin>(io: &mut S, read: &mut BytesMut) -> Result<(), GsiError> {
    read.reserve(4096);
    match io.read_buf(read).await {
        Ok(0) => Err(GsiError::Closed),
        Ok(_) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Err(GsiError::Closed),
        Err(e) => Err(GsiError::Io(e)),
    }
}

async fn within<T>(
    patience: Duration,
    step: impl Future<Output = Result<T, GsiError>>,
) -> Result<T, GsiError> {
    timeout(patience, step).await.unwrap_or(Err(GsiError::Silent(patience)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn der_says_its_length() {
        assert_eq!(der_length(&[]), Ok(None));
        assert_eq!(der_length(&[0x30]), Ok(None));
        assert_eq!(der_length(&[0x30, 5]), Ok(Some(7)));
        assert_eq!(der_length(&[0x30, 0x82, 1]), Ok(None));
        assert_eq!(der_length(&[0x30, 0x82, 1, 2, 9]), Ok(Some(4 + 258)));
        for bad in [&[0x47_u8][..], &[0x30, 0x80], &[0x30, 0x84], &[0x30, 0x83, 1, 0, 0]] {
            assert!(der_length(bad).is_err(), "{bad:x?}");
        }
    }
}
