//! Opens the database file, and brings its tables up to date.

use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::StoreError;

/// `stor` in ASCII: marks the file as ours.
const APPLICATION_ID: i64 = 0x7374_6f72;
/// How long another process may keep the file locked.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// Statements kept prepared per connection.
const STATEMENTS: usize = 64;

/// Each step leads from the schema of its index to the next; steps are only ever added.
pub(super) const MIGRATIONS: &[&str] = &[
    V1,
    V2,
    V3,
    V4,
    SPACES,
    COPIES,
    LISTINGS,
    ARRIVALS,
    RELEASES_AND_ROOTS,
    WEBDAV,
    APP_PASSWORDS,
];

/// `live` is 1 until the file's state is final for its kind. `kind` and `owner` of a file repeat its
/// request's, for the partial indices. Times are milliseconds since 1970; sizes are the 64 bits of
/// an unsigned number.
const V1: &str = "
CREATE TABLE meta (
    version INTEGER PRIMARY KEY,
    program TEXT NOT NULL,
    at TEXT NOT NULL
) STRICT;

CREATE TABLE requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    token TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    kind TEXT NOT NULL,
    user TEXT NOT NULL,
    fqans TEXT NOT NULL,
    description TEXT,
    created INTEGER NOT NULL,
    deadline INTEGER,
    pin_lifetime INTEGER NOT NULL,
    file_lifetime INTEGER,
    storage_type TEXT,
    overwrite TEXT,
    protocols TEXT NOT NULL,
    space_token TEXT,
    aborted INTEGER NOT NULL,
    end_code TEXT,
    ended INTEGER
) STRICT;
CREATE INDEX requests_open ON requests (owner, id) WHERE ended IS NULL;
CREATE INDEX requests_ended ON requests (owner, ended) WHERE ended IS NOT NULL;

CREATE TABLE files (
    request INTEGER NOT NULL,
    n INTEGER NOT NULL,
    owner TEXT NOT NULL,
    kind TEXT NOT NULL,
    surl TEXT NOT NULL,
    area TEXT,
    path TEXT,
    state TEXT NOT NULL,
    live INTEGER NOT NULL,
    code TEXT,
    explanation TEXT NOT NULL,
    size INTEGER,
    expected_size INTEGER,
    turl_protocol TEXT,
    turl TEXT,
    expires INTEGER,
    PRIMARY KEY (request, n)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX files_live_put ON files (area, path)
    WHERE kind = 'PREPARE_TO_PUT' AND state = 'SPACE_AVAILABLE';
CREATE INDEX files_due ON files (owner, expires) WHERE expires IS NOT NULL AND live = 1;

CREATE TABLE area_tokens (
    area TEXT PRIMARY KEY,
    token TEXT NOT NULL UNIQUE
) STRICT, WITHOUT ROWID;

CREATE TABLE intents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    owner TEXT NOT NULL,
    kind TEXT NOT NULL,
    hidden_area TEXT NOT NULL,
    hidden_path TEXT NOT NULL,
    target_area TEXT,
    target_path TEXT
) STRICT;
";

/// `request` and `n` name a file; permissions are the three bits of a mode, `before` is NULL where
/// there was no entry.
const V2: &str = "
CREATE TABLE acl_leases (
    owner TEXT NOT NULL,
    request INTEGER NOT NULL,
    n INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    area TEXT NOT NULL,
    path TEXT NOT NULL,
    PRIMARY KEY (request, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE acl_entries (
    owner TEXT NOT NULL,
    id INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    area TEXT NOT NULL,
    path TEXT NOT NULL,
    before INTEGER,
    given INTEGER NOT NULL,
    PRIMARY KEY (owner, id)
) STRICT, WITHOUT ROWID;
";

/// Bytes are signed here: what was counted and what changed may cross zero on the way. `bytes` of an
/// intent: what a file held before; NULL, nothing was there.
const V3: &str = "
ALTER TABLE intents ADD COLUMN bytes INTEGER;

CREATE TABLE area_usage (
    area TEXT PRIMARY KEY,
    used INTEGER NOT NULL,
    scanned INTEGER,
    drift INTEGER NOT NULL,
    scanning INTEGER NOT NULL DEFAULT 0,
    scan_after TEXT,
    counted INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
    owner TEXT PRIMARY KEY,
    boot TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

/// A request may be suspended, or begin later than it came; a file may be a directory of `levels` to
/// look through, or have been found in the one that stands at `parent`.
const V4: &str = "
ALTER TABLE requests ADD COLUMN suspended INTEGER NOT NULL DEFAULT 0;
ALTER TABLE requests ADD COLUMN starts INTEGER;
ALTER TABLE files ADD COLUMN levels INTEGER;
ALTER TABLE files ADD COLUMN parent INTEGER;
CREATE INDEX requests_of_user ON requests (user, id);
CREATE INDEX requests_described ON requests (user, description, id)
    WHERE description IS NOT NULL;
";

/// Only files that are in a reserved space, or have a lifetime, have a record. `lifetime` is in seconds,
/// -1 for none; `expires` is NULL where there is no end. What a space uses is the sum of its records.
const SPACES: &str = "
CREATE TABLE spaces (
    token TEXT PRIMARY KEY,
    area TEXT NOT NULL,
    user TEXT NOT NULL,
    fqans TEXT NOT NULL,
    description TEXT,
    retention TEXT NOT NULL,
    latency TEXT NOT NULL,
    total INTEGER NOT NULL,
    guaranteed INTEGER NOT NULL,
    created INTEGER NOT NULL,
    lifetime INTEGER NOT NULL,
    expires INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE space_grants (
    request INTEGER PRIMARY KEY,
    space TEXT NOT NULL,
    retention TEXT NOT NULL,
    latency TEXT NOT NULL,
    total INTEGER NOT NULL,
    guaranteed INTEGER NOT NULL,
    lifetime INTEGER NOT NULL
) STRICT;

CREATE TABLE file_records (
    area TEXT NOT NULL,
    path TEXT NOT NULL,
    space TEXT,
    storage_type TEXT NOT NULL,
    lifetime INTEGER NOT NULL,
    expires INTEGER,
    size INTEGER NOT NULL,
    PRIMARY KEY (area, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX file_records_space ON file_records (space) WHERE space IS NOT NULL;
CREATE INDEX file_records_due ON file_records (expires, area, path)
    WHERE storage_type = 'VOLATILE' AND expires IS NOT NULL;
";

/// A copy reads `source`; while it is under way its target is nobody else's.
const COPIES: &str = "
ALTER TABLE files ADD COLUMN source TEXT;
DROP INDEX files_live_put;
CREATE UNIQUE INDEX files_live_put ON files (area, path)
    WHERE (kind = 'PREPARE_TO_PUT' AND state = 'SPACE_AVAILABLE')
        OR (kind = 'COPY' AND state = 'INPROGRESS');
";

/// What a srmLs with a token asked for: `skip` entries are passed over, and `most` are told; NULL, all.
const LISTINGS: &str = "
CREATE TABLE listings (
    request INTEGER PRIMARY KEY,
    levels INTEGER NOT NULL,
    skip INTEGER NOT NULL,
    most INTEGER,
    full INTEGER NOT NULL
) STRICT;
";

/// Requests of which not all files are written yet.
const ARRIVALS: &str = "
CREATE TABLE arrivals (
    request INTEGER PRIMARY KEY,
    owner TEXT NOT NULL
) STRICT;
";

/// A space whose release has begun takes nothing in; with an end, that is when what has a lifetime in it
/// reached its end. What an area holds was counted in its root.
const RELEASES_AND_ROOTS: &str = "
ALTER TABLE spaces ADD COLUMN releasing INTEGER NOT NULL DEFAULT 0;
ALTER TABLE spaces ADD COLUMN release_end INTEGER;
ALTER TABLE area_usage ADD COLUMN root TEXT;
";

/// `element` is the whole property as XML; `owner` is what the client said of itself, as XML.
const WEBDAV: &str = "
CREATE TABLE dav_properties (
    area TEXT NOT NULL,
    path TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    element TEXT NOT NULL,
    PRIMARY KEY (area, path, namespace, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE dav_locks (
    token TEXT PRIMARY KEY,
    area TEXT NOT NULL,
    path TEXT NOT NULL,
    root TEXT NOT NULL,
    user TEXT NOT NULL,
    exclusive INTEGER NOT NULL,
    infinite INTEGER NOT NULL,
    owner TEXT NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

const APP_PASSWORDS: &str = "
CREATE TABLE app_passwords (
    user TEXT PRIMARY KEY,
    hash TEXT NOT NULL,
    name TEXT NOT NULL,
    dn TEXT NOT NULL,
    fqans TEXT NOT NULL,
    paths TEXT NOT NULL,
    write INTEGER NOT NULL,
    made INTEGER NOT NULL,
    ends INTEGER NOT NULL,
    used INTEGER
) STRICT, WITHOUT ROWID;
";

/// The writer's connection, to a file that exists from now on, has mode 0600 if it is new (SQLite
/// gives the same mode to `-wal` and `-shm`), and holds the tables of today.
pub(super) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let failed = |why: String| StoreError::Open { path: path.to_owned(), why };
    create(path).map_err(|error| failed(error.to_string()))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection =
        Connection::open_with_flags(path, flags).map_err(|error| failed(error.to_string()))?;
    // Before anything is changed: it may be a file of somebody else.
    check(&connection, path)?;
    prepare(&connection).map_err(|error| failed(error.to_string()))?;
    migrate(&mut connection, path)?;
    Ok(connection)
}

/// A connection that only brings the log over.
pub(super) fn open_checkpointer(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
}

/// A reader's connection, which cannot change anything.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(LOCK_WAIT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

fn create(path: &Path) -> std::io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => {
            // The umask may have taken away what the owner needs.
            file.set_permissions(Permissions::from_mode(0o600))?;
            file.sync_all()?;
            match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
                _ => File::open(".")?.sync_all(),
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(LOCK_WAIT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    // A commit that was told to somebody outlives a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -16_384)?;
    connection.pragma_update_and_check(None, "journal_size_limit", 64 << 20, |_| Ok(()))
}

/// The schema of the file, which must be ours or empty, and no newer than this program.
fn check(connection: &Connection, path: &Path) -> Result<usize, StoreError> {
    let failed = |why: String| StoreError::Open { path: path.to_owned(), why };
    let number = |sql| {
        connection
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .map_err(|error| failed(error.to_string()))
    };
    let found = number("PRAGMA user_version")?;
    let ours = number("PRAGMA application_id")? == APPLICATION_ID;
    if !ours && number("SELECT count(*) FROM sqlite_schema")? > 0 {
        return Err(failed("it is a database of another program: move it away".to_owned()));
    }
    match usize::try_from(found) {
        Ok(version) if version <= MIGRATIONS.len() => Ok(version),
        _ => {
            let known = MIGRATIONS.len() as i64;
            Err(StoreError::Newer { path: path.to_owned(), found, known })
        }
    }
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let failed =
        |error: rusqlite::Error| StoreError::Open { path: path.to_owned(), why: error.to_string() };
    // The lock comes first: two daemons may start at once.
    let tx =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let found = check(&tx, path)?;
    for (version, sql) in (1_i64..).zip(MIGRATIONS).skip(found) {
        tx.execute_batch(sql).map_err(failed)?;
        tx.execute(
            "INSERT INTO meta (version, program, at) VALUES (?1, ?2, datetime('now'))",
            (version, env!("CARGO_PKG_VERSION")),
        )
        .map_err(failed)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
        tx.pragma_update(None, "user_version", version).map_err(failed)?;
    }
    tx.commit().map_err(failed)
}
