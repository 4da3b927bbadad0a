//! What holds and copies the paths that all clients share.

use std::time::Duration;

use crate::common::{soap, wire};
use crate::history::Left;
use crate::link::Cut;
use crate::rules::WAITS;
use crate::shared::{Asked, PATHS, Shared};
use crate::spaces::element;

/// Seconds a pin lives.
const PIN: u64 = 4;

impl Shared {
    /// srmPrepareToGet or srmBringOnline. Its bytes stay as long as it is pinned.
    pub async fn get(&mut self, path: &str) -> Result<(), Cut> {
        let surl = self.surl(path);
        let mut inner = soap::prepare_to_get(&[&surl]);
        let online = self.rng.u32(0..3) == 0;
        let (operation, status, pinned, lifetime) = if online {
            ("srmBringOnline", "srmStatusOfBringOnlineRequest", "SRM_SUCCESS", "desiredLifeTime")
        } else {
            ("srmPrepareToGet", "srmStatusOfGetRequest", "SRM_FILE_PINNED", "desiredPinLifeTime")
        };
        inner += &element(lifetime, PIN);
        let Some((answer, _)) = self.prepare(operation, status, &inner).await? else {
            return Ok(());
        };
        let token = soap::token(self.own.as_deref().unwrap_or_default());
        if self.one_of(&answer, &[pinned, "SRM_FILE_BUSY", "SRM_INVALID_PATH", "SRM_ABORTED"]) {
            let turl = answer.files.first().and_then(|file| file.turl.clone());
            let target = match turl {
                Some(turl) => wire::split_url(&turl).1,
                None => format!("/test.vo/{}/{path}", crate::shared::HOME),
            };
            let first = self.read_content(&target, path).await?;
            if self.rng.u32(0..4) == 0 {
                let longer = token.clone() + &soap::surls(&[&surl]) + &element("newPinLifeTime", 8);
                let (answer, _) = self.link.srm("srmExtendFileLifeTime", &longer).await?;
                self.one_of(&answer, &["SRM_SUCCESS", "SRM_ABORTED", "SRM_RELEASED"]);
            }
            if self.rng.bool() {
                tokio::time::sleep(Duration::from_millis(self.rng.u64(0..60))).await;
                let second = self.read_content(&target, path).await?;
                if first != second {
                    // Who wrote over it ends its pins right after.
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                let (answer, _) = self.link.srm(status, &token).await?;
                if answer.file_code() == pinned && first != second {
                    let text = format!("{path} was {first:?}, then {second:?}: {}", answer.xml);
                    self.link.tally.violation(text);
                }
            }
        }
        if self.rng.u32(0..10) > 0 {
            self.link.srm("srmReleaseFiles", &token).await?;
        }
        self.own = None;
        Ok(())
    }

    /// To another path; stopped, or suspended and resumed, now and then.
    pub async fn copy(&mut self, from: &str, asked: &mut Asked) -> Result<(), Cut> {
        let to = PATHS[self.rng.usize(0..PATHS.len())];
        if from == to {
            return Ok(());
        }
        self.written += 1;
        let label = format!("copy {} {}", self.number, self.written);
        let inner = format!(
            "<arrayOfFileRequests><requestArray><sourceSURL>{}</sourceSURL>\
             <targetSURL>{}</targetSURL></requestArray></arrayOfFileRequests>\
             <overwriteOption>ALWAYS</overwriteOption>",
            self.surl(from),
            self.surl(to)
        ) + &element("userRequestDescription", &label);
        (self.own, self.copying) = (None, Some(label));
        *asked = Some((to.to_owned(), self.history.begin(to, Left::Any)));
        let (answer, _) = self.link.srm("srmCopy", &inner).await?;
        self.own = answer.token;
        let token = soap::token(self.own.as_deref().unwrap_or_default());
        match self.rng.u32(0..6) {
            0 => drop(self.link.srm("srmAbortRequest", &token).await?),
            1 => {
                let (answer, _) = self.link.srm("srmSuspendRequest", &token).await?;
                if answer.code == "SRM_SUCCESS" {
                    tokio::time::sleep(Duration::from_millis(self.rng.u64(0..200))).await;
                    let (answer, _) = self.link.srm("srmResumeRequest", &token).await?;
                    self.one_of(&answer, &["SRM_SUCCESS", "SRM_INVALID_REQUEST"]);
                }
            }
            _ => {}
        }
        self.settle_copy(asked).await
    }

    /// Waits until its copy has ended, which goes on also after a restart.
    pub async fn settle_copy(&mut self, asked: &mut Asked) -> Result<(), Cut> {
        let Some((label, (path, id))) = self.copying.clone().zip(asked.clone()) else {
            return Ok(());
        };
        if self.own.is_none() {
            let inner = element("userRequestDescription", label);
            let (answer, _) = self.link.srm("srmGetRequestTokens", &inner).await?;
            self.own = answer.token.or_else(|| soap::text(&answer.xml, "requestToken"));
        }
        let mut code = "SRM_FAILURE".to_owned();
        if let Some(token) = self.own.clone() {
            let inner = soap::token(&token);
            loop {
                let (answer, _) = self.link.srm("srmStatusOfCopyRequest", &inner).await?;
                answer.file_code().clone_into(&mut code);
                match code.as_str() {
                    "SRM_REQUEST_SUSPENDED" => {
                        self.link.srm("srmResumeRequest", &inner).await?;
                    }
                    waits if WAITS.contains(&waits) => {}
                    _ => {
                        let codes =
                            ["SRM_SUCCESS", "SRM_FILE_BUSY", "SRM_INVALID_PATH", "SRM_ABORTED"];
                        self.one_of(&answer, &codes);
                        break;
                    }
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        self.history.end(&path, id, code == "SRM_SUCCESS");
        (*asked, self.own, self.copying) = (None, None, None);
        Ok(())
    }
}
