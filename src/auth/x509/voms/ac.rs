//! The attribute certificate as VOMS writes it (RFC 5755, with VOMS' own attribute and extensions).

use super::super::cert::{Cert, Extension, extensions, find, time};
use super::super::der::{DerError, Reader, oid, small_integer, tag, without_zeros};
use super::super::name::Name;
use super::super::signature::Signed;

/// Who an attribute certificate belongs to.
#[derive(Debug)]
pub(crate) enum HolderName {
    /// baseCertificateID.
    Certificate { names: Vec<Name>, serial: Vec<u8> },
    /// entityName.
    Entity(Vec<Name>),
    /// objectDigestInfo, or nothing.
    Unknown,
}

/// One attribute certificate, read strictly; nothing of it is checked yet.
#[derive(Debug)]
pub(crate) struct AttributeCertificate {
    pub(crate) signed: Signed,
    pub(crate) holder: HolderName,
    pub(crate) issuer: Name,
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
    /// `vo://host:port`
    pub(crate) authority: String,
    /// As written, in order.
    pub(crate) fqans: Vec<String>,
    pub(crate) extensions: Vec<Extension>,
}

/// The attribute certificates of the proxy extension: `SEQUENCE OF SEQUENCE OF AttributeCertificate`.
pub(crate) fn split(der: &[u8]) -> Result<Vec<&[u8]>, DerError> {
    let mut outer = Reader::sequence(der)?;
    let mut list = Vec::new();
    while !outer.is_empty() {
        let mut inner = Reader::new(outer.expect(tag::SEQUENCE)?);
        while !inner.is_empty() {
            list.push(inner.next()?.whole);
        }
    }
    Ok(list)
}

impl AttributeCertificate {
    /// Reads one, all of `der`.
    pub(crate) fn parse(der: &[u8]) -> Result<Self, DerError> {
        let signed = Signed::parse(der)?;
        let mut info = Reader::sequence(&signed.message)?;
        if small_integer(info.expect(tag::INTEGER)?)? != 1 {
            return Err(DerError);
        }
        let holder = holder(info.expect(tag::SEQUENCE)?)?;
        // AttCertIssuer: v2Form is [0] IMPLICIT V2Form; the first field of that is GeneralNames.
        let mut form = Reader::new(info.expect(tag::context(0))?);
        let issuer = directory_names(form.expect(tag::SEQUENCE)?)?.into_iter().next();
        if info.expect(tag::SEQUENCE)? != signed.algorithm {
            return Err(DerError);
        }
        info.expect(tag::INTEGER)?;
        let mut validity = Reader::new(info.expect(tag::SEQUENCE)?);
        let not_before = time(&mut validity)?;
        let not_after = time(&mut validity)?;
        validity.finish()?;
        let (authority, fqans) = attributes(info.expect(tag::SEQUENCE)?)?;
        info.optional(tag::BIT_STRING)?;
        let extensions = if info.is_empty() { Vec::new() } else { extensions(info.next()?.whole)? };
        info.finish()?;
        Ok(Self {
            signed,
            holder,
            issuer: issuer.ok_or(DerError)?,
            not_before,
            not_after,
            authority,
            fqans,
            extensions,
        })
    }

    /// The certificates of the attribute authority that came along, its own first: `SEQUENCE { SEQUENCE OF
    /// Certificate }`.
    pub(crate) fn aa_certs(&self) -> Result<Vec<Cert>, DerError> {
        let Some(extension) = find(&self.extensions, oid::VOMS_AA_CERTS) else {
            return Ok(Vec::new());
        };
        let mut outer = Reader::sequence(&extension.value)?;
        let mut list = Reader::new(outer.expect(tag::SEQUENCE)?);
        outer.finish()?;
        let mut certs = Vec::new();
        while !list.is_empty() {
            if certs.len() == MAX_AA_CERTS {
                return Err(DerError);
            }
            certs.push(Cert::parse(list.next()?.whole)?);
        }
        Ok(certs)
    }

    /// authorityKeyIdentifier must be there and name `signer`, by key or by issuer and serial.
    pub(crate) fn key_id_names(&self, signer: &Cert) -> Result<(), String> {
        let extension = find(&self.extensions, oid::AUTHORITY_KEY_ID)
            .ok_or("the attribute certificate lacks authorityKeyIdentifier")?;
        let names = || -> Result<bool, DerError> {
            let mut fields = Reader::sequence(&extension.value)?;
            if let Some(id) = fields.optional(tag::context_primitive(0))? {
                return Ok(id == signer.key.identifier());
            }
            let names = directory_names(fields.expect(tag::context(1))?)?;
            let serial = without_zeros(fields.expect(tag::context_primitive(2))?);
            Ok(names.contains(&signer.issuer) && serial == signer.serial)
        };
        match names() {
            Ok(true) => Ok(()),
            Ok(false) => Err(format!(
                "authorityKeyIdentifier is not that of the VOMS server `{}`",
                signer.subject.line()
            )),
            Err(_) => Err("authorityKeyIdentifier cannot be read".to_owned()),
        }
    }
}

fn holder(content: &[u8]) -> Result<HolderName, DerError> {
    let mut holder = Reader::new(content);
    if let Some(base) = holder.optional(tag::context(0))? {
        let mut base = Reader::new(base);
        let names = directory_names(base.expect(tag::SEQUENCE)?)?;
        let serial = without_zeros(base.expect(tag::INTEGER)?).to_vec();
        return Ok(HolderName::Certificate { names, serial });
    }
    match holder.optional(tag::context(1))? {
        Some(entity) => Ok(HolderName::Entity(directory_names(entity)?)),
        None => Ok(HolderName::Unknown),
    }
}

/// The directory names among GeneralNames.
fn directory_names(content: &[u8]) -> Result<Vec<Name>, DerError> {
    let mut list = Reader::new(content);
    let mut names = Vec::new();
    while !list.is_empty() {
        let name = list.next()?;
        if name.tag == tag::context(4) {
            names.push(Name::parse(name.value)?);
        }
    }
    Ok(names)
}

/// The one IetfAttrSyntax with one policyAuthority: it and its values.
fn attributes(content: &[u8]) -> Result<(String, Vec<String>), DerError> {
    let mut list = Reader::new(content);
    let mut found = None;
    while !list.is_empty() {
        let mut attribute = Reader::new(list.expect(tag::SEQUENCE)?);
        if attribute.expect(tag::OID)? != oid::VOMS_FQANS {
            continue;
        }
        let mut values = Reader::new(attribute.expect(tag::SET)?);
        let mut syntax = Reader::new(values.expect(tag::SEQUENCE)?);
        values.finish()?;
        let mut names = Reader::new(syntax.expect(tag::context(0))?);
        let authority = text(names.expect(tag::context_primitive(6))?)?;
        names.finish()?;
        let mut list = Reader::new(syntax.expect(tag::SEQUENCE)?);
        let mut fqans = Vec::new();
        while !list.is_empty() {
            if fqans.len() == MAX_FQANS {
                return Err(DerError);
            }
            fqans.push(text(list.expect(tag::OCTET_STRING)?)?);
        }
        syntax.finish()?;
        if found.replace((authority, fqans)).is_some() {
            return Err(DerError);
        }
    }
    found.ok_or(DerError)
}

fn text(bytes: &[u8]) -> Result<String, DerError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| DerError)
}

const MAX_AA_CERTS: usize = 8;
const MAX_FQANS: usize = 1000;
