//! The host's own certificate; and, where none is named, the demo site with a few lines to try.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::auth::x509::demo::{self, DemoPki};
use crate::config::Config;
use crate::listener::PortKind;
use crate::model::Stfn;

/// Whose certificate the doors show.
pub(super) struct HostIdentity {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    /// The demo CA is trusted only while its host certificate is in use.
    pub(super) demo: Option<DemoPki>,
}

impl HostIdentity {
    pub(super) fn find(config: &Config) -> Result<Self, String> {
        if let (Some(certificate), Some(key)) = (&config.tls.certificate, &config.tls.key) {
            return Ok(Self { certificate: certificate.clone(), key: key.clone(), demo: None });
        }
        let demo = demo::ensure(&config.paths.state.join("demo"), &config.site.host)
            .map_err(|error| error.to_string())?;
        tracing::warn!(
            "no tls.certificate is named in storm.toml: a demo certificate is used, and whoever \
             can read {} is trusted. Not for a real site",
            demo.user_key.display()
        );
        Ok(Self {
            certificate: demo.host_certificate.clone(),
            key: demo.host_key.clone(),
            demo: Some(demo),
        })
    }
}

/// Tells on standard output where everything is, and how to try it.
pub(super) fn announce(
    config_path: &Path,
    config: &Config,
    identity: &HostIdentity,
    ports: &[(PortKind, SocketAddr)],
) {
    let host = &config.site.host;
    let port = |kind| ports.iter().find(|(k, _)| *k == kind).map(|(_, address)| address.port());
    println!("stormd {} serves site {}", env!("CARGO_PKG_VERSION"), config.site.name);
    for (kind, address) in ports {
        let (what, url) = match kind {
            PortKind::Srm => ("SRM", format!("httpg://{host}:{}/srm/managerv2", address.port())),
            PortKind::Https => ("https", format!("https://{host}:{}/", address.port())),
            PortKind::Plain => ("http", format!("http://{host}:{}/", address.port())),
            PortKind::Admin => ("admin", format!("http://{host}:{}/", address.port())),
        };
        println!("  {what:5} {address}  {url}");
    }
    let Some(pki) = &identity.demo else { return };
    let (Some(srm), Some(https)) = (port(PortKind::Srm), port(PortKind::Https)) else { return };
    let area = demo_path();
    let certificates = pki.trust_anchors.display();
    let (cert, key) = (pki.user_certificate.display(), pki.user_key.display());
    println!("demo certificates: {}", certificates);
    println!(
        "try: curl -sS --fail --cacert {} --cert {cert} --key {key} -T {} \
         https://{host}:{https}{area}/hello.txt",
        pki.ca_file.display(),
        std::path::absolute(config_path).unwrap_or_else(|_| config_path.to_owned()).display(),
    );
    println!("install: apt-get install gfal2-util-scripts gfal2-plugin-srm gfal2-plugin-http");
    println!(
        "try: env -u X509_USER_PROXY X509_CERT_DIR={certificates} X509_USER_CERT={cert} \
         X509_USER_KEY={key} gfal-ls -l srm://{host}:{srm}{area}"
    );
    if let Some(plain) = port(PortKind::Plain) {
        println!("try: http://{host}:{plain}{area}/");
    }
}

/// Where the shipped demo site keeps its files.
fn demo_path() -> Stfn {
    Stfn::parse("/demo").unwrap_or_else(|_| Stfn::top())
}
