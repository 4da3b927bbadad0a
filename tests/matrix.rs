//! Who may do what, cell by cell: identities x operations x places, at real daemons, against the rules
//! of tests/matrix.tsv. Prints `cells=N wrong=M` and counts false accepts apart from false refusals.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may.

mod common;

#[path = "matrix/ask.rs"]
mod ask;
#[path = "matrix/world.rs"]
mod world;

use std::sync::Arc;

use ask::{Asker, Outcome};
use world::{DAEMONS, World, identities};

/// One row: what the identities of a class may do at a place.
struct Row {
    line: usize,
    daemon: String,
    class: String,
    place: String,
    /// Operation and expected outcome.
    cells: Vec<(String, Outcome)>,
}

fn rows() -> Vec<Row> {
    let mut operations: Vec<String> = Vec::new();
    let mut rows = Vec::new();
    for (at, line) in include_str!("matrix.tsv").lines().enumerate() {
        let words: Vec<&str> = line.split('\t').collect();
        match words.as_slice() {
            ["daemon", "who", "place", names @ ..] => {
                operations = names.iter().map(|name| (*name).to_owned()).collect();
            }
            [daemon, class, place, outcomes @ ..] => {
                assert_eq!(outcomes.len(), operations.len(), "matrix.tsv:{}", at + 1);
                let named = operations.iter().zip(outcomes);
                rows.push(Row {
                    line: at + 1,
                    daemon: (*daemon).to_owned(),
                    class: (*class).to_owned(),
                    place: (*place).to_owned(),
                    cells: named
                        .filter(|(_, outcome)| **outcome != "-")
                        .map(|(name, outcome)| (name.clone(), Outcome::parse(outcome)))
                        .collect(),
                });
            }
            _ => assert!(line.is_empty() || line.starts_with('#'), "matrix.tsv:{}", at + 1),
        }
    }
    rows
}

/// What one identity found at one daemon.
#[derive(Default)]
struct Found {
    cells: usize,
    /// Let in against the rules, or something changed on disk.
    accepts: Vec<String>,
    /// Anything else that is not what the rules say.
    refusals: Vec<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_cell_is_as_the_rules_say() {
    let begun = std::time::Instant::now();
    let rows = Arc::new(rows());
    let mut found = Found::default();
    for daemon in DAEMONS {
        let world = Arc::new(World::start(daemon).await);
        let mut asking = tokio::task::JoinSet::new();
        for identity in identities() {
            let (world, rows) = (Arc::clone(&world), Arc::clone(&rows));
            asking.spawn(async move {
                let mut found = Found::default();
                let mut asker = Asker::new(&world, &identity);
                let mine = |row: &&Row| {
                    row.daemon == world.daemon && identity.class.starts_with(&row.class)
                };
                for row in rows.iter().filter(mine) {
                    for (operation, expected) in &row.cells {
                        let Some(cell) = asker.ask(operation, &row.place).await else { continue };
                        found.cells += 1;
                        let told = format!(
                            "matrix.tsv:{}: {} {} {operation} {}: expected {expected:?}, {cell}",
                            row.line, row.daemon, identity.name, row.place
                        );
                        if *expected != Outcome::Ok && (cell.changed || cell.outcome == Outcome::Ok)
                        {
                            found.accepts.push(told);
                        } else if cell.outcome != *expected
                            || *expected == Outcome::Ok && !cell.done
                        {
                            found.refusals.push(told);
                        }
                    }
                }
                found
            });
        }
        while let Some(one) = asking.join_next().await {
            let one = one.unwrap();
            found.cells += one.cells;
            found.accepts.extend(one.accepts);
            found.refusals.extend(one.refusals);
        }
    }
    let wrong = found.accepts.len() + found.refusals.len();
    println!(
        "cells={} wrong={wrong} false_accepts={} false_refusals={} seconds={:.0}",
        found.cells,
        found.accepts.len(),
        found.refusals.len(),
        begun.elapsed().as_secs_f64()
    );
    for told in found.accepts.iter().chain(&found.refusals).take(60) {
        println!("{told:.300}");
    }
    assert_eq!(wrong, 0);
    assert!(found.cells >= 2000, "{} cells", found.cells);
}
