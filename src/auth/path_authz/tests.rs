//! The rules of path-authz.db, entry by entry.

use super::PathOperation::*;
use super::*;

fn db(text: &str) -> PathAuthz {
    let number = |name: &str| GROUPS.iter().position(|group| *group == name);
    let gid = |name: &str| number(name).map(|at| at as u32);
    PathAuthz::parse_with(text, Path::new("path-authz.db"), &gid).unwrap().0
}

/// Their ids are their places.
const GROUPS: &[&str] = &["prod", "other", "g"];

fn ask(db: &PathAuthz, group: Option<&str>, path: &str, needed: &[PathOperation]) -> Decision {
    let gids: Vec<u32> =
        (0u32..).zip(GROUPS).filter(|(_, n)| group == Some(n)).map(|(at, _)| at).collect();
    db.decide(&gids, &Stfn::parse(path).unwrap(), needed, &mut Trace::off())
}

#[test]
fn a_whole_tree_is_judged_by_all_entries_below() {
    let text = "@ALL@ / WRFDLMN permit\n@ALL@ /a/b/c D deny\n@ALL@ /ab L deny\n";
    let authz = db(text);
    let below = |path: &str, needed| {
        authz.decide_below(&[], &Stfn::parse(path).unwrap(), &[needed], &mut Trace::off())
    };
    assert_eq!(below("/a", PathOperation::Delete), Decision::Deny { line: 2 });
    assert_eq!(below("/", PathOperation::Delete), Decision::Deny { line: 2 });
    assert_eq!(below("/a/b/c", PathOperation::Delete), Decision::Permit);
    assert_eq!(below("/a", PathOperation::List), Decision::Permit, "/ab is not below /a");
}

#[test]
fn the_installed_default_permits_everybody_everything() {
    let installed =
        db("# StoRM's own\nalgorithm=it.grid.storm.authz.path.model.PathAuthzAlgBestMatch\n\n\
         @ALL@\t/\tWRFDLMN\tpermit\n");
    for db in [installed, PathAuthz::absent()] {
        assert_eq!(ask(&db, None, "/a/b", &PathOperation::ALL), Decision::Permit);
        assert_eq!(ask(&db, Some("g"), "/", &PathOperation::ALL), Decision::Permit);
    }
}

#[test]
fn the_nearest_entry_that_names_the_letter_decides() {
    let db = db("@ALL@ / RL permit\n\
         prod /atlas WRFDLMN permit\n\
         @ALL@ /atlas/raw WD deny\n\
         prod /atlas/raw/new W permit\n\
         prod /atlas/raw/new/deep/below R deny\n");
    let prod = Some("prod");
    assert_eq!(ask(&db, prod, "/atlas/x", &[WriteFile, CreateFile]), Decision::Permit);
    assert_eq!(ask(&db, prod, "/atlas/raw/x", &[WriteFile]), Decision::Deny { line: 3 });
    assert_eq!(ask(&db, prod, "/atlas/raw/new/x", &[WriteFile]), Decision::Permit);
    // One letter denied denies all; the others are found further up.
    assert_eq!(
        ask(&db, prod, "/atlas/raw/new/x", &[WriteFile, Delete]),
        Decision::Deny { line: 3 }
    );
    // An entry below the target says nothing about it.
    assert_eq!(ask(&db, prod, "/atlas/raw/new/deep", &[ReadFile]), Decision::Permit);
    assert_eq!(ask(&db, Some("other"), "/atlas/x", &[WriteFile]), Decision::Undecided);
    assert_eq!(ask(&db, None, "/atlas/x", &[ReadFile, List]), Decision::Permit);
    assert_eq!(ask(&db, None, "/atlas/x", &[ReadFile, Rename]), Decision::Undecided);
    // By component.
    assert_eq!(ask(&db, prod, "/atlasX/f", &[WriteFile]), Decision::Undecided);
}

#[test]
fn at_one_path_the_first_line_wins() {
    let text = "g /a W deny\n* /a/ W permit\n";
    assert_eq!(ask(&db(text), Some("g"), "/a/f", &[WriteFile]), Decision::Deny { line: 1 });
    assert_eq!(ask(&db(text), None, "/a/f", &[WriteFile]), Decision::Permit);
    let swapped = "* /a W permit\ng /a W deny\n";
    assert_eq!(ask(&db(swapped), Some("g"), "/a/f", &[WriteFile]), Decision::Permit);
}

#[test]
fn what_is_not_understood_is_an_error_with_its_line() {
    for (content, words) in [
        ("@ALL@ / RL", "expected four words"),
        ("@ALL@ / RL permit # why", "found more than five"),
        ("@ALL@ / RL permitt", "expected permit or deny, found \"permitt\""),
        ("@ALL@ / RLX permit", "unknown letter 'X'"),
        ("@ALL@ / rl permit", "unknown letter 'r'"),
        ("@all@ / RL permit", "unknown subject \"@all@\""),
        ("g a RL permit", "does not begin with /"),
        ("g /a/../b RL permit", ". or .. part"),
        ("g /a/* RL permit", "no wildcards"),
        ("algorithm=it.grid.Other", "unknown algorithm"),
        ("permit", "expected four words"),
    ] {
        let text = format!("# head\n\n{content}\n@ALL@ / R permit\n");
        let problems = PathAuthz::parse(&text, Path::new("p")).unwrap_err();
        assert_eq!(problems.len(), 1, "{content}");
        assert_eq!(problems[0].line, Some(3), "{content}");
        assert!(problems[0].text.contains(words), "{content}: {}", problems[0].text);
    }
    let twice = format!("algorithm={BEST_MATCH}\nalgorithm={BEST_MATCH}\n");
    let problems = PathAuthz::parse(&twice, Path::new("p")).unwrap_err();
    assert!(problems[0].text.contains("the first is line 1"));
}

#[test]
fn groups_the_host_does_not_know_are_warned_of() {
    let text = "root / R permit\nno-such-group-here / W permit\n";
    let (db, warnings) = PathAuthz::parse(text, Path::new("p")).unwrap();
    assert_eq!(warnings.iter().map(|w| w.line).collect::<Vec<_>>(), [Some(2)]);
    assert_eq!(
        db.decide(&[0], &Stfn::parse("/").unwrap(), &[ReadFile], &mut Trace::off()),
        Decision::Permit
    );
}

#[test]
fn each_of_several_groups_counts() {
    let db = db("prod /a W permit\nother /a R permit\ng /a/b W deny\n");
    let ask = |groups: &[u32], path: &str, needed: &[PathOperation]| {
        db.decide(groups, &Stfn::parse(path).unwrap(), needed, &mut Trace::off())
    };
    assert_eq!(ask(&[0, 1], "/a/f", &[WriteFile, ReadFile]), Decision::Permit);
    assert_eq!(ask(&[0], "/a/f", &[WriteFile, ReadFile]), Decision::Undecided);
    assert_eq!(ask(&[0, 2], "/a/b/f", &[WriteFile]), Decision::Deny { line: 3 });
}

#[test]
fn what_decided_is_told() {
    let db = db("@ALL@ / RL permit\nprod /a W deny\n");
    let mut told = Trace::on();
    db.decide(&[0], &Stfn::parse("/a/f").unwrap(), &[ReadFile, WriteFile], &mut told);
    db.decide(&[], &Stfn::parse("/a/f").unwrap(), &[ReadFile, WriteFile], &mut told);
    let found: Vec<&str> = told.steps().iter().map(|step| &*step.found).collect();
    assert_eq!(
        found,
        [
            "path-authz.db:2: the entry of /a denies W",
            "path-authz.db:1: the entry of / permits R",
            "no entry permits W at /a/f",
        ]
    );
}
