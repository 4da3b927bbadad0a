//! The end: everybody has ended what he began, so nothing may be left of it.

use std::sync::Arc;

use rustls::ClientConfig;

use crate::common::{TestStorm, leftovers};
use crate::common::{soap, usage};
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
        ("orphans", "intents", "SELECT count(*) FROM intents"),
        ("orphans", "ACL leases", "SELECT count(*) FROM acl_leases"),
        ("orphans", "ACL entries", "SELECT count(*) FROM acl_entries"),
        ("stuck", "files that have not ended", "SELECT count(*) FROM files WHERE live = 1"),
        (
            "stuck",
            "requests that have not ended",
            "SELECT count(*) FROM requests WHERE ended IS NULL",
        ),
    ] {
        let found: i64 = database.query_row(query, [], |row| row.get(0)).unwrap();
        for n in 0..found {
            tally.wrong(kind, format!("{} of {found} {what}", n + 1));
        }
    }
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
