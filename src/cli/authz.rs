//! `stormd authz explain`: what a request would come to, and which rule of which file decides.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap::Subcommand;

use super::{USAGE, say};
use crate::daemon;
use crate::model::{Fqan, Identity, Person, ProxyKind};
use crate::srm::Asked;

/// About authorisation.
#[derive(Debug, Subcommand)]
pub(super) enum Authz {
    /// Tell whether somebody may do something, step by step, with the file and line that decides;
    /// ends with 0 when it is permitted, 1 when it is denied. Nothing is changed.
    Explain {
        /// The person's DN, as /C=IT/O=…/CN=…; without it an anonymous client is meant.
        #[arg(long)]
        dn: Option<String>,

        /// An FQAN, as /vo/Role=role; several times, in their order.
        #[arg(long, value_name = "FQAN", requires = "dn")]
        fqan: Vec<String>,

        /// What is to be done: list, read, write, remove, remove-tree, mkdir, move-from, move-to, an
        /// SRM operation or an HTTP method.
        #[arg(long)]
        op: String,

        /// SURL, or path from /.
        surl: String,
    },
}

pub(super) fn run(config: &Path, command: Authz) -> ExitCode {
    let Authz::Explain { dn, fqan, op, surl } = command;
    let asked = match Asked::parse(&op) {
        Ok(asked) => asked,
        Err(why) => return wrong(&why),
    };
    let who = match identity(dn, &fqan) {
        Ok(who) => who,
        Err(why) => return wrong(&why),
    };
    let explanation = match daemon::explain(config, &who, asked, &surl) {
        Ok(explanation) => explanation,
        Err(problems) => return wrong(&daemon::problems_text(&problems)),
    };
    let mut text = format!("{op} {surl}\nby {}", who.dn());
    for fqan in &fqan {
        text += &format!(" {fqan}");
    }
    text.push('\n');
    for (step, number) in explanation.told.steps().iter().zip(1..) {
        text += &format!("{number:3}. {}: {}\n", step.check, step.found);
    }
    let code = match explanation.verdict {
        Ok(()) => {
            text += "permitted\n";
            ExitCode::SUCCESS
        }
        Err(error) => {
            text += &format!("denied: {}: {error}\n", error.code());
            ExitCode::FAILURE
        }
    };
    // The exit code says it too, if nobody reads.
    let _ = std::io::stdout().write_all(text.as_bytes());
    code
}

fn wrong(why: &str) -> ExitCode {
    say(format!("stormd: {why}"));
    ExitCode::from(USAGE)
}

fn identity(dn: Option<String>, fqans: &[String]) -> Result<Identity, String> {
    let Some(dn) = dn else { return Ok(Identity::Anonymous) };
    if !dn.starts_with('/') {
        return Err(format!("--dn {dn:?}: expected the form /C=IT/O=…/CN=…"));
    }
    let fqans = fqans.iter().map(|text| Fqan::parse(text).map_err(|error| error.to_string()));
    Ok(Identity::Person(Arc::new(Person {
        dn,
        fqans: fqans.collect::<Result<_, _>>()?,
        not_after: SystemTime::now() + Duration::from_secs(3600),
        proxy: ProxyKind::EndEntity,
        notes: Vec::new(),
        scope: None,
    })))
}
