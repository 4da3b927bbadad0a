//! Clients that reserve all there is of one small area, and give it back: never is more promised than
//! there is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use fastrand::Rng;

use crate::common::soap::text;
use crate::link::{Cut, Link};
use crate::spaces::{element, reserving, strings, tokens};

/// Bytes of the area.
pub const POOL: u64 = 1_000_000;

/// What is certainly promised: by space token.
pub type Ledger = Arc<Mutex<BTreeMap<String, u64>>>;

/// The client.
pub struct Reserving {
    pub link: Link,
    pub rng: Rng,
    pub name: String,
    pub ledger: Ledger,
    /// Its spaces.
    pub tokens: Vec<String>,
    /// A reservation that was not answered yet.
    pub asked: Option<String>,
    pub next: u32,
}

impl Reserving {
    /// Works until there are no more kills, then gives all back.
    pub async fn run(mut self) {
        loop {
            let closing = self.link.phase.borrow().closing;
            let done = async {
                self.resolve().await?;
                if closing { self.close().await } else { self.turn().await }
            };
            match done.await {
                Ok(()) if closing => return,
                Ok(()) => {}
                Err(Cut) => self.link.resume().await,
            }
        }
    }

    async fn turn(&mut self) -> Result<(), Cut> {
        tokio::time::sleep(std::time::Duration::from_millis(self.rng.u64(0..100))).await;
        match self.rng.u32(0..10) {
            0..5 => self.reserve().await,
            5..7 => self.update().await,
            _ => self.release().await,
        }
    }

    /// So much of a space is certain from now on.
    fn promised(&self, token: &str, bytes: u64) {
        let mut ledger = self.ledger.lock().unwrap();
        ledger.insert(token.to_owned(), bytes);
        let sum: u64 = ledger.values().sum();
        if sum > POOL {
            let text = format!("{sum} bytes of {POOL} are promised: {ledger:?}");
            self.link.tally.violation(text);
        }
    }

    async fn reserve(&mut self) -> Result<(), Cut> {
        let label = format!("{} {}", self.name, self.next);
        self.next += 1;
        let guaranteed = self.rng.u64(1..POOL + POOL / 10);
        let total = guaranteed + self.rng.u64(0..POOL);
        self.asked = Some(label.clone());
        let inner = reserving("OUTPUT", guaranteed, total, &label);
        let (answer, _) = self.link.srm("srmReserveSpace", &inner).await?;
        self.asked = None;
        let number = |name| text(&answer.xml, name).and_then(|size| size.parse::<u64>().ok());
        let wanted = match answer.code.as_str() {
            "SRM_SUCCESS" if total <= POOL => Some(total),
            "SRM_LOWER_SPACE_GRANTED" if total > POOL && guaranteed <= POOL => Some(POOL),
            _ => None,
        };
        match (wanted, text(&answer.xml, "spaceToken")) {
            (Some(total), Some(token))
                if number("sizeOfTotalReservedSpace") == Some(total)
                    && number("sizeOfGuaranteedReservedSpace") == Some(guaranteed) =>
            {
                self.promised(&token, guaranteed);
                self.tokens.push(token);
            }
            (None, None) if answer.code == "SRM_NO_FREE_SPACE" && guaranteed <= POOL => {}
            (None, None) if answer.code == "SRM_EXCEED_ALLOCATION" && guaranteed > POOL => {}
            _ => self.link.tally.violation(format!("{inner}: {}", answer.xml)),
        }
        Ok(())
    }

    async fn update(&mut self) -> Result<(), Cut> {
        if self.tokens.is_empty() {
            return Ok(());
        }
        let token = self.tokens[self.rng.usize(0..self.tokens.len())].clone();
        let guaranteed = self.rng.u64(1..POOL);
        // Until the answer comes, the lesser of the two is certain.
        let before = self.ledger.lock().unwrap().get(&token).copied().unwrap_or_default();
        self.promised(&token, before.min(guaranteed));
        let inner = element("spaceToken", &token)
            + &element("newSizeOfTotalSpaceDesired", POOL)
            + &element("newSizeOfGuaranteedSpaceDesired", guaranteed);
        let (answer, _) = self.link.srm("srmUpdateSpace", &inner).await?;
        let granted = text(&answer.xml, "sizeOfGuaranteedSpace").and_then(|size| size.parse().ok());
        match (answer.code.as_str(), granted) {
            ("SRM_SUCCESS", Some(bytes)) if bytes == guaranteed => self.promised(&token, bytes),
            ("SRM_LOWER_SPACE_GRANTED", Some(bytes)) if bytes < guaranteed => {
                self.promised(&token, bytes);
            }
            ("SRM_NO_FREE_SPACE", _) => self.promised(&token, before),
            _ => self.link.tally.violation(format!("{inner}: {}", answer.xml)),
        }
        Ok(())
    }

    async fn release(&mut self) -> Result<(), Cut> {
        let Some(token) = self.tokens.last().cloned() else { return Ok(()) };
        // From now on nothing of it is certain; cut off, it is asked again.
        self.ledger.lock().unwrap().remove(&token);
        let inner = element("spaceToken", &token);
        let (answer, _) = self.link.srm("srmReleaseSpace", &inner).await?;
        if answer.code != "SRM_SUCCESS" && answer.code != "SRM_INVALID_REQUEST" {
            self.link.tally.violation(format!("{inner}: {}", answer.xml));
        }
        self.tokens.pop();
        Ok(())
    }

    /// After a restart: what was granted is there, and what it is now.
    async fn resolve(&mut self) -> Result<(), Cut> {
        if let Some(label) = self.asked.clone() {
            let inner = element("userSpaceTokenDescription", label);
            let (answer, _) = self.link.srm("srmGetSpaceTokens", &inner).await?;
            self.tokens.extend(strings(&answer.xml));
            self.asked = None;
        }
        let mut known = Vec::new();
        for token in self.tokens.clone() {
            let certain = self.ledger.lock().unwrap().get(&token).copied();
            let (answer, _) = self.link.srm("srmGetSpaceMetaData", &tokens(&token)).await?;
            let told = text(&answer.xml, "guaranteedSize").and_then(|size| size.parse().ok());
            match (told, certain) {
                (Some(bytes), certain) if certain.is_none_or(|certain| certain <= bytes) => {
                    self.promised(&token, bytes);
                    known.push(token);
                }
                // A release that was cut off.
                (None, None) => {}
                _ => {
                    let text = format!("{token} was {certain:?} and is {}", answer.xml);
                    self.link.tally.lost(text);
                }
            }
        }
        self.tokens = known;
        Ok(())
    }

    async fn close(&mut self) -> Result<(), Cut> {
        while !self.tokens.is_empty() {
            self.release().await?;
        }
        Ok(())
    }
}
