//! Configuration, namespace and policy, read and checked together.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;

use super::DaemonError;
use super::demo::{HostIdentity, demo_directory};
use super::privileges::Account;
use crate::auth::policy::Policy;
use crate::auth::trace::Trace;
use crate::auth::x509::{ClientVerifier, Trust, runs_out};
use crate::config::{Config, Problem, Severity};
use crate::fsdriver::{Driver, Posix};
use crate::listener::{self, TlsError};
use crate::model::Identity;
use crate::namespace::{AreaAuthz, Namespace, Ports};
use crate::srm::{self, Asked, Site};

/// How long before its end a host certificate is warned about.
const EXPIRY_WARNING: Duration = Duration::from_secs(14 * 86_400);

/// Reads namespace.xml and the authorisation files. All errors at once; warnings beside the value.
/// `old` is what was in force before a reload.
pub(super) fn site(
    config_path: &Path,
    config: &Arc<Config>,
    ports: Ports,
    old: Option<&Policy>,
) -> Result<(Site, Vec<Problem>), Vec<Problem>> {
    let mut told = Vec::new();
    let namespace =
        told_of(&mut told, Namespace::load(&config.paths.namespace, config, &open_driver));
    let policy = told_of(&mut told, Policy::load(&config.auth, config_path, old));
    let (Some(namespace), Some(mut policy)) = (namespace, policy) else { return Err(told) };
    for area in namespace.areas() {
        if let AreaAuthz::Db(file) = &area.authz {
            // What is wrong with it was told with namespace.xml.
            policy.area(&area.name, file, old);
        }
    }
    told.extend(without_acls(config, &namespace));
    let namespace = Arc::new(namespace.with_ports(ports));
    Ok((Site::new(Arc::clone(config), namespace, policy), told))
}

/// Areas in which no local account can be let in.
fn without_acls(config: &Config, namespace: &Namespace) -> Vec<Problem> {
    let bare = namespace.areas().iter().filter(|area| !area.driver.has_acls());
    let told = bare.map(|area| Problem {
        file: config.paths.namespace.clone(),
        line: None,
        text: format!(
            "storage area {}: its file system has no ACLs, so that TURLs are given for http and \
             https only",
            area.name
        ),
        severity: Severity::Warning,
    });
    told.collect()
}

/// The value; its warnings or errors go to `told`.
fn told_of<T>(told: &mut Vec<Problem>, read: Result<(T, Vec<Problem>), Vec<Problem>>) -> Option<T> {
    match read {
        Ok((value, warnings)) => {
            told.extend(warnings);
            Some(value)
        }
        Err(errors) => {
            told.extend(errors);
            None
        }
    }
}

fn open_driver(root: &Path, others: &[PathBuf]) -> Result<Arc<dyn Driver>, String> {
    let driver = Posix::open(root, others.to_vec()).map_err(|error| error.to_string())?;
    driver
        .check_attributes()
        .map_err(|error| format!("extended attributes (user.*) can't be written: {error}"))?;
    Ok(Arc::new(driver))
}

/// The certificate of the doors, and [`site`]: what storm.toml leads to. The problems of both.
pub(super) fn all(
    config_path: &Path,
    config: &Arc<Config>,
    identity: &HostIdentity,
    ports: Ports,
    old: Option<&Policy>,
) -> Result<All, DaemonError> {
    let tls = identity.server_config().map_err(|error| certificate(config_path, &error));
    match (tls, site(config_path, config, ports, old)) {
        (Ok(tls), Ok((site, mut warnings))) => {
            warnings.extend(demo_warning(config_path, config));
            warnings.extend(expiry_warning(&identity.certificate, SystemTime::now()));
            warnings.extend(open_key(&identity.key));
            Ok(All { tls, site, warnings })
        }
        (tls, site) => {
            let problems = tls.err().into_iter().chain(site.err().into_iter().flatten());
            Err(DaemonError::Config(problems.collect()))
        }
    }
}

/// What [`all`] gives.
pub(super) struct All {
    pub(super) tls: Arc<ServerConfig>,
    pub(super) site: Site,
    pub(super) warnings: Vec<Problem>,
}

fn certificate(config_path: &Path, error: &TlsError) -> Problem {
    Problem {
        file: config_path.to_owned(),
        line: None,
        text: format!("tls.certificate, tls.key: {error}"),
        severity: Severity::Error,
    }
}

/// Clients refuse a host certificate that has run out.
pub(super) fn expiry_warning(certificate: &Path, now: SystemTime) -> Option<Problem> {
    let end = runs_out(certificate)?;
    let text = match end.duration_since(now) {
        Ok(left) if left > EXPIRY_WARNING => return None,
        Ok(left) => format!("runs out in {} h: renew it", left.as_secs() / 3600),
        Err(_) => "has run out: clients refuse it; renew it, then reload (SIGHUP)".to_owned(),
    };
    let file = certificate.to_owned();
    Some(Problem {
        file,
        line: None,
        text: format!("the host certificate {text}"),
        severity: Severity::Warning,
    })
}

/// Who can read the key can be us.
fn open_key(key: &Path) -> Option<Problem> {
    let mode = std::fs::metadata(key).ok()?.permissions().mode() & 0o7777;
    // A group may be the account's own; a group that may write has no business here.
    (mode & 0o027 != 0).then(|| Problem {
        file: key.to_owned(),
        line: None,
        text: format!("others can read or replace the host key (mode {mode:o}): chmod 0400"),
        severity: Severity::Warning,
    })
}

fn demo_warning(config_path: &Path, config: &Config) -> Option<Problem> {
    if config.tls.certificate.is_some() {
        return None;
    }
    Some(Problem {
        file: config_path.to_owned(),
        line: None,
        text: format!(
            "no tls.certificate is named: a demo certificate is used, and whoever can read {} is \
             trusted. Not for a real site",
            demo_directory(config).display()
        ),
        severity: Severity::Warning,
    })
}

/// What [`explain`] gives.
#[derive(Debug)]
pub struct Explanation {
    /// Every check, in its order.
    pub told: Trace,
    /// Whether it is permitted.
    pub verdict: Result<(), srm::Error>,
}

/// `stormd authz explain`: what a request would come to, by the files as they are now, seen with the
/// eyes of the daemon's account. An error: they do not read.
pub fn explain(
    config_path: &Path,
    who: &Identity,
    asked: Asked,
    place: &str,
) -> Result<Explanation, Vec<Problem>> {
    let config_path = &std::path::absolute(config_path).unwrap_or_else(|_| config_path.to_owned());
    let config = Arc::new(Config::load(config_path)?);
    let told = |text| Problem {
        file: config_path.to_owned(),
        line: None,
        text,
        severity: Severity::Error,
    };
    let account = Account::find(&config.daemon.user).map_err(|why| vec![told(why)])?;
    if rustix::process::geteuid().is_root() {
        account.become_it().map_err(|why| vec![told(why)])?;
    }
    let (site, _) = site(config_path, &config, Ports::of(&config), None)?;
    let mut told = Trace::on();
    let verdict = site.explain(who, place, asked, &mut told);
    Ok(Explanation { told, verdict })
}

/// `stormd check`: every problem of storm.toml, namespace.xml, the authorisation files, the
/// certificate and the trust anchors. Nothing is started; a relative root that is missing is made,
/// as at a start.
pub fn check(config_path: &Path) -> Vec<Problem> {
    let config_path = &std::path::absolute(config_path).unwrap_or_else(|_| config_path.to_owned());
    let (config, mut problems) = Config::inspect(config_path);
    let Some(config) = config.map(Arc::new) else { return problems };
    let whole = problems.is_empty();
    let told = |text| Problem {
        file: config_path.to_owned(),
        line: None,
        text,
        severity: Severity::Error,
    };
    // With that account's eyes, where we may; what is made belongs to it.
    match Account::find(&config.daemon.user) {
        Ok(account) if rustix::process::geteuid().is_root() => {
            problems.extend(account.become_it().err().map(told));
        }
        Ok(_) => {}
        Err(why) => problems.push(told(why)),
    }
    problems.extend(match site(config_path, &config, Ports::of(&config), None) {
        Ok((_, warnings)) => warnings,
        Err(problems) => problems,
    });
    if let (Some(certificate_file), Some(key)) = (&config.tls.certificate, &config.tls.key) {
        let verifier = Arc::new(ClientVerifier::new(config.tls.legacy));
        let tls = listener::server_config(certificate_file, key, verifier, config.tls.legacy);
        problems.extend(tls.err().map(|error| certificate(config_path, &error)));
        problems.extend(expiry_warning(certificate_file, SystemTime::now()));
        problems.extend(open_key(key));
    } else if whole {
        problems.extend(demo_warning(config_path, &config));
    }
    let (_, notes) = Trust::load(&config.tls, &[], &config.site.host);
    problems.extend(notes);
    problems
}

/// One problem a line.
pub fn problems_text(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_certificate_near_its_end_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("cert.pem");
        assert_eq!(expiry_warning(&file, SystemTime::now()), None, "another's problem");
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_after = time::OffsetDateTime::now_utc() + time::Duration::days(20);
        std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        let told = |days: u64| {
            let now = SystemTime::now() + Duration::from_secs(days * 86_400);
            expiry_warning(&file, now).map(|problem| problem.text)
        };
        assert_eq!(told(0), None);
        assert!(
            told(10).unwrap().contains("runs out in 239 h") || told(10).unwrap().contains("240 h")
        );
        assert!(told(21).unwrap().contains("has run out"));
    }

    #[test]
    fn a_ban_list_that_does_not_read_keeps_the_daemon_from_starting() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::defaults(dir.path());
        std::fs::write(&config.paths.namespace, include_str!("../../namespace.xml")).unwrap();
        config.auth.ban = dir.path().join("ban");
        std::fs::write(&config.auth.ban, "/C=IT/CN=Somebody\nsomebody else\n").unwrap();
        let config = Arc::new(config);
        let read = || site(dir.path(), &config, Ports::of(&config), None);
        let problems = read().err().unwrap();
        let told = |problem: &Problem| (problem.severity, problem.line);
        assert_eq!(problems.iter().map(told).collect::<Vec<_>>(), [(Severity::Error, Some(2))]);
        std::fs::write(&config.auth.ban, "/C=IT/CN=Somebody\n").unwrap();
        assert!(read().is_ok());
    }
}
