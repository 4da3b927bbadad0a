//! What SIGHUP does: everything is read and checked first, then swapped in; a file with an error
//! changes nothing.

use std::path::PathBuf;
use std::sync::Arc;

use super::demo::HostIdentity;
use super::doors::Doors;
use super::gatekeeper::Gatekeeper;
use super::load::{self, All};
use super::{DaemonError, log, state};
use crate::config::Config;
use crate::listener::Front;
use crate::namespace::Ports;
use crate::srm::Srm;

/// All that a reload reads into.
pub(super) struct Reload {
    pub(super) path: PathBuf,
    pub(super) started_with: Arc<Config>,
    pub(super) numbers: Ports,
    pub(super) srm: Srm,
    pub(super) front: Arc<Front>,
    pub(super) gatekeeper: Arc<Gatekeeper>,
    pub(super) doors: Doors,
}

impl Reload {
    /// Reads everything again. Blocks. Tells its problems in the log, a line each.
    pub(super) fn run(&self) -> bool {
        match self.try_run() {
            Ok(()) => {
                tracing::info!("configuration read again");
                return true;
            }
            Err(DaemonError::Config(problems)) => log(&problems),
            Err(error) => tracing::error!("{error}"),
        }
        tracing::error!("the configuration was not changed: mend what stands above, then reload");
        false
    }

    fn try_run(&self) -> Result<(), DaemonError> {
        let config = Config::load(&self.path).map_err(DaemonError::Config)?;
        let config = Arc::new(self.keep_what_stays(config));
        let old = self.srm.site();
        let All { identity, tls, site, warnings } =
            load::all(&self.path, &config, self.numbers, Some(&old.policy))?;
        let (trust, notes) = Gatekeeper::read(&config, &identity);

        // From here on nothing fails.
        log(&warnings);
        log(&notes);
        state::raise_open_files(config.limits.connections);
        self.gatekeeper.take(trust);
        self.front.reload_tls(tls);
        self.front.reload_limits(config.limits.clone());
        self.doors.reload(&config);
        self.srm.reload(site);
        Ok(())
    }

    /// Looks at host certificate, CA directory, CRLs and vomsdir again, between two SIGHUPs. The
    /// demo certificates are made anew before they run out. Blocks.
    pub(super) fn refresh(&self) -> bool {
        let site = self.srm.site();
        let identity = match HostIdentity::find(&site.config) {
            Ok(identity) => identity,
            Err(why) => {
                tracing::error!("{why}");
                return false;
            }
        };
        if identity.is_new() {
            tracing::warn!("demo certificates were about to run out and were made anew");
        }
        let (trust, notes) = Gatekeeper::read(&site.config, &identity);
        log(&notes);
        self.gatekeeper.take(trust);
        match identity.server_config() {
            Ok(tls) => self.front.reload_tls(tls),
            Err(error) => {
                tracing::error!("{error}; the certificate read before stays in use");
                return false;
            }
        }
        true
    }

    /// Listening addresses, paths, account and workers take a restart: they stay as they are, and
    /// a warning says so.
    fn keep_what_stays(&self, mut config: Config) -> Config {
        let old = &self.started_with;
        let warn = |changed: bool, what: &str| {
            if changed {
                tracing::warn!("{what} has changed in storm.toml: it takes a restart");
            }
        };
        warn(old.srm.listen != config.srm.listen, "srm.listen");
        warn(old.http.https != config.http.https, "http.https");
        warn(old.http.plain != config.http.plain, "http.plain");
        warn(old.admin.listen != config.admin.listen, "admin.listen");
        warn(old.paths.namespace != config.paths.namespace, "paths.namespace");
        warn(old.paths.state != config.paths.state, "paths.state");
        warn(old.daemon.user != config.daemon.user, "daemon.user");
        warn(old.workers != config.workers, "[workers]");
        config.srm.listen = old.srm.listen;
        config.http.https = old.http.https;
        config.http.plain = old.http.plain;
        config.admin.listen = old.admin.listen;
        config.paths = old.paths.clone();
        config.daemon = old.daemon.clone();
        config.workers = old.workers.clone();
        config
    }
}
