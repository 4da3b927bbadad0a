//! `stormd admin`: what an administrator asks of the daemon that runs.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use http::Method;

use super::ask;
use crate::client::{AdminClient, AdminError};
use crate::srm::AreaUsage;
use crate::web::utc_of_ms;

/// Between two looks at a count that is under way.
const LOOK: Duration = Duration::from_millis(500);

/// To the daemon that runs.
#[derive(Debug, Subcommand)]
pub(super) enum Admin {
    /// What storage areas hold.
    #[command(subcommand)]
    Space(Space),
}

/// What storage areas hold.
#[derive(Debug, Subcommand)]
pub(super) enum Space {
    /// Show what is known of every storage area.
    Show,
    /// Count what a storage area holds, or all of them, and mend what is known; ends when it is done.
    /// What is counted may be in use meanwhile.
    Check {
        /// The area's name in namespace.xml.
        area: Option<String>,
    },
}

pub(super) fn run(config: &Path, command: Admin) -> ExitCode {
    let Admin::Space(command) = command;
    ask::run(config, |client| space(client, command))
}

async fn space(client: AdminClient, command: Space) -> Result<String, AdminError> {
    let before = known(&client).await?;
    let Space::Check { area } = command else { return Ok(table(&before, false)) };
    let mut path = "/space/check".to_owned();
    if let Some(area) = &area {
        path += "?area=";
        path += &percent_encoding::utf8_percent_encode(area, percent_encoding::NON_ALPHANUMERIC)
            .to_string();
    }
    client.ask(Method::POST, &path).await?;
    loop {
        tokio::time::sleep(LOOK).await;
        let mut now = known(&client).await?;
        now.retain(|one| area.as_ref().is_none_or(|area| *area == one.area));
        let is_new = |one: &AreaUsage| {
            let old = before.iter().find(|old| old.area == one.area);
            !one.scanning && old.is_none_or(|old| old.scanned_ms != one.scanned_ms)
        };
        if now.iter().all(is_new) {
            return Ok(table(&now, true));
        }
    }
}

async fn known(client: &AdminClient) -> Result<Vec<AreaUsage>, AdminError> {
    let text = client.ask(Method::GET, "/space").await?;
    serde_json::from_str(&text)
        .map_err(|error| AdminError::Refused(format!("the answer does not read: {error}")))
}

fn table(areas: &[AreaUsage], checked: bool) -> String {
    let mut text = String::new();
    for AreaUsage { area, used, drift, scanned_ms, scanning } in areas {
        let scanned = scanned_ms.map(utc_of_ms);
        text += &format!("{area}: {used} bytes used");
        text += &match (checked, &scanned, scanning) {
            (true, _, _) if *drift == 0 => ", as was known".to_owned(),
            (true, _, _) => format!(", {drift:+} beside what was known: mended"),
            (_, None, _) => " so far: being counted for the first time".to_owned(),
            (_, Some(at), true) => format!(", counted {at}, being counted again"),
            (_, Some(at), false) => format!(", counted {at}"),
        };
        text.push('\n');
    }
    text
}
