//! The bytes of a request: bounded in size and time, and all of them together in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use super::fault::SoapFault;

/// What is counted together, in bytes. The first one of each envelope is free, so that ordinary
/// requests are taken however many large ones there are.
const UNIT: usize = 64 * 1024;

/// How long the whole of an envelope may take: a byte a minute would hold its place for weeks.
const PATIENCE: Duration = Duration::from_secs(300);

/// A user may have so many times the room that stays free beside his: three quarters when he is alone.
/// One of the largest envelopes each may have, while it fits.
const SHARE: usize = 3;

/// Room for the large envelopes that are being read or answered.
#[derive(Clone, Debug)]
pub(super) struct Room {
    taken: Arc<Mutex<Taken>>,
    /// Largest envelope, in bytes.
    envelope: u64,
    /// For the whole of an envelope.
    patience: Duration,
}

/// Units, in all and by user.
#[derive(Debug)]
struct Taken {
    free: usize,
    users: HashMap<String, usize>,
}

/// Units of one user, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Part {
    taken: Arc<Mutex<Taken>>,
    user: String,
    units: usize,
}

impl Drop for Part {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.free += self.units;
        if let Some(own) = taken.users.get_mut(&self.user) {
            *own -= self.units;
            if *own == 0 {
                taken.users.remove(&self.user);
            }
        }
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    // Nothing between lock and unlock can panic.
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An envelope. Its room is given back when it is dropped.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) bytes: Vec<u8>,
    part: Part,
}

impl Envelope {
    /// The bytes, and what keeps their room.
    pub(super) fn take(self) -> (Vec<u8>, Part) {
        (self.bytes, self.part)
    }
}

impl Room {
    /// For envelopes of up to `envelope` bytes, `together` bytes of them at the same time.
    pub(super) fn new(envelope: u64, together: usize) -> Self {
        // At least one of the largest always fits.
        let together = together.max(usize::try_from(envelope).unwrap_or(usize::MAX / 2));
        let taken = Taken { free: together / UNIT + 1, users: HashMap::new() };
        Self { taken: Arc::new(Mutex::new(taken)), envelope, patience: PATIENCE }
    }

    /// Reads the whole body of a user's request, of which no more than the limit is ever held.
    pub(super) async fn read(
        &self,
        user: &str,
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
        let part = Part { taken: Arc::clone(&self.taken), user: user.to_owned(), units: 0 };
        let mut envelope = Envelope { bytes: Vec::new(), part };
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
            self.hold(&mut envelope.part, size)?;
            // Copied: each piece may hold on to the much larger buffer it was read into.
            envelope.bytes.extend_from_slice(&data);
        }
    }

    fn hold(&self, part: &mut Part, size: usize) -> Result<(), SoapFault> {
        let Some(more) = (size / UNIT).checked_sub(part.units).filter(|more| *more > 0) else {
            return Ok(());
        };
        let mut taken = lock(&self.taken);
        let own = taken.users.get(&part.user).map_or(0, |units| *units) + more;
        let one = own * UNIT <= usize::try_from(self.envelope).unwrap_or(usize::MAX);
        let free = taken.free.checked_sub(more);
        let Some(free) = free.filter(|free| one || own <= SHARE * free) else {
            let whose = if free.is_some() { "of yours " } else { "" };
            return Err(SoapFault::server(format!(
                "too many large messages {whose}at the same time: try again in ten seconds"
            )));
        };
        taken.free = free;
        taken.users.insert(part.user.clone(), own);
        part.units += more;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    async fn read(room: &Room, size: usize) -> Result<Envelope, SoapFault> {
        read_of("somebody", room, size).await
    }

    async fn read_of(user: &str, room: &Room, size: usize) -> Result<Envelope, SoapFault> {
        room.read(user, &HeaderMap::new(), Body::from(Bytes::from(vec![b'x'; size]))).await
    }

    #[tokio::test]
    async fn one_user_leaves_room_for_others() {
        let room = Room::new(2 * UNIT as u64, 16 * UNIT);
        let mut greedy = Vec::new();
        let fault = loop {
            match read(&room, 2 * UNIT).await {
                Ok(envelope) => greedy.push(envelope),
                Err(fault) => break fault,
            }
        };
        assert!(fault.text.contains("of yours") && fault.text.contains("try again"), "{fault}");
        assert_eq!(greedy.len(), 6);
        let polite = read_of("another", &room, 2 * UNIT).await.unwrap();
        read_of("a third", &room, 2 * UNIT).await.unwrap();
        // Who has nothing gets one while it fits.
        let last = read_of("a third", &room, 2 * UNIT).await.unwrap();
        assert!(read(&room, UNIT).await.is_err());
        drop((greedy, polite, last));
        let left = lock(&room.taken);
        assert_eq!((left.free, left.users.len()), (17, 0));
    }

    #[tokio::test]
    async fn large_ones_share_the_room_and_small_ones_need_none() {
        let room = Room::new(10 * UNIT as u64, 12 * UNIT);
        let first = read(&room, 10 * UNIT).await.unwrap();
        let second = read_of("another", &room, 3 * UNIT).await.unwrap();
        let fault = read_of("another", &room, 2 * UNIT).await.unwrap_err();
        assert!(fault.text.contains("try again"), "{fault}");
        assert_eq!(read(&room, UNIT - 1).await.unwrap().bytes.len(), UNIT - 1);
        let (bytes, permit) = first.take();
        assert_eq!(bytes.len(), 10 * UNIT);
        assert!(read_of("another", &room, 2 * UNIT).await.is_err());
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
        let fault = room.read("", &HeaderMap::new(), Body::from_stream(drops)).await.unwrap_err();
        assert!(fault.text.contains("within 200ms"), "{fault}");
    }
}
