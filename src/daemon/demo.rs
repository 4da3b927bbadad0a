//! The host's own certificate; and, where none is named, the demo site with a few lines to try.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;

use crate::auth::x509::ClientVerifier;
use crate::auth::x509::demo::{self, DemoPki};
use crate::config::Config;
use crate::listener::{self, PortKind, TlsError};

/// Whose certificate the doors show.
pub(super) struct HostIdentity {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    /// `[tls] legacy`.
    legacy: bool,
    /// The demo CA is trusted only while its host certificate is in use.
    pub(super) demo: Option<DemoPki>,
}

impl HostIdentity {
    /// The certificate that storm.toml names; otherwise the demo one, made where it is missing or
    /// about to run out.
    pub(super) fn find(config: &Config) -> Result<Self, String> {
        let legacy = config.tls.legacy;
        if let (Some(certificate), Some(key)) = (&config.tls.certificate, &config.tls.key) {
            let (certificate, key) = (certificate.clone(), key.clone());
            return Ok(Self { certificate, key, legacy, demo: None });
        }
        let demo = demo::ensure(&demo_directory(config), &config.site.host)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            certificate: demo.host_certificate.clone(),
            key: demo.host_key.clone(),
            legacy,
            demo: Some(demo),
        })
    }

    /// Demo certificates were made by this very look.
    pub(super) fn is_new(&self) -> bool {
        self.demo.as_ref().is_some_and(|demo| demo.made)
    }

    /// The TLS of the doors. Reads files.
    pub(super) fn server_config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let verifier = Arc::new(ClientVerifier::new(self.legacy));
        listener::server_config(&self.certificate, &self.key, verifier, self.legacy)
    }
}

/// Where the demo certificates stand.
pub(super) fn demo_directory(config: &Config) -> PathBuf {
    config.paths.state.join("demo")
}

/// Tells where everything is, and how to try it: a line each.
pub(super) fn announcement(
    config_path: &Path,
    config: &Config,
    identity: &HostIdentity,
    ports: &[(PortKind, SocketAddr)],
) -> String {
    let mut lines =
        vec![format!("stormd {} serves site {}", env!("CARGO_PKG_VERSION"), config.site.name)];
    let url = |kind: PortKind, scheme: &str| {
        let (_, address) = ports.iter().find(|(k, _)| *k == kind)?;
        // Only from this machine can a loopback address be reached, and only by its own name.
        let host = if address.ip().is_loopback() { "localhost" } else { &config.site.host };
        let host = match host.contains(':') && !host.starts_with('[') {
            true => format!("[{host}]"),
            false => host.to_owned(),
        };
        Some(format!("{scheme}://{host}:{}", address.port()))
    };
    for (kind, address) in ports {
        let (what, scheme, path) = match kind {
            PortKind::Srm => ("SRM", "httpg", "/srm/managerv2"),
            PortKind::Https => ("https", "https", "/"),
            PortKind::Plain => ("http", "http", "/"),
            PortKind::Admin => ("admin", "http", "/"),
        };
        let url = url(*kind, scheme).unwrap_or_default();
        lines.push(format!("  {what:5} {address}  {url}{path}"));
    }
    let demo = identity.demo.as_ref();
    if let (Some(pki), Some(https), Some(srm)) =
        (demo, url(PortKind::Https, "https"), url(PortKind::Srm, "srm"))
    {
        let certificates = shell(&pki.trust_anchors);
        let (cert, key) = (shell(&pki.user_certificate), shell(&pki.user_key));
        let upload = std::path::absolute(config_path).unwrap_or_else(|_| config_path.to_owned());
        lines.push(format!("demo certificates: {}", pki.trust_anchors.display()));
        lines.push(format!(
            "try: curl -sS --fail --cacert {} --cert {cert} --key {key} -T {} \
             {https}{DEMO_AREA}/hello.txt",
            shell(&pki.ca_file),
            shell(&upload),
        ));
        lines.push(
            "install: apt-get install gfal2-util-scripts gfal2-plugin-srm gfal2-plugin-http"
                .to_owned(),
        );
        lines.push(format!(
            "try: env -u X509_USER_PROXY X509_CERT_DIR={certificates} X509_USER_CERT={cert} \
             X509_USER_KEY={key} gfal-ls -l {srm}{DEMO_AREA}"
        ));
        if let Some(plain) = url(PortKind::Plain, "http") {
            lines.push(format!("try: {plain}{DEMO_AREA}/"));
        }
    }
    lines.join("\n") + "\n"
}

/// Where the shipped demo site keeps its files.
const DEMO_AREA: &str = "/demo";

/// A path as one word of a shell.
fn shell(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+@%:,=".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_to_try_fit_any_folder_and_address() {
        let dir = tempfile::Builder::new().prefix("it's a site ").tempdir().unwrap();
        let mut config = Config::defaults(dir.path());
        config.site.host = "se.example.org".to_owned();
        let identity = HostIdentity::find(&config).unwrap();
        assert!(identity.is_new());
        assert!(!HostIdentity::find(&config).unwrap().is_new());
        let ports = [
            (PortKind::Srm, "[::]:1".parse().unwrap()),
            (PortKind::Https, "[::]:2".parse().unwrap()),
            (PortKind::Plain, "127.0.0.1:3".parse().unwrap()),
        ];
        let text = announcement(&dir.path().join("storm.toml"), &config, &identity, &ports);
        assert!(
            text.contains("  SRM   [::]:1  httpg://se.example.org:1/srm/managerv2\n"),
            "{text}"
        );
        assert!(text.contains("  http  127.0.0.1:3  http://localhost:3/\n"), "{text}");
        let tries: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("try: ")).collect();
        assert_eq!(tries.len(), 3);
        assert!(tries[0].contains("/it'\\''s a site "), "{text}");
        assert!(tries[1].ends_with("gfal-ls -l srm://se.example.org:1/demo"), "{text}");
        assert_eq!(tries[2], "http://localhost:3/demo/");
        // What a shell makes of it are the files themselves.
        let words = std::process::Command::new("sh")
            .arg("-c")
            .arg(format!("set -- {}; printf '%s' \"$6\"", tries[0].split_once("--fail").unwrap().1))
            .output()
            .unwrap();
        let key = String::from_utf8(words.stdout).unwrap();
        assert_eq!(Path::new(&key), identity.key.with_file_name("userkey.pem"));
    }
}
