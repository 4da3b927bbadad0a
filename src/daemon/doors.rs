//! The ports, and what stands behind each of them.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use futures_util::FutureExt;
use http::StatusCode;
use http::header::{CONNECTION, RETRY_AFTER};
use metrics_exporter_prometheus::PrometheusHandle;

use super::health::Monitor;
use super::{DaemonError, start_error};
use crate::config::Config;
use crate::listener::{Door, Listener, PortKind, Service};
use crate::namespace::Ports;
use crate::soap::{self, SoapLimits};
use crate::srm::Srm;
use crate::web::{OwnPages, admin, control};
use crate::webdav::{self, DoorOptions};

/// The ports, bound before privileges are dropped.
pub(super) struct Bound {
    pub(super) listeners: Vec<Listener>,
}

impl Bound {
    pub(super) fn bind(config: &Config) -> Result<Self, DaemonError> {
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

    pub(super) fn addresses(&self) -> Vec<(PortKind, std::net::SocketAddr)> {
        self.listeners.iter().map(|port| (port.kind(), port.local_addr())).collect()
    }

    pub(super) fn numbers(&self) -> Ports {
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

/// The doors by port. The limits they were built with can be exchanged while they are open.
pub(super) struct Doors {
    srm: Srm,
    metrics: PrometheusHandle,
    monitor: Arc<Monitor>,
    /// The bearer token of the admin port.
    token: String,
    pages: OwnPages,
    open: Vec<(PortKind, Door)>,
}

impl Doors {
    pub(super) fn new(
        srm: Srm,
        metrics: PrometheusHandle,
        monitor: Arc<Monitor>,
        token: String,
        config: &Config,
    ) -> Self {
        let mut doors = Self {
            pages: OwnPages::new(srm.clone()),
            srm,
            metrics,
            monitor,
            token,
            open: Vec::new(),
        };
        for kind in [PortKind::Srm, PortKind::Https, PortKind::Plain, PortKind::Admin] {
            doors.open.push((kind, fixed(doors.build(kind, config))));
        }
        doors
    }

    /// What to serve at a port.
    pub(super) fn door(&self, kind: PortKind) -> Door {
        let open = self.open.iter().find(|(k, _)| *k == kind);
        match open {
            Some((_, door)) => Arc::clone(door),
            None => fixed(Service::new(Router::new())),
        }
    }

    /// What clients hear for whom there is no room at a port.
    pub(super) fn busy(kind: PortKind) -> Door {
        const WHY: &str =
            "too many connections, in all or from your address: try again in ten seconds";
        if kind == PortKind::Srm {
            return fixed(soap::busy(WHY));
        }
        let answer = (
            StatusCode::SERVICE_UNAVAILABLE,
            [(RETRY_AFTER, "10"), (CONNECTION, "close")],
            format!("{WHY}\n"),
        );
        fixed(Service::new(Router::new().fallback(move || async { answer })))
    }

    /// Requests that come from now on meet these limits.
    pub(super) fn reload(&self, config: &Config) {
        for (kind, door) in &self.open {
            door.store(Arc::new(self.build(*kind, config)));
        }
    }

    fn build(&self, kind: PortKind, config: &Config) -> Service {
        let limits = &config.limits;
        let files = |secure| {
            let options = DoorOptions { secure, idle_body: limits.idle_body };
            let files = webdav::router(Arc::new(self.srm.clone()), options);
            Service::new(self.pages.router(secure).merge(files))
        };
        match kind {
            PortKind::Srm => {
                let limits = SoapLimits { envelope: limits.envelope };
                soap::door(Arc::new(self.srm.clone()), limits)
            }
            PortKind::Https => files(true),
            PortKind::Plain => files(false),
            PortKind::Admin => {
                let monitor = Arc::clone(&self.monitor);
                let health = move || {
                    let monitor = Arc::clone(&monitor);
                    async move { monitor.look().await }.boxed()
                };
                let open = admin::router(Arc::new(health), self.metrics.clone());
                Service::new(open.merge(control::router(self.srm.clone(), &self.token)))
            }
        }
    }
}

/// A door that stays until something else is stored in it.
fn fixed(service: Service) -> Door {
    Arc::new(ArcSwap::from_pointee(service))
}
