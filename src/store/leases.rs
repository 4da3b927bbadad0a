//! Rights on files that are lent to local accounts while a request lives (JiT areas), and what the
//! ACLs said before: written ahead of the disk, so that a start finds what to take back.

use rusqlite::{Connection, params};

use super::rows::corrupt;
use super::{RequestId, StoreError};
use crate::fsdriver::Permission;
use crate::model::{FileKey, RelPath};

/// A file request that lends something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseRow {
    /// The request.
    pub request: RequestId,
    /// The file in it.
    pub n: u32,
    /// The local account.
    pub uid: u32,
    /// What its TURL names.
    pub key: FileKey,
}

/// Number of a [`LentRow`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LentId(pub i64);

/// An ACL entry that stands as long as a lease needs it: on a file, or a directory on the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LentRow {
    /// Its number: a later entry on the same path has a greater one.
    pub id: LentId,
    /// The local account it names.
    pub uid: u32,
    /// Where it stands.
    pub key: FileKey,
    /// The account's entry before.
    pub before: Option<Permission>,
    /// The account's entry meanwhile.
    pub given: Permission,
}

/// All that is lent.
pub type Lent = (Vec<LeaseRow>, Vec<LentRow>);

/// Writes entries as they are now, whatever was known of them.
pub(super) fn relend(
    connection: &Connection,
    owner: &str,
    entries: &[LentRow],
) -> Result<(), StoreError> {
    write_entries(connection, owner, entries, "before = excluded.before, given = excluded.given")
}

pub(super) fn lend(
    connection: &Connection,
    owner: &str,
    leases: &[LeaseRow],
    entries: &[LentRow],
) -> Result<(), StoreError> {
    let mut insert = connection.prepare_cached(
        "INSERT OR REPLACE INTO acl_leases (owner, request, n, uid, area, path)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for LeaseRow { request, n, uid, key } in leases {
        insert.execute((owner, request.0, n, uid, &*key.area, key.path.as_str()))?;
    }
    write_entries(connection, owner, entries, "given = given | excluded.given")
}

fn write_entries(
    connection: &Connection,
    owner: &str,
    entries: &[LentRow],
    known: &str,
) -> Result<(), StoreError> {
    let mut insert = connection.prepare_cached(&format!(
        "INSERT INTO acl_entries (owner, id, uid, area, path, before, given)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (owner, id) DO UPDATE SET {known}"
    ))?;
    for entry in entries {
        insert.execute(params![
            owner,
            entry.id.0,
            entry.uid,
            &*entry.key.area,
            entry.key.path.as_str(),
            entry.before.map(Permission::bits),
            entry.given.bits(),
        ])?;
    }
    Ok(())
}

pub(super) fn give_back(
    connection: &Connection,
    owner: &str,
    leases: &[(RequestId, u32)],
    entries: &[LentId],
) -> Result<(), StoreError> {
    let mut delete =
        connection.prepare_cached("DELETE FROM acl_leases WHERE request = ?1 AND n = ?2")?;
    for (request, n) in leases {
        delete.execute((request.0, n))?;
    }
    let mut delete =
        connection.prepare_cached("DELETE FROM acl_entries WHERE owner = ?1 AND id = ?2")?;
    for id in entries {
        delete.execute((owner, id.0))?;
    }
    Ok(())
}

pub(super) fn moved(
    connection: &Connection,
    owner: &str,
    entries: &[(LentId, RelPath)],
) -> Result<(), StoreError> {
    let mut update = connection
        .prepare_cached("UPDATE acl_entries SET path = ?3 WHERE owner = ?1 AND id = ?2")?;
    for (id, path) in entries {
        update.execute((owner, id.0, path.as_str()))?;
    }
    Ok(())
}

pub(super) fn lent(connection: &Connection, owner: &str) -> Result<Lent, StoreError> {
    let mut select = connection
        .prepare_cached("SELECT request, n, uid, area, path FROM acl_leases WHERE owner = ?1")?;
    let mut found = select.query([owner])?;
    let mut leases = Vec::new();
    while let Some(row) = found.next()? {
        let key = key(&row.get::<_, String>(3)?, &row.get::<_, String>(4)?)?;
        let request = RequestId(row.get(0)?);
        leases.push(LeaseRow { request, n: row.get(1)?, uid: row.get(2)?, key });
    }
    let mut select = connection.prepare_cached(
        "SELECT id, uid, area, path, before, given FROM acl_entries WHERE owner = ?1 ORDER BY id",
    )?;
    let mut found = select.query([owner])?;
    let mut entries = Vec::new();
    while let Some(row) = found.next()? {
        let key = key(&row.get::<_, String>(2)?, &row.get::<_, String>(3)?)?;
        entries.push(LentRow {
            id: LentId(row.get(0)?),
            uid: row.get(1)?,
            key,
            before: row.get::<_, Option<u32>>(4)?.map(Permission::from_bits),
            given: Permission::from_bits(row.get(5)?),
        });
    }
    Ok((leases, entries))
}

fn key(area: &str, path: &str) -> Result<FileKey, StoreError> {
    let path = RelPath::parse(path).map_err(|_| corrupt("an ACL lease", "path", path))?;
    Ok(FileKey { area: area.into(), path })
}
