//! vomsdir (`/etc/grid-security/vomsdir`): which VOMS servers may speak for which VO. It is read whole at
//! load time, so that no name from a certificate ever becomes a path.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::anchors::certificates;
use super::super::cert::Cert;
use super::super::kept::{Files, warning, wrong};
use super::super::name::Name;
use crate::auth::dn::{comparable_entry, comparable_line};
use crate::config::Problem;

/// The directory's content.
#[derive(Debug, Default)]
pub(crate) struct Vomsdir {
    /// For messages.
    pub(crate) path: PathBuf,
    /// By VO, then by host in lower case.
    lsc: HashMap<String, HashMap<String, Lsc>>,
    /// `*.pem` by VO; those of the directory itself under the empty name.
    pem: HashMap<String, Vec<Cert>>,
}

/// One `<vo>/<host>.lsc`: the chains of DNs a server's certificate may have.
#[derive(Debug)]
pub(crate) struct Lsc {
    /// For messages.
    pub(crate) path: PathBuf,
    /// Per chain: (subject, issuer) of each certificate, comparable.
    chains: Vec<Vec<(String, String)>>,
}

impl Lsc {
    /// True when one of the chains is that of the certificates that came.
    pub(crate) fn matches(&self, certs: &[Cert]) -> bool {
        let is = |name: &Name, line: &str| name.is_plain() && comparable_line(name.line()) == line;
        self.chains.iter().any(|chain| {
            chain.len() == certs.len()
                && chain.iter().zip(certs).all(|((subject, issuer), cert)| {
                    is(&cert.subject, subject) && is(&cert.issuer, issuer)
                })
        })
    }

    /// Lines of subject and issuer in turn, chains parted by `NEXT CHAIN`; blanks and `#` lines are
    /// skipped.
    fn parse(path: &Path, text: &str) -> Result<Self, String> {
        let mut chains = Vec::new();
        let mut lines: Vec<&str> = Vec::new();
        let mut close = |lines: &mut Vec<&str>| -> Result<(), String> {
            if !lines.len().is_multiple_of(2) {
                return Err(
                    "an issuer's line is missing: lines come in pairs, subject and issuer \
                            of each certificate"
                        .to_owned(),
                );
            }
            let pairs = lines.chunks_exact(2);
            let chain: Vec<_> =
                pairs.map(|pair| (comparable_entry(pair[0]), comparable_entry(pair[1]))).collect();
            if !chain.is_empty() {
                chains.push(chain);
            }
            lines.clear();
            Ok(())
        };
        for line in text.lines() {
            let line = line.trim();
            if line.starts_with('-') && line.contains("NEXT CHAIN") {
                close(&mut lines)?;
            } else if line.trim_start_matches('"').starts_with('/') {
                lines.push(line);
            } else if !line.is_empty() && !line.starts_with('#') {
                return Err(format!(
                    "`{}` is no DN in the form /C=.../CN=...",
                    line.escape_debug()
                ));
            }
        }
        close(&mut lines)?;
        if chains.is_empty() {
            return Err("no subject and issuer DN in it".to_owned());
        }
        Ok(Self { path: path.to_owned(), chains })
    }
}

impl Vomsdir {
    /// Reads the directory; what cannot be read is told. A broken LSC stays, and accepts nobody: it
    /// exists, so it decides.
    pub(crate) fn load(path: &Path, files: &mut Files<'_>, problems: &mut Vec<Problem>) -> Self {
        let mut this = Self { path: path.to_owned(), ..Self::default() };
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) => {
                let text =
                    format!("no VOMS servers can be read here ({error}): no VO will be known");
                problems.push(warning(path, text));
                return this;
            }
        };
        for entry in entries.flatten() {
            let file = entry.path();
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            if file.is_dir() && is_file_name(&name) {
                this.load_vo(&file, &name, files, problems);
            } else if let Some("pem") = file.extension().and_then(|end| end.to_str()) {
                this.load_pem(&file, "", files, problems);
            }
        }
        this
    }

    /// The LSC of this server for this VO.
    pub(crate) fn lsc(&self, vo: &str, host: &str) -> Option<&Lsc> {
        self.lsc.get(vo)?.get(&host.to_ascii_lowercase())
    }

    /// Where that LSC would stand.
    pub(crate) fn lsc_path(&self, vo: &str, host: &str) -> PathBuf {
        self.path.join(vo).join(format!("{host}.lsc"))
    }

    /// The certificates of this VO's servers, from the days before LSC files.
    pub(crate) fn certificates(&self, vo: &str) -> impl Iterator<Item = &Cert> {
        let of = |name| self.pem.get(name).map_or(&[][..], Vec::as_slice);
        of(vo).iter().chain(of(""))
    }

    fn load_vo(
        &mut self,
        dir: &Path,
        vo: &str,
        files: &mut Files<'_>,
        problems: &mut Vec<Problem>,
    ) {
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) => {
                problems.push(warning(dir, format!("cannot be read: {error}")));
                return;
            }
        };
        for entry in entries.flatten() {
            let file = entry.path();
            let Some(stem) = file.file_stem().and_then(|stem| stem.to_str()) else { continue };
            match file.extension().and_then(|end| end.to_str()) {
                Some("lsc") => {
                    let broken = || Lsc { path: file.clone(), chains: Vec::new() };
                    let parse =
                        |bytes: &[u8]| match Lsc::parse(&file, &String::from_utf8_lossy(bytes)) {
                            Ok(lsc) => (lsc, Vec::new()),
                            Err(text) => (broken(), vec![wrong(text)]),
                        };
                    let lsc = files.read(&file, problems, parse).unwrap_or_else(broken);
                    let of_vo = self.lsc.entry(vo.to_owned()).or_default();
                    of_vo.insert(stem.to_ascii_lowercase(), lsc);
                }
                Some("pem") => self.load_pem(&file, vo, files, problems),
                _ => {}
            }
        }
    }

    fn load_pem(
        &mut self,
        file: &Path,
        vo: &str,
        files: &mut Files<'_>,
        problems: &mut Vec<Problem>,
    ) {
        // The first certificate is the server's; others are its CAs.
        let parse = |bytes: &[u8]| match certificates(bytes).into_iter().next() {
            Some(Ok(cert)) => (Some(cert), Vec::new()),
            Some(Err(text)) => (None, vec![wrong(text)]),
            None => (None, Vec::new()),
        };
        if let Some(cert) = files.read(file, problems, parse).flatten() {
            self.pem.entry(vo.to_owned()).or_default().push(cert);
        }
    }

    /// The directory named no server at all.
    pub(crate) fn found_none(&self) -> bool {
        self.lsc.is_empty() && self.pem.is_empty()
    }
}

/// True for a VO's or host's name that is harmless as a file name.
pub(crate) fn is_file_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && !name.starts_with('.')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}
