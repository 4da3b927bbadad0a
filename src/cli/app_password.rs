//! `stormd app-password`: app passwords, made and revoked by an administrator, of the daemon that runs.

use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;
use http::Method;

use super::ask;
use crate::client::{AdminClient, AdminError};
use crate::srm::{AppPassword, AppPasswordAsked, NewAppPassword};
use crate::web::control::NewFor;
use crate::web::utc_of_ms;

/// App passwords.
#[derive(Debug, Subcommand)]
pub(super) enum AppPasswords {
    /// Make one for somebody, and show it, once.
    Create {
        /// Whose it is: a DN, as /C=IT/O=…/CN=….
        #[arg(long)]
        dn: String,

        /// An FQAN it has, as /vo/Role=role; several times, in their order.
        #[arg(long, value_name = "FQAN")]
        fqan: Vec<String>,

        /// What to call it.
        #[arg(long)]
        name: String,

        /// What it is for lies at or below this, as /atlas/data; several times. Without it: all that
        /// the DN and the FQANs may use.
        #[arg(long, value_name = "PATH")]
        path: Vec<String>,

        /// It may write too; without it, read alone.
        #[arg(long)]
        write: bool,

        /// Days until its end.
        #[arg(long)]
        days: Option<u64>,
    },
    /// Show all of them, or those of one DN.
    List {
        /// Whose.
        #[arg(long)]
        dn: Option<String>,
    },
    /// End one: the next request with it is refused.
    Revoke {
        /// Its user name, as app-abcdefgh.
        user: String,
    },
}

pub(super) fn run(config: &Path, command: AppPasswords) -> ExitCode {
    ask::run(config, |client| answer(client, command))
}

async fn answer(client: AdminClient, command: AppPasswords) -> Result<String, AdminError> {
    let odd = |error: serde_json::Error| {
        AdminError::Refused(format!("the answer does not read: {error}"))
    };
    match command {
        AppPasswords::Create { dn, fqan, name, path, write, days } => {
            let lifetime_s = days.map(|days| days.saturating_mul(86_400));
            let asked = AppPasswordAsked { name, paths: path, write, lifetime_s };
            let body = serde_json::to_string(&NewFor { dn, fqans: fqan, asked }).map_err(odd)?;
            let answer = client.tell(Method::POST, "/app-passwords", body).await?;
            let new: NewAppPassword = serde_json::from_str(&answer).map_err(odd)?;
            let NewAppPassword { about, password } = new;
            Ok(format!(
                "user name: {}\npassword:  {password}\nends:      {} UTC\n\
                 The password is not shown again.\n",
                about.user,
                utc_of_ms(about.ends_ms)
            ))
        }
        AppPasswords::List { dn } => {
            let answer = client.ask(Method::GET, "/app-passwords").await?;
            let all: Vec<AppPassword> = serde_json::from_str(&answer).map_err(odd)?;
            let wanted = all.iter().filter(|one| dn.as_ref().is_none_or(|dn| *dn == one.dn));
            Ok(wanted.map(line).collect())
        }
        AppPasswords::Revoke { user } => {
            let encoded =
                percent_encoding::utf8_percent_encode(&user, percent_encoding::NON_ALPHANUMERIC);
            client.ask(Method::DELETE, &format!("/app-passwords/{encoded}")).await?;
            Ok(format!("{user}: revoked\n"))
        }
    }
}

fn line(one: &AppPassword) -> String {
    let rights = if one.write { "read and write" } else { "read" };
    let paths = if one.paths.is_empty() { "everything".to_owned() } else { one.paths.join(" ") };
    let used =
        one.used_ms.map_or_else(|| "never used".to_owned(), |at| format!("used {}", utc_of_ms(at)));
    format!(
        "{} {:?} of {}{}: {rights} {paths}, ends {}, {used}\n",
        one.user,
        one.name,
        one.dn,
        one.fqans.iter().map(|fqan| format!(" {fqan}")).collect::<String>(),
        utc_of_ms(one.ends_ms)
    )
}
