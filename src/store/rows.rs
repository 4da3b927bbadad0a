//! Rows to types and back. A value that does not read is an error that names row and column.

use std::str::FromStr;
use std::sync::Arc;

use rusqlite::Row;
use rusqlite::types::FromSql;

use super::{FileRow, Intent, Millis, RequestId, RequestRow, StoreError};
use crate::model::{
    FileKey, FileState, FileStorageType, OverwriteMode, Protocol, RelPath, RequestKind,
    RequestToken, StatusCode,
};

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..)
            | rusqlite::Error::InvalidColumnType(..) => StoreError::Corrupt(error.to_string()),
            error => StoreError::Database(error.to_string()),
        }
    }
}

/// Columns of `requests` that [`request`] reads, by name.
pub(super) const REQUEST_COLUMNS: &str = "id, token, kind, user, fqans, description, created, \
     deadline, pin_lifetime, file_lifetime, storage_type, overwrite, protocols, space_token, \
     starts, suspended, aborted, end_code, ended";

/// Columns of `files` that [`file`] reads, by name.
pub(super) const FILE_COLUMNS: &str = "n, surl, source, area, path, state, code, explanation, size, \
     expected_size, turl_protocol, turl, expires, levels, parent";

/// Reads a row of [`REQUEST_COLUMNS`].
pub(super) fn request(row: &Row<'_>) -> Result<(RequestId, RequestRow), StoreError> {
    let id: i64 = row.get("id")?;
    let bad = |column: &str, value: &str| corrupt(&format!("request {id}"), column, value);
    let token: String = row.get("token")?;
    let fqans: String = row.get("fqans")?;
    let protocols: String = row.get("protocols")?;
    let end_code: Option<StatusCode> =
        optional(row, "end_code", StatusCode::parse).map_err(|value| bad("end_code", &value))?;
    let ended: Option<i64> = row.get("ended")?;
    let request = RequestRow {
        kind: required(row, "kind", RequestKind::parse).map_err(|value| bad("kind", &value))?,
        user: row.get("user")?,
        fqans: serde_json::from_str(&fqans).map_err(|_| bad("fqans", &fqans))?,
        description: row.get("description")?,
        created: Millis(row.get("created")?),
        deadline: row.get::<_, Option<i64>>("deadline")?.map(Millis),
        pin_lifetime: row.get("pin_lifetime")?,
        file_lifetime: row.get("file_lifetime")?,
        storage_type: optional(row, "storage_type", FileStorageType::parse)
            .map_err(|value| bad("storage_type", &value))?,
        overwrite: optional(row, "overwrite", OverwriteMode::parse)
            .map_err(|value| bad("overwrite", &value))?,
        protocols: read_protocols(&protocols).map_err(|value| bad("protocols", &value))?,
        space_token: row.get("space_token")?,
        starts: row.get::<_, Option<i64>>("starts")?.map(Millis),
        suspended: row.get("suspended")?,
        aborted: row.get("aborted")?,
        ended: match (end_code, ended) {
            (Some(code), Some(at)) => Some((code, Millis(at))),
            (None, None) => None,
            _ => return Err(bad("ended", "one of end_code and ended is missing")),
        },
        token: RequestToken::parse(&token).ok_or_else(|| bad("token", &token))?,
    };
    Ok((RequestId(id), request))
}

/// Reads a row of [`FILE_COLUMNS`], of request `id`.
pub(super) fn file(id: RequestId, row: &Row<'_>) -> Result<FileRow, StoreError> {
    let number: i64 = row.get("n")?;
    let bad = |column: &str, value: &str| {
        corrupt(&format!("request {}, file {number}", id.0), column, value)
    };
    let turl: Option<String> = row.get("turl")?;
    let protocol = optional(row, "turl_protocol", |name| Protocol::from_str(name).ok())
        .map_err(|value| bad("turl_protocol", &value))?;
    let key = key(row.get("area")?, row.get("path")?).map_err(|value| bad("path", &value))?;
    Ok(FileRow {
        n: u32::try_from(number).map_err(|_| bad("n", &number.to_string()))?,
        surl: row.get("surl")?,
        source: row.get("source")?,
        key,
        state: required(row, "state", FileState::parse).map_err(|value| bad("state", &value))?,
        code: optional(row, "code", StatusCode::parse).map_err(|value| bad("code", &value))?,
        explanation: row.get("explanation")?,
        size: bytes(row, "size")?,
        expected_size: bytes(row, "expected_size")?,
        turl: match (protocol, turl) {
            (Some(protocol), Some(url)) => Some((protocol, url)),
            (None, None) => None,
            _ => return Err(bad("turl", "one of turl_protocol and turl is missing")),
        },
        expires: row.get::<_, Option<i64>>("expires")?.map(Millis),
        levels: row.get("levels")?,
        parent: row.get("parent")?,
    })
}

/// Reads a row of `intents` without its id and owner.
pub(super) fn intent(id: i64, row: &Row<'_>) -> Result<Intent, StoreError> {
    let bad = |column: &str, value: &str| corrupt(&format!("intent {id}"), column, value);
    let kind: String = row.get("kind")?;
    let path = "hidden_path";
    let key = key(row.get("hidden_area")?, row.get(path)?).map_err(|value| bad(path, &value))?;
    let key = key.ok_or_else(|| bad(path, ""))?;
    let target = || {
        let found =
            file_key(&row.get::<_, String>("target_area")?, &row.get::<_, String>("target_path")?);
        found.ok_or_else(|| bad("target_path", "no path"))
    };
    match kind.as_str() {
        "CHANGE" => Ok(Intent::Change { key, before: bytes(row, "bytes")? }),
        // PUBLISH: written by older programs.
        "DISCARD" | "PUBLISH" => Ok(Intent::Discard { hidden: key }),
        "REMOVE_TREE" => Ok(Intent::RemoveTree { hidden: key, tree: target()? }),
        "MAKE_WAY" => Ok(Intent::MakeWay { hidden: key, tree: target()? }),
        "MOVE" => Ok(Intent::Move { from: key, to: target()? }),
        "DISCARD_TREE" => Ok(Intent::DiscardTree { hidden: key }),
        _ => Err(bad("kind", &kind)),
    }
}

/// The state in a row that names it.
pub(super) fn state(row: &Row<'_>) -> Result<FileState, StoreError> {
    required(row, "state", FileState::parse).map_err(|value| corrupt("a file", "state", &value))
}

/// The state and kind of a file.
pub(super) fn state_and_kind(row: &Row<'_>) -> Result<(FileState, RequestKind), StoreError> {
    let kind = required(row, "kind", RequestKind::parse)
        .map_err(|value| corrupt("a file", "kind", &value))?;
    Ok((state(row)?, kind))
}

/// A row that does not read.
pub(super) fn corrupt(row: &str, column: &str, value: &str) -> StoreError {
    let value: String = value.chars().take(100).collect();
    StoreError::Corrupt(format!("{row}, column {column}: {value:?}"))
}

/// A list of protocols as one text.
pub(super) fn write_protocols(protocols: &[Protocol]) -> String {
    let names: Vec<&str> = protocols.iter().map(|protocol| protocol.as_str()).collect();
    names.join(",")
}

/// What all paths below a directory lie between: `/` is the byte before `0`.
pub(super) fn bounds(path: &RelPath) -> (String, String) {
    (format!("{}/", path.as_str()), format!("{}0", path.as_str()))
}

/// A number of bytes as SQLite keeps it: the same 64 bits. No SQL reckons with it.
pub(super) fn write_bytes(bytes: Option<u64>) -> Option<i64> {
    bytes.map(u64::cast_signed)
}

fn read_protocols(text: &str) -> Result<Vec<Protocol>, String> {
    let names = text.split(',').filter(|name| !name.is_empty());
    names.map(|name| Protocol::from_str(name).map_err(|unknown| unknown.0)).collect()
}

fn bytes(row: &Row<'_>, column: &str) -> Result<Option<u64>, StoreError> {
    Ok(row.get::<_, Option<i64>>(column)?.map(i64::cast_unsigned))
}

fn key(area: Option<String>, path: Option<String>) -> Result<Option<FileKey>, String> {
    match (area, path) {
        (Some(area), Some(path)) => match RelPath::parse(&path) {
            Ok(path) => Ok(Some(FileKey { area: Arc::from(area), path })),
            Err(why) => Err(format!("{path}: {why}")),
        },
        (None, None) => Ok(None),
        _ => Err("one of area and path is missing".to_owned()),
    }
}

/// The key of what stands at `path` of an area; `None` for a path that is none.
pub(super) fn file_key(area: &str, path: &str) -> Option<FileKey> {
    Some(FileKey { area: Arc::from(area), path: RelPath::parse(path).ok()? })
}

fn required<T>(
    row: &Row<'_>,
    column: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, String> {
    let text: String = text(row, column)?;
    parse(&text).ok_or(text)
}

fn optional<T>(
    row: &Row<'_>,
    column: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, String> {
    match text::<Option<String>>(row, column)? {
        Some(text) => parse(&text).map(Some).ok_or(text),
        None => Ok(None),
    }
}

fn text<T: FromSql>(row: &Row<'_>, column: &str) -> Result<T, String> {
    row.get(column).map_err(|error| error.to_string())
}
