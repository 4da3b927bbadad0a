//! How SQLite goes about statements that are run while many rows are there.

use super::*;

#[tokio::test]
async fn statements_that_must_not_grow_use_their_indices() {
    let store = TestStore::new();
    for (sql, index) in [
        (read::DUE, "files_due"),
        (read::NEXT_DUE, "files_due"),
        (read::TOKENS, "requests_of_user"),
        (read::DESCRIBED, "requests_described"),
        (
            "SELECT id FROM requests WHERE owner = ?1 AND ended < ?2 ORDER BY ended",
            "requests_ended",
        ),
        ("SELECT id FROM requests WHERE owner = ?1 AND id > ?2 AND ended IS NULL", "requests_open"),
        // Bounded at both ends, or begun where the page before ended.
        (records::MOVE_TREE, "PRIMARY KEY (area=? AND path>? AND path<?)"),
        (records::DELETE_TREE, "PRIMARY KEY (area=? AND path>? AND path<?)"),
        (properties::MOVE_TREE, "PRIMARY KEY (area=? AND path>? AND path<?)"),
        (properties::DELETE_TREE, "PRIMARY KEY (area=? AND path>? AND path<?)"),
        (
            &format!("SELECT size {}", records::OF_SPACE),
            "file_records_space (space=? AND (area,path)>(?,?))",
        ),
    ] {
        let explain = format!("EXPLAIN QUERY PLAN {sql}");
        let plan = store
            .on_writer(move |connection| {
                let mut statement = connection.prepare(&explain)?;
                let parameters = vec![rusqlite::types::Null; statement.parameter_count()];
                let lines = statement
                    .query_map(rusqlite::params_from_iter(parameters), |row| {
                        row.get::<_, String>(3)
                    })?
                    .collect::<Result<Vec<_>, _>>()?;
                Ok(lines.join("; "))
            })
            .await
            .unwrap();
        assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{sql}: {plan}");
    }
}
