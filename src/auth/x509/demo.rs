//! The demo PKI: a CA, a host and a user certificate, made when storm.toml names none, so that a first
//! start needs no other tool. RSA-2048, which every grid client knows.
//!
//! ```text
//! <dir>/ca.pem  ca-key.pem  hostcert.pem  hostkey.pem  usercert.pem  userkey.pem
//! <dir>/certificates/HHHHHHHH.0  HHHHHHHH.signing_policy      (X509_CERT_DIR for clients; both hash names)
//! ```

use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256, PublicKeyData, RsaKeySize, SanType,
    SerialNumber,
};
use rustls::pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};

use super::anchors::certificates;
use super::cert::Cert;
use super::der::{Reader, oid, tag};
use super::signature::{PublicKey, Strength};
use super::when::seconds;

/// Where everything stands.
#[derive(Clone, Debug)]
pub struct DemoPki {
    /// The CA, for [`super::Trust::load`].
    pub ca: CertificateDer<'static>,
    /// `ca.pem`, for curl and browsers.
    pub ca_file: PathBuf,
    /// The host certificate, PEM.
    pub host_certificate: PathBuf,
    /// Its key, PKCS#8 PEM.
    pub host_key: PathBuf,
    /// A user's certificate, PEM.
    pub user_certificate: PathBuf,
    /// Its key, PKCS#8 PEM.
    pub user_key: PathBuf,
    /// A directory for clients' X509_CERT_DIR.
    pub trust_anchors: PathBuf,
    /// DN of the user.
    pub user_dn: String,
    /// True when something was made anew by this call.
    pub made: bool,
}

/// Why there is no demo PKI.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The directory cannot be written.
    #[error("the demo certificates cannot be written to `{path}`: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The host's name fits into no certificate, or the library failed.
    #[error("the demo certificate for `{host}` cannot be made: {source}")]
    Make {
        /// `[site] host`.
        host: String,
        /// What the library said.
        source: rcgen::Error,
    },
}

/// Makes what is missing, broken, for another host, or within 7 days of its end; leaves the rest as it
/// is. Each file appears whole or not at all.
///
/// # Errors
/// [`DemoError`].
pub fn ensure(dir: &Path, host: &str) -> Result<DemoPki, DemoError> {
    ensure_at(dir, host, SystemTime::now())
}

fn ensure_at(dir: &Path, host: &str, now: SystemTime) -> Result<DemoPki, DemoError> {
    let make = |source| DemoError::Make { host: host.to_owned(), source };
    let anchors = dir.join("certificates");
    make_dir(dir, 0o700)?;
    make_dir(&anchors, 0o755)?;
    let files =
        |name: &str| (dir.join(format!("{name}cert.pem")), dir.join(format!("{name}key.pem")));
    let (ca_file, ca_key) = (dir.join("ca.pem"), dir.join("ca-key.pem"));
    let (host_certificate, host_key) = files("host");
    let (user_certificate, user_key) = files("user");
    let mut made = false;

    let old = Pair::read(&ca_file, &ca_key);
    let ca = match old {
        Some(pair) if pair.lasts(now) => pair,
        old => {
            if let Some(old) = old {
                for hash in [old.cert.subject.hash(), old.cert.subject.old_hash()] {
                    let _ = fs::remove_file(anchors.join(format!("{hash}.0")));
                    let _ = fs::remove_file(anchors.join(format!("{hash}.signing_policy")));
                }
            }
            made = true;
            let key = new_key().map_err(make)?;
            // Two demos on one machine are two CAs.
            let serial = serial();
            let tail: String = serial.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
            let mut params = params(&format!("stormd demo CA {tail}"), &serial, now, 3650);
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            let cert = params.self_signed(&key).map_err(make)?;
            store(&ca_file, &ca_key, &cert.pem(), &key)?;
            Pair::read(&ca_file, &ca_key)
                .ok_or_else(|| make(rcgen::Error::CouldNotParseCertificate))?
        }
    };
    // The issuer's name and key are all that goes into what it signs.
    let ca_name = ca.cert.subject.last_cn().unwrap_or_default();
    let issuer = Issuer::new(params(ca_name, &[], now, 0), &ca.key);

    let names = host_names(host).map_err(make)?;
    let good = |pair: &Pair| {
        pair.lasts(now) && ca.cert.key.verify(&pair.cert.signed, Strength::Normal).is_ok()
    };
    if !Pair::read(&host_certificate, &host_key)
        .is_some_and(|pair| good(&pair) && has_names(&pair.cert, &names))
    {
        made = true;
        let mut params = params(host, &serial(), now, 365);
        params.subject_alt_names = names;
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        sign(params, &issuer, &host_certificate, &host_key, host)?;
    }
    if !Pair::read(&user_certificate, &user_key).is_some_and(|pair| good(&pair)) {
        made = true;
        let mut params = params("Demo User", &serial(), now, 365);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        sign(params, &issuer, &user_certificate, &user_key, host)?;
    }

    let policy = format!(
        "# what the CA may sign, for Globus clients\naccess_id_CA X509 '{}'\npos_rights globus CA:sign\n\
         cond_subjects globus '\"/O={ORGANISATION}/*\"'\n",
        ca.cert.subject.line()
    );
    let pem =
        fs::read(&ca_file).map_err(|source| DemoError::Io { path: ca_file.clone(), source })?;
    for hash in [ca.cert.subject.hash(), ca.cert.subject.old_hash()] {
        let files = [("0", pem.as_slice()), ("signing_policy", policy.as_bytes())];
        for (end, content) in files {
            let path = anchors.join(format!("{hash}.{end}"));
            if fs::read(&path).ok().as_deref() != Some(content) {
                write(&path, content, 0o644)?;
            }
        }
    }
    Ok(DemoPki {
        ca: ca.cert.der.clone(),
        ca_file,
        host_certificate,
        host_key,
        user_certificate,
        user_key,
        trust_anchors: anchors,
        user_dn: format!("/O={ORGANISATION}/CN=Demo User"),
        made,
    })
}

/// A certificate and the key that belongs to it.
struct Pair {
    cert: Cert,
    key: KeyPair,
}

impl Pair {
    /// `None` when a file is missing or broken, or the two do not belong together (a crash came between).
    fn read(cert: &Path, key: &Path) -> Option<Self> {
        let cert = certificates(&fs::read(cert).ok()?).into_iter().next()?.ok()?;
        let key = KeyPair::from_pem(&fs::read_to_string(key).ok()?).ok()?;
        let public = PublicKey::parse(&key.subject_public_key_info()).ok()?;
        (cert.key == public).then_some(Self { cert, key })
    }

    fn lasts(&self, now: SystemTime) -> bool {
        let now = seconds(now);
        self.cert.not_before <= now && self.cert.not_after > now + 7 * 86_400
    }
}

fn sign(
    mut params: CertificateParams,
    issuer: &Issuer<'_, &KeyPair>,
    cert_file: &Path,
    key_file: &Path,
    host: &str,
) -> Result<(), DemoError> {
    let make = |source| DemoError::Make { host: host.to_owned(), source };
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.use_authority_key_identifier_extension = true;
    let key = new_key().map_err(make)?;
    let cert = params.signed_by(&key, issuer).map_err(make)?;
    store(cert_file, key_file, &cert.pem(), &key)
}

fn store(cert_file: &Path, key_file: &Path, pem: &str, key: &KeyPair) -> Result<(), DemoError> {
    write(key_file, key.serialize_pem().as_bytes(), 0o600)?;
    write(cert_file, pem.as_bytes(), 0o644)
}

fn new_key() -> Result<KeyPair, rcgen::Error> {
    KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)
}

fn params(cn: &str, serial: &[u8], now: SystemTime, days: i64) -> CertificateParams {
    let now = OffsetDateTime::from(now);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, ORGANISATION);
    params.distinguished_name.push(DnType::CommonName, cn);
    params.serial_number = Some(SerialNumber::from_slice(serial));
    // A client whose clock is a little behind shall not be puzzled.
    params.not_before = now - Duration::hours(1);
    params.not_after = now + Duration::days(days);
    params
}

/// 16 random bytes that make a positive INTEGER.
fn serial() -> Vec<u8> {
    let mut bytes = uuid::Uuid::new_v4().into_bytes().to_vec();
    bytes[0] = bytes[0] & 0x7f | 0x40;
    bytes
}

/// The names by which clients may reach this machine. The machine's own is there because some clients
/// compare with what a reverse look-up of the address says.
fn host_names(host: &str) -> Result<Vec<SanType>, rcgen::Error> {
    let mut names = CertificateParams::new(vec![host.to_owned()])?.subject_alt_names;
    let own = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    for name in own.into_iter().chain(["localhost".to_owned()]) {
        if let Ok(name) = name.try_into() {
            names.push(SanType::DnsName(name));
        }
    }
    names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    names.push(SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)));
    let mut each_once: Vec<SanType> = Vec::new();
    for name in names {
        if !each_once.contains(&name) {
            each_once.push(name);
        }
    }
    Ok(each_once)
}

fn has_names(cert: &Cert, names: &[SanType]) -> bool {
    let Some(extension) = cert.extension(oid::SUBJECT_ALT_NAME) else { return false };
    let Ok(mut list) = Reader::sequence(&extension.value) else { return false };
    let mut there: Vec<(u8, &[u8])> = Vec::new();
    while let Ok(name) = list.next() {
        there.push((name.tag, name.value));
    }
    names.iter().all(|name| match name {
        SanType::DnsName(name) => {
            there.contains(&(tag::context_primitive(2), name.as_str().as_bytes()))
        }
        SanType::IpAddress(IpAddr::V4(ip)) => {
            there.contains(&(tag::context_primitive(7), &ip.octets()))
        }
        SanType::IpAddress(IpAddr::V6(ip)) => {
            there.contains(&(tag::context_primitive(7), &ip.octets()))
        }
        _ => false,
    })
}

fn make_dir(path: &Path, mode: u32) -> Result<(), DemoError> {
    let io = |source| DemoError::Io { path: path.to_owned(), source };
    fs::DirBuilder::new().recursive(true).mode(mode).create(path).map_err(io)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(io)
}

/// Writes beside and renames, so that a crash leaves the old file or the new one.
fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), DemoError> {
    let io = |source| DemoError::Io { path: path.to_owned(), source };
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    // A leftover of a crash may bear another mode.
    let _ = fs::remove_file(&beside);
    let open = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside);
    let mut file = open.map_err(io)?;
    file.set_permissions(fs::Permissions::from_mode(mode)).map_err(io)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(io)?;
    fs::rename(&beside, path).map_err(io)?;
    let parent = path.parent().unwrap_or(Path::new("."));
    fs::File::open(parent).and_then(|dir| dir.sync_all()).map_err(io)
}

const ORGANISATION: &str = "stormd demo";

#[cfg(test)]
#[path = "demo_tests.rs"]
mod tests;
