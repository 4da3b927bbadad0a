//! Wires the roles together: configuration -> store -> core -> doors; reload and drain.

mod demo;
mod gatekeeper;
mod load;
mod remembered;
mod state;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::x509::ClientVerifier;
use crate::config::{Config, Problem, Severity};
use crate::listener::{self, Front, Listener, PortKind};
use crate::namespace::Ports;
use crate::soap::{self, SoapLimits};
use crate::srm::Srm;
use crate::store::Store;
use crate::web::admin::{self, Check, Health};
use crate::webdav::{self, DoorOptions};

pub use load::{check, problems_text};

use demo::HostIdentity;
use gatekeeper::Gatekeeper;
use state::StateDirectory;

/// Between two clean-ups of old requests.
const PURGE_EVERY: Duration = Duration::from_secs(600);
/// Between two readings of CA directory, CRLs and vomsdir.
const TRUST_EVERY: Duration = Duration::from_secs(600);

/// Why the daemon did not start, or ended badly.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The configuration: exit code 2.
    #[error("{}", problems_text(.0))]
    Config(Vec<Problem>),
    /// Anything else: exit code 1.
    #[error("{0}")]
    Start(String),
}

fn start_error(error: impl std::fmt::Display) -> DaemonError {
    DaemonError::Start(error.to_string())
}

/// Runs until SIGTERM or SIGINT, then drains.
pub async fn run(config_path: &Path) -> Result<(), DaemonError> {
    let config = Arc::new(Config::load(config_path).map_err(DaemonError::Config)?);
    let ports = Bound::bind(&config)?;
    state::raise_open_files(config.limits.connections);
    state::become_user(&config.daemon.user).map_err(DaemonError::Start)?;
    let state = StateDirectory::open(&config.paths.state).map_err(DaemonError::Start)?;
    let identity = HostIdentity::find(&config).map_err(DaemonError::Start)?;

    let (site, warnings) = load::site(&config, ports.numbers()).map_err(DaemonError::Config)?;
    warn(&warnings);
    let (gatekeeper, warnings) = Gatekeeper::load(&config, &identity).map_err(start_error)?;
    warn(&warnings);

    let store = Store::open(&state.database(), &state.owner().map_err(start_error)?);
    let store = store.map_err(start_error)?;
    let srm = Srm::new(site, store.clone());
    let recovered = srm.recover().await.map_err(start_error)?;
    tracing::info!(requests = recovered, "requests of the last run taken up");

    let stop = CancellationToken::new();
    srm.start_timer(stop.child_token());
    let tls =
        listener::server_config(&identity.certificate, &identity.key, Arc::new(ClientVerifier))
            .map_err(start_error)?;
    let front = Front::new(config.limits.clone(), tls, Arc::clone(&gatekeeper) as Arc<_>);
    let metrics = admin::install_recorder().map_err(start_error)?;

    let background = TaskTracker::new();
    background.spawn(until(stop.clone(), admin::upkeep(metrics.clone())));
    background.spawn(until(stop.clone(), purge(srm.clone())));
    background.spawn(until(stop.clone(), refresh(Arc::clone(&gatekeeper))));

    let doors = Doors { srm: srm.clone(), config: Arc::clone(&config), metrics };
    let numbers = ports.numbers();
    state.write_addresses(&ports.addresses()).map_err(start_error)?;
    demo::announce(config_path, &config, &identity, &ports.addresses());
    let serving = TaskTracker::new();
    for port in ports.listeners {
        let door = doors.router(port.kind());
        serving.spawn(listener::serve(port, door, Arc::clone(&front), stop.clone()));
    }
    let reload = Reload {
        path: config_path.to_owned(),
        started_with: config,
        numbers,
        srm: srm.clone(),
        front,
        gatekeeper,
        identity,
    };
    wait_for_end(reload).await.map_err(start_error)?;

    tracing::info!("stopping: requests under way may finish");
    stop.cancel();
    serving.close();
    serving.wait().await;
    srm.shutdown().await;
    background.close();
    background.wait().await;
    store.close().await;
    state.remove_addresses();
    tracing::info!("stopped");
    Ok(())
}

/// Answers SIGHUP until SIGTERM or SIGINT comes.
async fn wait_for_end(reload: Reload) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hangup.recv() => reload.run(),
        }
    }
}

async fn until(stop: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        () = stop.cancelled() => {}
    }
}

async fn purge(srm: Srm) {
    let mut tick = tokio::time::interval(PURGE_EVERY);
    loop {
        tick.tick().await;
        srm.purge().await;
    }
}

async fn refresh(gatekeeper: Arc<Gatekeeper>) {
    let mut tick = tokio::time::interval(TRUST_EVERY);
    // The first tick is at once, and the trust was read a moment ago.
    tick.tick().await;
    loop {
        tick.tick().await;
        let gatekeeper = Arc::clone(&gatekeeper);
        // A reading that was cut short leaves the old trust in place.
        let _ = tokio::task::spawn_blocking(move || warn(&gatekeeper.reload())).await;
    }
}

fn warn(problems: &[Problem]) {
    for problem in problems {
        match problem.severity {
            Severity::Warning => tracing::warn!("{problem}"),
            Severity::Error => tracing::error!("{problem}"),
        }
    }
}

/// The ports, bound before privileges are dropped.
struct Bound {
    listeners: Vec<Listener>,
}

impl Bound {
    fn bind(config: &Config) -> Result<Self, DaemonError> {
        let mut wanted = vec![
            (PortKind::Srm, config.srm.listen),
            (PortKind::Https, config.http.https),
            (PortKind::Admin, config.admin.listen),
        ];
        wanted.extend(config.http.plain.map(|address| (PortKind::Plain, address)));
        let listeners = wanted
            .into_iter()
            .map(|(kind, address)| Listener::bind(kind, address))
            .collect::<Result<_, _>>()
            .map_err(start_error)?;
        Ok(Self { listeners })
    }

    fn addresses(&self) -> Vec<(PortKind, std::net::SocketAddr)> {
        self.listeners.iter().map(|port| (port.kind(), port.local_addr())).collect()
    }

    fn numbers(&self) -> Ports {
        let of = |kind| {
            self.addresses().iter().find(|(k, _)| *k == kind).map(|(_, address)| address.port())
        };
        Ports {
            srm: of(PortKind::Srm).unwrap_or_default(),
            https: of(PortKind::Https).unwrap_or_default(),
            plain: of(PortKind::Plain),
        }
    }
}

/// What stands behind each port.
struct Doors {
    srm: Srm,
    config: Arc<Config>,
    metrics: metrics_exporter_prometheus::PrometheusHandle,
}

impl Doors {
    fn router(&self, kind: PortKind) -> axum::Router {
        let limits = &self.config.limits;
        let files = |secure| {
            let options = DoorOptions { secure, idle_body: limits.idle_body };
            webdav::router(Arc::new(self.srm.clone()), options)
        };
        match kind {
            PortKind::Srm => {
                let limits = SoapLimits { envelope: limits.envelope };
                soap::router(Arc::new(self.srm.clone()), limits)
            }
            PortKind::Https => files(true),
            PortKind::Plain => files(false),
            PortKind::Admin => admin::router(self.health(), self.metrics.clone()),
        }
    }

    fn health(&self) -> Arc<dyn Fn() -> Health + Send + Sync> {
        let (srm, started) = (self.srm.clone(), Instant::now());
        Arc::new(move || {
            let mut checks = vec![Check {
                name: "requests".to_owned(),
                ok: true,
                detail: format!("{} open", srm.open_requests()),
            }];
            for area in srm.site().namespace.areas() {
                let (ok, detail) = match area.driver.room() {
                    Ok(room) => (true, format!("{} bytes free", room.free)),
                    Err(error) => (false, error.to_string()),
                };
                checks.push(Check { name: format!("area {}", area.name), ok, detail });
            }
            Health {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                uptime_s: started.elapsed().as_secs(),
                checks,
            }
        })
    }
}

/// What SIGHUP does: everything is read and checked first, then swapped in; a file with an error
/// changes nothing.
struct Reload {
    path: PathBuf,
    started_with: Arc<Config>,
    numbers: Ports,
    srm: Srm,
    front: Arc<Front>,
    gatekeeper: Arc<Gatekeeper>,
    identity: HostIdentity,
}

impl Reload {
    fn run(&self) {
        match self.try_run() {
            Ok(()) => tracing::info!("configuration read again"),
            Err(error) => tracing::error!("configuration not changed: {error}"),
        }
    }

    fn try_run(&self) -> Result<(), DaemonError> {
        let config = Arc::new(Config::load(&self.path).map_err(DaemonError::Config)?);
        let old = &self.started_with;
        for (changed, what) in [
            (old.srm.listen != config.srm.listen, "srm.listen"),
            (old.http.https != config.http.https, "http.https"),
            (old.http.plain != config.http.plain, "http.plain"),
            (old.admin.listen != config.admin.listen, "admin.listen"),
            (old.paths.state != config.paths.state, "paths.state"),
            (old.daemon.user != config.daemon.user, "daemon.user"),
            (old.workers != config.workers, "workers"),
        ] {
            if changed {
                tracing::warn!("{what} changed: it takes a restart");
            }
        }
        let (site, warnings) = load::site(&config, self.numbers).map_err(DaemonError::Config)?;
        warn(&warnings);
        let tls = listener::server_config(
            &self.identity.certificate,
            &self.identity.key,
            Arc::new(ClientVerifier),
        )
        .map_err(start_error)?;
        warn(&self.gatekeeper.reload());
        self.front.reload_tls(tls);
        self.front.reload_limits(config.limits.clone());
        self.srm.reload(site);
        Ok(())
    }
}
