//! ACLs changed by one entry: read, changed, written whole. Who does it holds off others meanwhile.

use std::fs::File;

use super::{Acl, Driver, DriverError, Permission, Subject};

/// Adds what is missing of `wanted`; the ACL that stands then. It is read again, since a mask may take
/// away what was given.
pub fn grant(
    driver: &dyn Driver,
    file: &File,
    wanted: impl IntoIterator<Item = (Subject, Permission)>,
) -> Result<Acl, DriverError> {
    let before = driver.acl(file)?;
    let mut acl = before.clone();
    for (subject, permission) in wanted {
        if !acl.effective(subject).contains(permission) {
            acl.add(subject, permission);
        }
    }
    if acl == before {
        return Ok(acl);
    }
    driver.set_acl(file, &acl)?;
    driver.acl(file)
}

/// Writes an ACL whole, on a file that nobody else knows yet.
pub fn dress(driver: &dyn Driver, file: &File, acl: &Acl) -> Result<(), DriverError> {
    driver.set_acl(file, acl)?;
    if driver.acl(file)? == *acl { Ok(()) } else { Err(DriverError::NotSupported) }
}

/// Puts a subject's entry back to what it was before, unless somebody changed it meanwhile.
pub fn restore(
    driver: &dyn Driver,
    file: &File,
    subject: Subject,
    before: Option<Permission>,
    given: Permission,
) -> Result<(), DriverError> {
    let mut acl = driver.acl(file)?;
    if acl.entry(subject) != Some(given) || before == Some(given) {
        return Ok(());
    }
    acl.set(subject, before);
    driver.set_acl(file, &acl)
}
