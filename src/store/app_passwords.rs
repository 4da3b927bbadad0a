//! App passwords, so that they outlive a restart. While the daemon runs they are looked up in memory;
//! here is what a start reads.

use rusqlite::{Connection, params};

use super::rows::corrupt;
use super::writer::Lane;
use super::{Millis, Store, StoreError};

/// An app password, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppPasswordRow {
    /// The user name that goes with it.
    pub user: String,
    /// Of the password: argon2id, in the PHC string format.
    pub hash: String,
    /// What its maker calls it.
    pub name: String,
    /// Whose it is: the DN.
    pub dn: String,
    /// The FQANs that he had when he made it.
    pub fqans: Vec<String>,
    /// StFNs: what it is for lies at or below them; none: everything.
    pub paths: Vec<String>,
    /// It is for reading and writing; otherwise for reading alone.
    pub write: bool,
    /// When it was made.
    pub made: Millis,
    /// When it ends.
    pub ends: Millis,
    /// When it was last used, give or take a minute.
    pub used: Option<Millis>,
}

impl Store {
    /// Writes down a new app password, durably.
    pub async fn keep_app_password(&self, row: AppPasswordRow) -> Result<(), StoreError> {
        self.write(1, move |connection| keep(connection, &row)).await
    }

    /// Forgets an app password, durably.
    pub async fn drop_app_password(&self, user: String) -> Result<(), StoreError> {
        let sql = "DELETE FROM app_passwords WHERE user = ?1";
        let work = move |connection: &Connection| {
            connection.prepare_cached(sql)?.execute([&user])?;
            Ok(())
        };
        self.write(1, work).await
    }

    /// Notes that one was used. Nobody waits for it: a crash may cost it.
    pub async fn app_password_used(&self, user: String, at: Millis) -> Result<(), StoreError> {
        let sql = "UPDATE app_passwords SET used = ?2 WHERE user = ?1";
        let work = move |connection: &Connection| {
            connection.prepare_cached(sql)?.execute((&user, at.0))?;
            Ok(())
        };
        self.inner.writer.cast(Lane::Standing(1), work).await
    }

    /// All app passwords.
    pub async fn app_passwords(&self) -> Result<Vec<AppPasswordRow>, StoreError> {
        self.write(1, all).await
    }
}

fn keep(connection: &Connection, row: &AppPasswordRow) -> Result<(), StoreError> {
    let list = |texts: &[String]| {
        serde_json::to_string(texts).map_err(|error| StoreError::Database(error.to_string()))
    };
    connection
        .prepare_cached(
            "INSERT INTO app_passwords
                 (user, hash, name, dn, fqans, paths, write, made, ends, used)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            row.user,
            row.hash,
            row.name,
            row.dn,
            list(&row.fqans)?,
            list(&row.paths)?,
            row.write,
            row.made.0,
            row.ends.0,
            row.used.map(|at| at.0),
        ])?;
    Ok(())
}

fn all(connection: &Connection) -> Result<Vec<AppPasswordRow>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT user, hash, name, dn, fqans, paths, write, made, ends, used FROM app_passwords",
    )?;
    let mut found = statement.query([])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let list = |column: &'static str| {
            let text: String = row.get(column)?;
            let read = serde_json::from_str::<Vec<String>>(&text);
            read.map_err(|_| corrupt("an app password", column, &text))
        };
        rows.push(AppPasswordRow {
            user: row.get("user")?,
            hash: row.get("hash")?,
            name: row.get("name")?,
            dn: row.get("dn")?,
            fqans: list("fqans")?,
            paths: list("paths")?,
            write: row.get("write")?,
            made: Millis(row.get("made")?),
            ends: Millis(row.get("ends")?),
            used: row.get::<_, Option<i64>>("used")?.map(Millis),
        });
    }
    Ok(rows)
}
