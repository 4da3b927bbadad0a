//! Wires the roles together: configuration -> store -> core -> doors; reload and drain.

mod demo;
mod doors;
mod gatekeeper;
mod health;
mod load;
mod notify;
mod privileges;
mod reload;
mod remembered;
mod state;
mod watch;

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Config, Problem, Severity};
use crate::listener::{self, Front};
use crate::srm::Srm;
use crate::store::Store;
use crate::web::admin;

pub use load::{Explanation, check, explain, problems_text};
pub use privileges::lock_down;

use demo::HostIdentity;
use doors::{Bound, Doors};
use gatekeeper::Gatekeeper;
use health::Monitor;
use load::All;
use notify::Notifier;
use privileges::Account;
use reload::{Reload, Seen};
use state::StateDirectory;

/// Between two clean-ups of old requests.
const PURGE_EVERY: Duration = Duration::from_secs(600);
/// What workers and the store may take when the doors are closed.
const AFTER_DRAIN: Duration = Duration::from_secs(10);

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

/// Runs until SIGTERM or SIGINT, then drains. A second one ends it at once.
pub async fn run(config_path: &Path) -> Result<(), DaemonError> {
    let config_path = &std::path::absolute(config_path).unwrap_or_else(|_| config_path.to_owned());
    // First of all, so that no signal ends the process half way, and no count is lost.
    let mut signals = Signals::new().map_err(start_error)?;
    let metrics = admin::install_recorder().map_err(start_error)?;
    let notifier = Notifier::from_environment();
    let running = tokio::select! {
        started = start(config_path, metrics) => started?,
        () = signals.end() => {
            tracing::info!("stopped before the doors were open");
            return Ok(());
        }
    };
    notifier.ready("serving");

    loop {
        let reload = Arc::clone(&running.reload);
        let hangup = tokio::select! {
            told = signals.next() => match told {
                Told::End => break,
                Told::Reload => true,
            },
            () = running.next_look() => false,
        };
        if hangup {
            notifier.reloading();
        }
        // One reading at a time, on the blocking pool: a file system that hangs does not keep us
        // from ending. One that was cut short leaves the old state in place.
        let reading = tokio::task::spawn_blocking(move || match hangup {
            true => Some(reload.run()),
            false => reload.look(),
        });
        tokio::select! {
            () = signals.end() => break,
            done = reading => match done {
                Ok(None) => {}
                Ok(Some(true)) => notifier.ready("serving"),
                _ => notifier.ready("serving; the last reading failed: see the log"),
            },
        }
    }

    tracing::info!("stopping: requests under way may finish");
    notifier.stopping();
    let patience = running.front.limits().drain + AFTER_DRAIN;
    tokio::select! {
        () = running.stop() => tracing::info!("stopped"),
        () = signals.end() => tracing::warn!("told to stop again: what is under way is cut"),
        () = tokio::time::sleep(patience) => {
            tracing::warn!("work under way does not end: cut (does a file system hang?)");
        }
    }
    Ok(())
}

/// The daemon with its doors open.
struct Running {
    state: StateDirectory,
    store: Store,
    srm: Srm,
    front: Arc<Front>,
    reload: Arc<Reload>,
    serving: TaskTracker,
    background: TaskTracker,
    stop: CancellationToken,
}

/// Everything that can fail comes before the first request is taken up again.
async fn start(config_path: &Path, metrics: PrometheusHandle) -> Result<Running, DaemonError> {
    let config = Arc::new(Config::load(config_path).map_err(DaemonError::Config)?);
    let account = Account::find(&config.daemon.user).map_err(|text| {
        let (file, severity) = (config_path.to_owned(), Severity::Error);
        DaemonError::Config(vec![Problem { file, line: None, text, severity }])
    })?;
    let ports = Bound::bind(&config)?;
    state::raise_open_files(config.limits.connections);
    account.make_state_directory(&config.paths.state).map_err(DaemonError::Start)?;
    account.become_it().map_err(DaemonError::Start)?;
    let state = StateDirectory::open(&config.paths.state).map_err(DaemonError::Start)?;

    let numbers = ports.numbers();
    let identity = HostIdentity::find(&config).map_err(DaemonError::Start)?;
    let seen = Seen::new(config_path, &config, &identity);
    let All { tls, site, warnings } = load::all(config_path, &config, &identity, numbers, None)?;
    log(&warnings);
    let (trust, notes) = Gatekeeper::read(None, &config, &identity);
    log(&notes);
    let store = Store::open(&state.database(), &state.owner().map_err(start_error)?);
    let store = store.map_err(start_error)?;
    let cut_off = store.begin_run(state::boot_id()).await.map_err(start_error)?;
    let srm = Srm::new(site, store.clone());
    let gatekeeper = Gatekeeper::new(trust, srm.clone()).map_err(start_error)?;
    let front = Front::new(config.limits.clone(), tls, Arc::clone(&gatekeeper) as Arc<_>);
    let recovered = srm.recover().await.map_err(start_error)?;
    tracing::info!(requests = recovered, "requests of the last run taken up");

    let stop = CancellationToken::new();
    srm.start_timer(stop.child_token());
    let background = TaskTracker::new();
    background.spawn(until(stop.clone(), admin::upkeep(metrics.clone())));
    background.spawn(until(stop.clone(), purge(srm.clone())));
    if cut_off {
        tracing::warn!("the machine was cut off while stormd ran: storage areas are counted anew");
    }
    let counting = srm.clone();
    background.spawn(until(stop.clone(), async move { counting.keep_counting().await }));

    let token = state.admin_token().map_err(start_error)?;
    let monitor = Monitor::new(srm.clone(), store.clone(), &config.paths.state);
    let doors = Doors::new(srm.clone(), metrics, monitor, token, &config);
    let addresses = ports.addresses();
    let serving = TaskTracker::new();
    for port in ports.listeners {
        let (door, busy) = (doors.door(port.kind()), Doors::busy(port.kind()));
        serving.spawn(listener::serve(port, door, busy, Arc::clone(&front), stop.clone()));
    }
    serving.close();
    background.close();
    state.write_addresses(&addresses).map_err(start_error)?;
    let told = demo::announcement(config_path, &config, &identity, &addresses);
    // Nobody may be reading any more.
    let _ = std::io::stdout().write_all(told.as_bytes());

    let reload = Arc::new(Reload {
        path: config_path.to_owned(),
        started_with: config,
        numbers,
        srm: srm.clone(),
        front: Arc::clone(&front),
        gatekeeper,
        doors,
        seen: Mutex::new(seen),
    });
    Ok(Running { state, store, srm, front, reload, serving, background, stop })
}

impl Running {
    /// When the files are to be looked at the next time; perhaps never.
    async fn next_look(&self) {
        match self.srm.site().config.daemon.watch {
            Duration::ZERO => std::future::pending().await,
            watch => tokio::time::sleep(watch).await,
        }
    }

    /// Doors first, then what works for them, the store last.
    async fn stop(self) {
        self.stop.cancel();
        self.srm.end_long_reads();
        self.serving.wait().await;
        self.srm.shutdown().await;
        self.background.wait().await;
        if let Err(error) = self.store.end_run().await {
            tracing::warn!(%error, "the next start does not know that this run ended well");
        }
        self.store.close().await;
        self.state.remove_addresses();
    }
}

/// What people and systemd say to a process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::End,
            _ = self.interrupt.recv() => Told::End,
            _ = self.hangup.recv() => Told::Reload,
        }
    }

    /// SIGTERM or SIGINT.
    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// What a signal means.
enum Told {
    /// SIGTERM, SIGINT.
    End,
    /// SIGHUP.
    Reload,
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

/// One line each.
fn log(problems: &[Problem]) {
    for problem in problems {
        match problem.severity {
            Severity::Warning => tracing::warn!("{problem}"),
            Severity::Error => tracing::error!("{problem}"),
        }
    }
}
