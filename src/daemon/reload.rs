//! Everything that can change while the daemon runs: by SIGHUP, and by itself when files change.
//! storm.toml, namespace.xml and what they lead to are read and checked whole before the first piece
//! of it takes force; the host certificate alone, and the trust anchors alone, when only they changed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::demo::HostIdentity;
use super::doors::Doors;
use super::gatekeeper::Gatekeeper;
use super::load::{self, All};
use super::watch::Watched;
use super::{DaemonError, log, state};
use crate::auth::x509::Trust;
use crate::config::{Config, Problem, Severity};
use crate::listener::Front;
use crate::namespace::Ports;
use crate::srm::Srm;

/// Certificates are read again after so long without a change, too: demo certificates are made anew
/// before they run out, and what has run out meanwhile (CRLs!) is told.
const ANYWAY: Duration = Duration::from_secs(6 * 3600);
/// How often a directory that changes while it is read is begun anew.
const READINGS: usize = 3;

/// All that a reload reads into.
pub(super) struct Reload {
    pub(super) path: PathBuf,
    pub(super) started_with: Arc<Config>,
    pub(super) numbers: Ports,
    pub(super) srm: Srm,
    pub(super) front: Arc<Front>,
    pub(super) gatekeeper: Arc<Gatekeeper>,
    pub(super) doors: Doors,
    pub(super) seen: Mutex<Seen>,
}

/// What the files looked like when they were read.
pub(super) struct Seen {
    /// storm.toml and namespace.xml; what says who may do what looks after itself.
    site: Watched,
    /// Host certificate and key.
    host: Watched,
    /// CA directory and vomsdir.
    trust: Watched,
    /// What storm.toml named.
    keys: BTreeSet<String>,
    /// When certificates were last read.
    at: Instant,
    /// The last reading of the site failed: whatever changes next may be what mends it.
    failed: bool,
}

impl Seen {
    /// To be made when storm.toml has been read, before what it leads to is.
    pub(super) fn new(path: &Path, config: &Config, host: &HostIdentity) -> Self {
        let tls = &config.tls;
        Self {
            site: Watched::new(vec![path.to_owned(), config.paths.namespace.clone()], 0),
            host: Watched::new(vec![host.certificate.clone(), host.key.clone()], 0),
            // Below vomsdir stand the folders of the VOs.
            trust: Watched::new(vec![tls.trust_anchors.clone(), tls.vomsdir.clone()], 2),
            keys: named_keys(path),
            at: Instant::now(),
            failed: false,
        }
    }
}

impl Reload {
    /// Reads everything again, whether it changed or not. Blocks. Tells its problems in the log, a
    /// line each.
    pub(super) fn run(&self) -> bool {
        self.site(true, true)
    }

    /// Looks whether something changed, and reads that. `None`: nothing did, or somebody is still
    /// writing. Blocks.
    pub(super) fn look(&self) -> Option<bool> {
        let (site, host, trust) = {
            let mut seen = self.seen();
            let (site, host, trust) =
                (seen.site.changed(), seen.host.changed(), seen.trust.changed());
            let anyway = seen.at.elapsed() > ANYWAY;
            if anyway {
                seen.at = Instant::now();
            }
            (site || seen.failed && (host || trust), host || anyway, trust || anyway)
        };
        if site {
            let done = self.site(trust, false);
            if !done && (host || trust) {
                self.certificates(host, trust);
            }
            return Some(done);
        }
        (host || trust).then(|| self.certificates(host, trust))
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        // Whatever became of who held it, the looks in it are looks.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn site(&self, trust: bool, asked: bool) -> bool {
        let result = self.try_site(trust, asked);
        self.seen().failed = result.is_err();
        match result {
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

    fn try_site(&self, trust: bool, asked: bool) -> Result<(), DaemonError> {
        // Also when it fails: the same files are not tried again and again.
        self.seen().site.read_now();
        if !asked {
            self.is_whole()?;
        }
        let config = Config::load(&self.path).map_err(DaemonError::Config)?;
        let config = Arc::new(self.keep_what_stays(config));
        let identity = HostIdentity::find(&config).map_err(DaemonError::Start)?;
        let mut seen = Seen::new(&self.path, &config, &identity);
        let old = self.srm.site();
        let All { tls, site, warnings } =
            load::all(&self.path, &config, &identity, self.numbers, Some(&old.policy))?;
        let old = &old.config;
        let trust = (trust || (&old.tls, &old.site) != (&config.tls, &config.site))
            .then(|| self.read_trust(&config, &identity, &mut seen.trust));

        // From here on nothing fails.
        log(&warnings);
        state::raise_open_files(config.limits.connections);
        if let Some((trust, notes)) = trust {
            log(&notes);
            self.gatekeeper.take(trust);
        }
        self.front.reload_tls(tls);
        self.front.reload_limits(config.limits.clone());
        self.doors.reload(&config);
        self.srm.reload(site);
        *self.seen() = seen;
        Ok(())
    }

    /// The beginning of a storm.toml, even nothing of it, is a valid one, in which certificates are
    /// the demo's and everybody may do everything. So unasked, no key is taken away.
    fn is_whole(&self) -> Result<(), DaemonError> {
        let now = named_keys(&self.path);
        let Some(gone) = self.seen().keys.difference(&now).next().cloned() else { return Ok(()) };
        let text = format!(
            "{gone} was named here and is not any more: is somebody still writing? If this is how it \
             should be, send SIGHUP"
        );
        let (file, severity) = (self.path.clone(), Severity::Error);
        Err(DaemonError::Config(vec![Problem { file, line: None, text, severity }]))
    }

    /// The certificates alone. A certificate and a key that do not belong together are about to be
    /// replaced: the pair from before stays.
    fn certificates(&self, host: bool, trust: bool) -> bool {
        let config = Arc::clone(&self.srm.site().config);
        let identity = match HostIdentity::find(&config) {
            Ok(identity) => identity,
            Err(why) => {
                tracing::error!("{why}");
                return false;
            }
        };
        if identity.is_new() {
            tracing::warn!("demo certificates were about to run out and were made anew");
        }
        if trust || identity.is_new() {
            let (trust, notes) = self.read_trust(&config, &identity, &mut self.seen().trust);
            log(&notes);
            self.gatekeeper.take(trust);
            tracing::info!("trust anchors, CRLs and VOMS servers read again");
        }
        if host || identity.is_new() {
            match identity.server_config() {
                Ok(tls) => self.front.reload_tls(tls),
                Err(error) => {
                    tracing::error!("{error}; the certificate read before stays in use");
                    return false;
                }
            }
            log(load::expiry_warning(&identity.certificate, SystemTime::now()).as_slice());
            tracing::info!("host certificate read again");
        }
        true
    }

    /// Of one moment, where the directories give us one: half of the one and half of another would
    /// lack CAs.
    fn read_trust(
        &self,
        config: &Config,
        identity: &HostIdentity,
        watched: &mut Watched,
    ) -> (Trust, Vec<Problem>) {
        let mut left = READINGS;
        loop {
            watched.read_now();
            let read = Gatekeeper::read(Some(&self.gatekeeper), config, identity);
            left -= 1;
            if left == 0 || watched.is_as_read() {
                return read;
            }
        }
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
        config.daemon.user.clone_from(&old.daemon.user);
        config.workers = old.workers.clone();
        config
    }
}

/// `section.key` of all that a storm.toml names; nothing of one that cannot be read.
fn named_keys(path: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let sections = text.parse::<toml::Table>().unwrap_or_default();
    let keys = sections.iter().flat_map(|(section, keys)| {
        let keys = keys.as_table().into_iter().flat_map(toml::Table::keys);
        keys.map(move |key| format!("{section}.{key}"))
    });
    keys.collect()
}
