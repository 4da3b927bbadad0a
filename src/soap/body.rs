//! The bytes of a request: bounded in size and time, and all of them together in memory.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::fault::SoapFault;

/// What is counted together, in bytes. The first one of each envelope is free, so that ordinary
/// requests are taken however many large ones there are.
const UNIT: usize = 64 * 1024;

/// How long the whole of an envelope may take: a byte a minute would hold its place for weeks.
const PATIENCE: Duration = Duration::from_secs(300);

/// Room for the large envelopes that are being read or answered.
#[derive(Clone, Debug)]
pub(super) struct Room {
    units: Arc<Semaphore>,
    /// Largest envelope, in bytes.
    envelope: u64,
    /// For the whole of an envelope.
    patience: Duration,
}

/// An envelope. Its room is given back when it is dropped.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) bytes: Vec<u8>,
    room: Option<OwnedSemaphorePermit>,
}

impl Envelope {
    /// The bytes, and what keeps their room.
    pub(super) fn take(self) -> (Vec<u8>, Option<OwnedSemaphorePermit>) {
        (self.bytes, self.room)
    }
}

impl Room {
    /// For envelopes of up to `envelope` bytes, `together` bytes of them at the same time.
    pub(super) fn new(envelope: u64, together: usize) -> Self {
        // At least one of the largest always fits.
        let together = together.max(usize::try_from(envelope).unwrap_or(usize::MAX / 2));
        let units = (together / UNIT + 1).min(Semaphore::MAX_PERMITS);
        Self { units: Arc::new(Semaphore::new(units)), envelope, patience: PATIENCE }
    }

    /// Reads the whole body, of which no more than the limit is ever held.
    pub(super) async fn read(
        &self,
        headers: &HeaderMap,
        mut body: Body,
    ) -> Result<Envelope, SoapFault> {
        let limit = self.envelope;
        let too_large = || {
            SoapFault::client(format!(
                "the message is larger than {limit} bytes: ask for fewer files at a time"
            ))
        };
        let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        if announced.and_then(|value| value.parse().ok()).is_some_and(|length: u64| length > limit)
        {
            return Err(too_large());
        }
        let end = Instant::now() + self.patience;
        let mut envelope = Envelope { bytes: Vec::new(), room: None };
        loop {
            let frame = match timeout_at(end, body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(None) => return Ok(envelope),
                Ok(Some(Err(error))) => {
                    return Err(SoapFault::client(format!(
                        "the message could not be read to its end: {error}"
                    )));
                }
                Err(_) => {
                    return Err(SoapFault::client(format!(
                        "the message did not come within {:?}: send it again",
                        self.patience
                    )));
                }
            };
            let Ok(data) = frame.into_data() else { continue };
            let size = envelope.bytes.len() + data.len();
            if size as u64 > limit {
                return Err(too_large());
            }
            self.hold(&mut envelope, size)?;
            // Copied: each piece may hold on to the much larger buffer it was read into.
            envelope.bytes.extend_from_slice(&data);
        }
    }

    fn hold(&self, envelope: &mut Envelope, size: usize) -> Result<(), SoapFault> {
        let held = envelope.room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let Some(more) = (size / UNIT).checked_sub(held).filter(|more| *more > 0) else {
            return Ok(());
        };
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.units).try_acquire_many_owned(more).map_err(|_| {
            SoapFault::server("too many large messages at the same time: try again in ten seconds")
        })?;
        match &mut envelope.room {
            Some(room) => room.merge(permit),
            None => envelope.room = Some(permit),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    async fn read(room: &Room, size: usize) -> Result<Envelope, SoapFault> {
        room.read(&HeaderMap::new(), Body::from(Bytes::from(vec![b'x'; size]))).await
    }

    #[tokio::test]
    async fn large_ones_share_the_room_and_small_ones_need_none() {
        let room = Room::new(10 * UNIT as u64, 12 * UNIT);
        let first = read(&room, 10 * UNIT).await.unwrap();
        let second = read(&room, 3 * UNIT).await.unwrap();
        let fault = read(&room, 2 * UNIT).await.unwrap_err();
        assert!(fault.text.contains("try again"), "{fault}");
        assert_eq!(read(&room, UNIT - 1).await.unwrap().bytes.len(), UNIT - 1);
        let (bytes, permit) = first.take();
        assert_eq!(bytes.len(), 10 * UNIT);
        assert!(read(&room, 2 * UNIT).await.is_err());
        drop(permit);
        read(&room, 10 * UNIT).await.unwrap();
        drop(second);
        assert!(read(&room, 10 * UNIT + 1).await.unwrap_err().text.contains("larger"));
    }

    #[tokio::test]
    async fn a_byte_a_minute_is_too_slow() {
        let drops = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b"x")), ()))
        });
        let room = Room { patience: Duration::from_millis(200), ..Room::new(1 << 20, 1 << 20) };
        let fault = room.read(&HeaderMap::new(), Body::from_stream(drops)).await.unwrap_err();
        assert!(fault.text.contains("within 200ms"), "{fault}");
    }
}
