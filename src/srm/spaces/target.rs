//! Where new files of a request go: into one space, of one class, for so long.

use super::super::Site;
use super::super::access::Needs;
use crate::model::{Identity, RetentionPolicyInfo, ReturnStatus};

impl Site {
    /// Without a space token, the areas of all files must be of the class that is asked for.
    pub(in super::super) fn check_offered<'s>(
        &self,
        who: &Identity,
        surls: impl Iterator<Item = &'s str>,
        class: RetentionPolicyInfo,
    ) -> Result<(), ReturnStatus> {
        for surl in surls {
            if let Ok(located) = self.locate_surl(who, surl, Needs::CREATE.access)
                && !located.area.offers(class)
            {
                let area = &located.area;
                return Err(ReturnStatus::not_supported(format!(
                    "targetFileRetentionPolicyInfo: {surl} lies in storage area {}, which is {} {}",
                    area.name, area.retention, area.latency
                )));
            }
        }
        Ok(())
    }

    /// Seconds a file lives that is not permanent, -1 without end: as asked, else what its area or
    /// storm.toml says.
    pub(in super::super) fn file_lifetime(
        &self,
        who: &Identity,
        surl: Option<&str>,
        asked: Option<i32>,
    ) -> Result<i64, ReturnStatus> {
        match asked {
            Some(seconds) if seconds > 0 || seconds == -1 => return Ok(i64::from(seconds)),
            Some(seconds) if seconds < 0 => {
                return Err(ReturnStatus::invalid_request(format!(
                    "a file's lifetime of {seconds} s makes no sense: -1 is for no end"
                )));
            }
            _ => {}
        }
        let located = surl.and_then(|surl| self.locate_surl(who, surl, Needs::CREATE.access).ok());
        let seconds = located.and_then(|located| located.area.file_lifetime);
        let seconds = seconds.unwrap_or_else(|| self.config.lifetimes.volatile_default.as_secs());
        Ok(i64::try_from(seconds).unwrap_or(i64::MAX))
    }

    /// A space token is good for its own storage area only.
    pub(in super::super) fn check_in_area<'s>(
        &self,
        who: &Identity,
        surls: impl Iterator<Item = &'s str>,
        area: &str,
    ) -> Result<(), ReturnStatus> {
        for surl in surls {
            if let Ok(located) = self.locate_surl(who, surl, Needs::CREATE.access)
                && *located.area.name != *area
            {
                return Err(ReturnStatus::invalid_request(format!(
                    "targetSpaceToken is a space of storage area {area}, {surl} lies in {}",
                    located.area.name
                )));
            }
        }
        Ok(())
    }
}
