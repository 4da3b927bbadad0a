use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;

fn parse(text: &str) -> Result<Config, Vec<Problem>> {
    Config::parse(text, Path::new("/site/storm.toml"))
}

fn complaints(text: &str) -> Vec<(Option<usize>, String)> {
    parse(text).unwrap_err().into_iter().map(|problem| (problem.line, problem.text)).collect()
}

#[test]
fn an_empty_file_is_valid() {
    let config = parse("").unwrap();
    assert_eq!(config, Config::defaults(Path::new("/site")));
    assert_eq!(config.paths.namespace, PathBuf::from("/site/namespace.xml"));
    assert_eq!(config.auth.gridmap, PathBuf::from("/etc/grid-security/grid-mapfile"));
    assert_eq!(config.srm.listen, "[::]:8444".parse().unwrap());
    assert_eq!(config.http.plain, Some("127.0.0.1:8085".parse().unwrap()));
    assert!(!config.http.anonymous_write && config.http.fsync);
    assert_eq!(config.lifetimes.pin_maximum, Duration::from_secs(21 * 86_400));
    assert_eq!(config.workers.copy, WorkerPool { threads: 4, queue: 10_000 });
    assert_eq!(config.limits.envelope, 32 << 20);
    assert_eq!((config.tls.certificate, config.tls.key), (None, None));
}

#[test]
fn values_of_every_kind() {
    let config = parse(
        "[site]\nhost = \"se.example\"\nsurl_hosts = [\"old.example:8444\", \"alias\"]\n\
         [paths]\nstate = \"/var/lib/stormd\"\n\
         [srm]\nlisten = \"127.0.0.1:0\"\nanswer_wait = \"500ms\"\noverwrite_default = \"ALWAYS\"\n\
         [http]\nplain = \"\"\nfsync = false\n\
         [workers]\nput = { threads = 2 }\n\
         [limits]\nenvelope = 65_536\nls_entries = 5\n",
    )
    .unwrap();
    assert_eq!(config.site.surl_hosts, ["old.example:8444", "alias"]);
    assert_eq!(config.paths.state, PathBuf::from("/var/lib/stormd"));
    assert_eq!(config.srm.listen.port(), 0);
    assert_eq!(config.srm.answer_wait, Duration::from_millis(500));
    assert_eq!(config.srm.overwrite_default, OverwriteMode::Always);
    assert_eq!(config.http.plain, None);
    assert_eq!(config.workers.put, WorkerPool { threads: 2, queue: 100_000 });
    assert_eq!((config.limits.envelope, config.limits.ls_entries), (65_536, 5));
}

#[test]
fn each_problem_has_its_line_and_words() {
    for (text, line, words) in [
        (
            "[srm]\nlisten = 1\n",
            2,
            "srm.listen: expected an address and port such as \"[::]:8444\", found 1",
        ),
        (
            "[lifetimes]\n\npin_default = 12\n",
            3,
            "lifetimes.pin_default: expected a duration such as \"72h\" (ms, s, m, h, d), found 12",
        ),
        ("[lifetimes]\npin_default = \"3 weeks\"\n", 2, "found \"3 weeks\""),
        ("[srm]\nlisen = \"x\"\n", 2, "unknown key srm.lisen: did you mean listen?"),
        ("[srm]\nfsync = true\n", 2, "unknown key srm.fsync: it belongs below [http]"),
        (
            "[site]\n\n\nzebra = 1\n",
            4,
            "unknown key site.zebra: expected one of name, host, surl_hosts",
        ),
        ("[htpp]\nplain = \"\"\n", 1, "unknown section [htpp]: did you mean [http]?"),
        ("fsync = true\n", 1, "it belongs below [http]"),
        ("srm = 5\n", 1, "srm: expected a table [srm], found 5"),
        ("[http]\nfsync = \"yes\"\n", 2, "http.fsync: expected true or false, found \"yes\""),
        ("[site]\nsurl_hosts = \"a\"\n", 2, "expected a list of texts"),
        ("[site]\nsurl_hosts = [\n 1,\n]\n", 2, "expected a list of texts"),
        ("[site]\nhost = \"se.example:8444\"\n", 2, "expected a host name or address without port"),
        ("[limits]\nls_entries = 0\n", 2, "expected a whole number from 1, found 0"),
        ("[limits]\nenvelope = \"big\"\n", 2, "expected a size such as"),
        ("[limits]\nenvelope = -1\n", 2, "expected a size such as"),
        (
            "[workers]\nput = { threads = 0 }\n",
            2,
            "workers.put: threads: expected 1 to 1024, found 0",
        ),
        ("[workers]\nput = { thread = 1 }\n", 2, "unknown key \"thread\""),
        ("[srm]\noverwrite_default = \"SOMETIMES\"\n", 2, "expected \"NEVER\", \"ALWAYS\""),
        ("[paths]\nstate = \"\"\n", 2, "expected a path"),
        ("[tls]\ncertificate = \"none.pem\"\nkey = \"\"\n", 2, "there is no file /site/none.pem"),
        ("[lifetimes]\npin_default = \"30d\"\n", 2, "is longer than lifetimes.pin_maximum"),
        ("[http]\nhttps = \"[::]:8444\"\n", 2, "http.https and srm.listen are one address"),
        ("[srm]\nlisten = \"[::]:1\"\nlisten = \"[::]:2\"\n", 3, "not valid TOML: duplicate key"),
        ("[srm\n", 1, "not valid TOML"),
    ] {
        let found = complaints(text);
        assert!(
            found.iter().any(|(at, what)| *at == Some(line) && what.contains(words)),
            "{text}\n{found:#?}"
        );
    }
}

#[test]
fn all_problems_come_at_once_by_line() {
    let found = complaints("[srm]\nlisen = 1\nanswer_wait = 2\n[sitte]\n[http]\nfsync = 3\n");
    let lines: Vec<_> = found.iter().map(|(line, _)| line.unwrap()).collect();
    assert_eq!(lines, [2, 3, 4, 6]);
}

#[test]
fn a_certificate_that_is_named_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("storm.toml");
    std::fs::write(&file, "[tls]\ncertificate = \"c.pem\"\n").unwrap();
    let problems = Config::load(&file).unwrap_err();
    assert_eq!((problems.len(), problems[0].line), (1, Some(2)));
    std::fs::write(folder.path().join("c.pem"), "").unwrap();
    let problems = Config::load(&file).unwrap_err();
    assert!(problems[0].text.contains("tls.key is not: name both"), "{problems:?}");
    std::fs::write(folder.path().join("hostkey.pem"), "").unwrap();
    let config = Config::load(&file).unwrap();
    assert_eq!(config.tls.key, Some(folder.path().join("hostkey.pem")));
}

#[test]
fn a_file_that_is_not_there_is_a_problem() {
    let problems = Config::load(Path::new("/nonexistent/storm.toml")).unwrap_err();
    assert!(problems[0].to_string().starts_with("/nonexistent/storm.toml: error: cannot be read"));
}

#[test]
fn every_key_is_in_a_section_and_once() {
    for (at, key) in KEYS.iter().enumerate() {
        assert!(SECTIONS.iter().any(|(section, _)| *section == key.section), "{key:?}");
        assert!(!KEYS[..at].iter().any(|k| (k.section, k.name) == (key.section, key.name)));
    }
}

#[test]
fn the_committed_pages_are_those_of_the_table() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, made) in [("docs/storm.toml.md", reference_page()), ("storm.toml", sample_file())] {
        let path = folder.join(name);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &made).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(there == made, "{name} is old: run UPDATE_DOCS=1 cargo test --lib config::");
    }
    assert_eq!(parse(&sample_file()).unwrap(), parse("").unwrap());
}

#[test]
fn the_sample_with_every_comment_taken_away_means_the_same() {
    let live: String = sample_file()
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(setting)
                if KEYS.iter().any(|k| setting.starts_with(&format!("{} = ", k.name))) =>
            {
                format!("{setting}\n")
            }
            _ => format!("{line}\n"),
        })
        .collect();
    assert_eq!(parse(&live).unwrap(), parse("").unwrap());
}

proptest::proptest! {
    #[test]
    fn any_text_ends_with_an_answer(text in "[\\[\\]a-z=\"{}, \\n0-9.é]{0,80}") {
        if let Err(problems) = parse(&text) {
            proptest::prop_assert!(!problems.is_empty());
        }
    }
}
