//! The end: everybody has ended what he began, so nothing may be left of it.

use std::sync::Arc;

use rustls::ClientConfig;

use crate::common::{TestStorm, leftovers};
use crate::common::{soap, usage};
use crate::spaces::{element, reserving, strings};
use crate::tally::Tally;

/// Counts what is left of requests that have all ended.
pub async fn judge(storm: &mut TestStorm, who: &Arc<ClientConfig>, tally: &Tally) {
    let inner = format!(
        "{}<allLevelRecursive>true</allLevelRecursive>",
        soap::surls(&[storm.surl("/test.vo")])
    );
    let mut answer = soap::once(who, storm.ports.srm, "srmLs", &inner).await.unwrap();
    if let Some(token) = answer.token.as_deref().map(soap::token) {
        while ["SRM_REQUEST_QUEUED", "SRM_REQUEST_INPROGRESS"].contains(&&*answer.code) {
            let asked = soap::once(who, storm.ports.srm, "srmStatusOfLsRequest", &token);
            answer = asked.await.unwrap();
        }
    }
    for detail in answer.xml.split("<pathDetailArray").skip(1) {
        let code = soap::text(detail, "statusCode").unwrap_or_default();
        if code != "SRM_SUCCESS" {
            tally.wrong("stuck", format!("{:?} is {code}", soap::text(detail, "path")));
        }
    }
    let (known, held) = (usage::used(storm, "TESTVO").await, usage::held(&storm.root("test.vo")));
    if known != held {
        tally.wrong("drift", format!("{held} bytes are there, {known} are known"));
    }
    // Nothing is promised to anybody: what is left can be reserved to the last byte.
    for (class, free) in [("REPLICA", crate::AREA - held), ("OUTPUT", crate::reserving::POOL)] {
        let mut codes = Vec::new();
        for bytes in [free, 1] {
            let inner = reserving(class, bytes, bytes, "the end");
            let answer = soap::once(who, storm.ports.srm, "srmReserveSpace", &inner).await.unwrap();
            codes.push(answer.code);
        }
        if codes != ["SRM_SUCCESS", "SRM_NO_FREE_SPACE"] {
            tally.wrong("drift", format!("{free} bytes of {class} should be free: {codes:?}"));
        }
        let inner = element("userSpaceTokenDescription", "the end");
        let found = soap::once(who, storm.ports.srm, "srmGetSpaceTokens", &inner).await.unwrap();
        for token in strings(&found.xml) {
            let inner = element("spaceToken", token);
            let answer = soap::once(who, storm.ports.srm, "srmReleaseSpace", &inner).await.unwrap();
            if answer.code != "SRM_SUCCESS" {
                tally.violation(format!("an empty space is not released: {}", answer.xml));
            }
        }
    }
    let (ended, _) = tokio::task::block_in_place(|| storm.term());
    if !ended.success() {
        tally.violation(format!("the daemon ended with {ended}"));
    }
    let database = database(storm);
    for path in leftovers(&storm.root("test.vo")) {
        let told = whose(&database, &path);
        tally.wrong("orphans", format!("{path}: {told}"));
    }
    for (kind, what, query) in [
        (
            "orphans",
            "an intent",
            "SELECT kind || ' ' || hidden_path || ' ' || coalesce(target_path, '') FROM intents",
        ),
        (
            "stuck",
            "a file",
            "SELECT requests.kind || ' ' || token || ' ' || surl || ' ' || state || ' ' || suspended
             FROM files JOIN requests ON id = request WHERE live = 1",
        ),
        (
            "stuck",
            "a request",
            "SELECT kind || ' ' || token || ' ' || coalesce(description, '') FROM requests
             WHERE ended IS NULL",
        ),
    ] {
        for row in rows(&database, query) {
            tally.wrong(kind, format!("{what} is left: {row}"));
        }
    }
    // What is remembered of files is of files that are there, in no space any more, and as large.
    let query = "SELECT area || ' ' || path || ' ' || size || ' ' || coalesce(space, '-') FROM file_records";
    for record in rows(&database, query) {
        let parts: Vec<&str> = record.split(' ').collect();
        let found = storm.root("test.vo").join(parts[1]).metadata().map(|data| data.len());
        if parts[3] != "-" || found.as_ref().ok() != parts[2].parse().ok().as_ref() {
            tally.wrong("drift", format!("the record {record}: {found:?}"));
        }
    }
    for (kind, what, query) in [
        ("orphans", "ACL leases", "SELECT count(*) FROM acl_leases"),
        ("orphans", "spaces", "SELECT count(*) FROM spaces"),
        ("orphans", "ACL entries", "SELECT count(*) FROM acl_entries"),
    ] {
        let found: i64 = database.query_row(query, [], |row| row.get(0)).unwrap();
        for n in 0..found {
            tally.wrong(kind, format!("{} of {found} {what}", n + 1));
        }
    }
}

fn rows(database: &rusqlite::Connection, query: &str) -> Vec<String> {
    let mut prepared = database.prepare(query).unwrap();
    let rows = prepared.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn database(storm: &TestStorm) -> rusqlite::Connection {
    let state = std::fs::read_dir(storm.dir().join("var")).unwrap();
    let found = state
        .map(|entry| entry.unwrap().path())
        .find(|path| std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"SQLite format 3")));
    rusqlite::Connection::open(found.expect("a database")).unwrap()
}

/// What the database says of the put that a hidden file belongs to.
fn whose(database: &rusqlite::Connection, path: &str) -> String {
    let query = "SELECT group_concat(n || ' ' || surl || ' ' || state || ' ' || explanation || ' '
        || coalesce(turl, ''), '; ') FROM files JOIN requests ON id = request WHERE token = ?1";
    let token = path.rsplit(".storm.").next().and_then(|rest| rest.get(..36)).unwrap_or_default();
    let found = database.query_row(query, [token], |row| row.get::<_, Option<String>>(0));
    found.unwrap().unwrap_or_default()
}
