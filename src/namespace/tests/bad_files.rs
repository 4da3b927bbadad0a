//! Broken files: each problem's line and words.

use super::*;
use crate::config::Severity;

/// The example with one piece exchanged, and the line of that piece (moved by `below`).
fn broken(from: &str, to: &str, below: usize) -> (String, usize) {
    let at = EXAMPLE.find(from).unwrap_or_else(|| panic!("{from} is not in the example"));
    let line = EXAMPLE[..at].matches('\n').count() + 1 + below;
    (format!("{}{to}{}", &EXAMPLE[..at], &EXAMPLE[at + from.len()..]), line)
}

fn assert_told(problems: &[Problem], line: usize, words: &str, severity: Severity) {
    let found = problems.iter().any(|problem| {
        problem.line == Some(line) && problem.severity == severity && problem.text.contains(words)
    });
    let all: Vec<String> = problems.iter().map(Problem::to_string).collect();
    assert!(found, "line {line}: {words}\namong {all:#?}");
}

#[test]
fn the_grammar_is_kept() {
    let site = Site::new();
    for (from, to, below, words) in [
        (
            "<root>/storage/physics</root>",
            "<foo/>",
            0,
            "<filesystem name=PHYSICS-FS>: unknown element <foo> in <filesystem>: expected <root> after <storage-class>",
        ),
        (
            "<root>/storage/physics</root>",
            "",
            1,
            "<filesystem name=PHYSICS-FS>: expected <root> after <storage-class>, found <filesystem-driver>",
        ),
        (
            "<storage-class>T0D1</storage-class>",
            "<storage-clas>T0D1</storage-clas>",
            0,
            "did you mean <storage-class>?",
        ),
        (
            "<storage-class>T0D1</storage-class>",
            "<storage-class>T2D0</storage-class>",
            0,
            "<storage-class>: expected one of T0D0, T0D1, T1D1, T1D0, found \"T2D0\"",
        ),
        (
            "<storage-class>T0D1</storage-class>",
            "<storage-class>T0D1</storage-class><storage-class>T0D1</storage-class>",
            0,
            "more than one <storage-class>",
        ),
        (
            "<root>/storage/physics</root>",
            "<root>/storage/physics</root><space-token-description>X</space-token-description>",
            0,
            "more than one <space-token-description>",
        ),
        (
            "<root>/storage/open</root>",
            "<root>/storage/open</root><storage-class>T0D1</storage-class>",
            0,
            "<storage-class> stands too late: it belongs before <root>",
        ),
        (
            "<root>/storage/physics</root>",
            "<root>  </root>",
            0,
            "<root>: expected a text that is not empty",
        ),
        (
            "<root>/storage/physics</root>",
            "<root xsi:nil=\"true\">/x</root>",
            0,
            "<root> may not be nil",
        ),
        (
            "name=\"PHYSICS-FS\"",
            "name=\"PHYSICS FS\"",
            0,
            "<filesystem name>: expected a name of letters",
        ),
        (
            "fs_type=\"ext3\"",
            "fs_type=\"ext4\"",
            0,
            "<filesystem fs_type>: expected one of ext3, gpfs, xfs, found \"ext4\"",
        ),
        (" fs_type=\"ext3\"", "", 0, "<filesystem> lacks the attribute fs_type"),
        (
            "fs_type=\"ext3\"",
            "fs_type=\"ext3\" fstype=\"x\"",
            0,
            "unknown attribute \"fstype\" of <filesystem>: did you mean fs_type?",
        ),
        (
            "<aclMode>",
            "<aclMode mode=\"x\">",
            0,
            "unknown attribute \"mode\" of <aclMode>: it has none",
        ),
        ("swig.posixfs", "swig.zfs", 0, "<filesystem-driver>: expected one of"),
        (
            "<fixed>permit-all</fixed>",
            "<fixed>permit</fixed>",
            0,
            "<fixed>: expected one of permit-all, deny-all",
        ),
        ("<fixed>permit-all</fixed>", "", 0, "<storage-area-authz> lacks <fixed> or <authz-db>"),
        (
            "<fixed>permit-all</fixed>",
            "<fixed>deny-all</fixed><authz-db>x</authz-db>",
            0,
            "holds one of",
        ),
        (
            "unit=\"GB\" limited-size=\"true\"",
            "unit=\"PB\" limited-size=\"yes\"",
            0,
            "<TotalOnlineSize unit>: expected one of Byte, KB, MB, GB, TB, found \"PB\"",
        ),
        (
            "unit=\"GB\" limited-size=\"true\"",
            "unit=\"PB\" limited-size=\"yes\"",
            0,
            "<TotalOnlineSize limited-size>: expected true or false, found \"yes\"",
        ),
        (" limited-size=\"true\"", "", 0, "lacks the attribute limited-size"),
        (">500<", ">-5<", 0, "<TotalOnlineSize>: expected a whole number from 0, found \"-5\""),
        (">500<", ">lots<", 0, "found \"lots\""),
        (
            "<port>2812</port>",
            "<port>65535</port>",
            0,
            "<port>: expected a whole number from 1 to 65534, found \"65535\"",
        ),
        (
            "<prot name=\"file\"><schema>file</schema></prot>",
            "<prot name=\"ftp\"><schema>file</schema></prot>",
            0,
            "<prot name>: expected one of file, gsiftp",
        ),
        (
            "<prot name=\"file\"><schema>file</schema></prot>",
            "<prot name=\"file\"></prot>",
            0,
            "<prot> lacks <schema>",
        ),
        (
            "<weight>3</weight>",
            "<weight>0</weight>",
            0,
            "<weight>: expected a whole number from 1 to 1000000, found \"0\"",
        ),
        (
            "<permissions>RW</permissions>",
            "<permissions>RWX</permissions>",
            0,
            "<permissions>: expected one of R, W, RW",
        ),
        ("round-robin", "fair", 0, "<balance-strategy>: expected one of round-robin"),
        (
            "guarsize=\"1048576\"",
            "guarsize=\"1MB\"",
            0,
            "<space guarsize>: expected a whole number from 0",
        ),
        (
            "</defaults-values>\n    </filesystem>",
            "stray</defaults-values>\n    </filesystem>",
            0,
            "expected elements in <defaults-values>, found the text \"stray\"",
        ),
        (
            "<anonymous-http-read>true<",
            "<anonymous-http-read>1<",
            0,
            "expected one of true, false, found \"1\"",
        ),
        (
            "<dn>*</dn>",
            "<dn/>",
            0,
            "<app-rule name=physics>: <dn>: expected a text that is not empty",
        ),
        (" version=\"1.5.0\"\n", "\n", 0, "<namespace> lacks the attribute version"),
        (
            "<namespace version",
            "<!DOCTYPE namespace [<!ENTITY a \"b\">]>\n<namespace version",
            0,
            "<!DOCTYPE> is not taken here",
        ),
        ("<root>/storage/physics</root>", "<root>&secret;</root>", 0, "unknown entity &secret;"),
        ("<aclMode>AoT</aclMode>", "<aclMode>AoT</aclmode>", 0, "not well-formed XML"),
    ] {
        let (xml, line) = broken(from, to, below);
        let problems = site.load(&xml).unwrap_err();
        assert_told(&problems, line, words, Severity::Error);
    }
}

#[test]
fn what_is_missing_at_the_end_is_told_where_it_opens() {
    let site = Site::new();
    for (from, to, opens, words) in [
        (
            "<member member-id=\"10\"/>\n            <member member-id=\"11\"></member>",
            "",
            "<members>",
            "<members> lacks <member>",
        ),
        (
            "<TotalNearlineSize unit=\"GB\">0</TotalNearlineSize>",
            "",
            "<properties>",
            "<properties> lacks <TotalNearlineSize>",
        ),
        (
            "<dn>*</dn><vo-name>physics</vo-name>",
            "",
            "<subjects>",
            "<app-rule name=physics>: <subjects> lacks <dn>",
        ),
    ] {
        let (xml, _) = broken(from, to, 0);
        let line = xml[..xml.find(opens).unwrap()].matches('\n').count() + 1;
        assert_told(&site.load(&xml).unwrap_err(), line, words, Severity::Error);
    }
    let start = EXAMPLE.find("<approachable-rules>").unwrap();
    let cut = format!("{}</namespace>", &EXAMPLE[..start]);
    let problems = site.load(&cut).unwrap_err();
    assert_told(&problems, 3, "<namespace> lacks <approachable-rules>", Severity::Error);
    assert_told(&site.load("").unwrap_err(), 1, "found no element", Severity::Error);
    assert_told(&site.load("<a/>").unwrap_err(), 1, "found <a>", Severity::Error);
    let deep = format!("<namespace version=\"1.5.0\">{}", "<x>".repeat(100_000));
    assert_told(&site.load(&deep).unwrap_err(), 1, "nested too deeply", Severity::Error);
}

#[test]
fn tolerated_are_comments_nil_and_schema_hints() {
    let site = Site::new();
    for (from, to) in [
        ("<storage-class>T0D1</storage-class>", "<storage-class xsi:nil=\"true\"/>"),
        ("<root>/storage/open</root>", "<root><!-- here -->/storage<!-- and -->/open</root>"),
        ("<root>/storage/open</root>", "<root>\n   /storage/open\n  </root>"),
        ("<stfn-root>/pub/open<", "<stfn-root><![CDATA[/pub/open]]><"),
        ("<vo-name>physics<", "<vo-name>ph&#121;sics|a&amp;b<"),
        ("<filesystems>", "<?keep this?><filesystems xsi:type=\"x\">"),
    ] {
        let (xml, _) = broken(from, to, 0);
        // The roots of the site replace a literal piece only.
        let xml = xml
            .replace("<root><!-- here -->/storage", "<root>/storage")
            .replace("<root>\n   /storage", "<root>/storage");
        let problems = site.load(&xml).unwrap_or_else(|problems| panic!("{to}: {problems:#?}")).1;
        assert_eq!(problems, [], "{to}");
    }
    let (xml, _) = broken("<vo-name>physics<", "<vo-name>x&amp;<![CDATA[y]]>&#122;<", 0);
    let namespace = site.load(&xml).unwrap().0;
    assert_eq!(namespace.details("PHYSICS-FS").unwrap().vos, ["x&yz"]);
}

#[test]
fn what_the_grammar_cannot_say() {
    let site = Site::new();
    for (from, to, below, words) in [
        (
            "name=\"TAPE-FS\"",
            "name=\"PHYSICS-FS\"",
            0,
            "<filesystem name=PHYSICS-FS>: the name stands twice; the first is line 7",
        ),
        (
            ">TAPE_TOKEN<",
            ">PHYSICS_TOKEN<",
            0,
            "space-token-description PHYSICS_TOKEN stands twice",
        ),
        (
            "<map-rule name=\"tape\">",
            "<map-rule name=\"physics\">",
            0,
            "<map-rule name=physics>: the name stands twice",
        ),
        (
            "<app-rule name=\"operators\">",
            "<app-rule name=\"physics\">",
            0,
            "<app-rule name=physics>: the name stands twice",
        ),
        ("<id>11</id>", "<id>10</id>", 0, "the member id 10 stands twice"),
        ("member-id=\"11\"", "member-id=\"12\"", 0, "no <prot> has the id 12"),
        ("member-id=\"11\"", "member-id=\"10\"", 0, "the member 10 stands twice"),
        (
            "<prot name=\"https\"><id>2</id><schema>https<",
            "<prot name=\"http\"><id>2</id><schema>http<",
            6,
            "the member 2 speaks http, those before it https",
        ),
        (
            "<mapped-fs>TAPE-FS<",
            "<mapped-fs>TAPES-FS<",
            0,
            "<map-rule name=tape>: <mapped-fs> names the filesystem TAPES-FS, which is not declared: did you mean TAPE-FS?",
        ),
        (
            "<approachable-fs>TAPE-FS<",
            "<approachable-fs>TAPE-FS,nowhere<",
            0,
            "<approachable-fs> names the filesystem nowhere",
        ),
        (
            "<approachable-fs>TAPE-FS<",
            "<approachable-fs>TAPE-FS,,<",
            0,
            "expected names of filesystems with commas",
        ),
        (
            "<stfn-root>/physics/tape<",
            "<stfn-root>/physics/<",
            0,
            "the stfn-root /physics stands in line",
        ),
        ("<stfn-root>/physics/tape<", "<stfn-root>physics<", 0, "does not begin with /"),
        ("<stfn-root>/physics/tape<", "<stfn-root>/a/../b<", 0, ". or .. part"),
        (
            "<dn>/C=IT/O=Example/.*<",
            "<dn>/C=IT/Example<",
            0,
            "<app-rule name=operators>: <dn>: \"Example\" is no part of a DN pattern",
        ),
        ("<dn>/C=IT/O=Example/.*<", "<dn>/C=IT/O=(<", 0, "\"(\" is no regular expression"),
        ("<vo-name>physics<", "<vo-name>[a<", 0, "<vo-name>: \"[a\" is no regular expression"),
        ("<space-rel-path>/spaces<", "<space-rel-path>/../x<", 0, "<space-rel-path>"),
        (
            "guarsize=\"1048576\"",
            "guarsize=\"3000000\"",
            0,
            "guarsize 3000000 is larger than totalsize 2097152",
        ),
        (
            "<root>/storage/tape<",
            "<root>/storage/physics<",
            0,
            "is the root of <filesystem name=PHYSICS-FS> too",
        ),
        ("<root>/storage/tape<", "<root>/storage/missing<", 0, "<filesystem name=TAPE-FS>: <root>"),
        ("<root>/storage/tape<", "<root>/etc/hostname<", 0, "is no directory"),
        ("<root>/storage/tape<", "<root>/<", 0, "holds the state folder"),
        ("enabled=\"false\"", "enabled=\"true\"", 0, "is not available yet"),
        (">500<", ">99999999999999<", 0, "is larger than 9223372036854775807 bytes"),
        (
            "<host>mover1.example<",
            "<host>mover1.example:2811<",
            0,
            "expected a host name without port",
        ),
        (
            "<fixed>permit-all</fixed>",
            "<authz-db>../x.db</authz-db>",
            0,
            "expected the name of a file beside namespace.xml",
        ),
    ] {
        let (xml, line) = broken(from, to, below);
        let problems = site.load(&xml).unwrap_err();
        assert_told(&problems, line, words, Severity::Error);
    }
}

#[test]
fn warnings_keep_nothing_from_starting() {
    let site = Site::new();
    for (from, to, below, words) in [
        ("version=\"1.5.0\"", "version=\"1.4.0\"", 0, "is read as 1.5.0"),
        ("fs_type=\"xfs\"", "fs_type=\"gpfs\"", 0, "GPFS is not supported here yet"),
        (
            "<groupName>root<",
            "<groupName>no-such-group-here<",
            0,
            "this host knows no group no-such-group-here",
        ),
        ("<schema>gsiftp<", "<schema>rfio<", 0, "has the schema rfio"),
        ("<root>/storage/tape<", "<root>/storage/physics/tape<", 0, "lie one in the other"),
        ("<stfn-root>/physics/old/scratch<", "<stfn-root>/physics<", 0, "says the same as line"),
    ] {
        std::fs::create_dir_all(site.folder.path().join("storage/physics/tape")).unwrap();
        let (xml, line) = broken(from, to, below);
        let (_, problems) = site.load(&xml).unwrap();
        assert_told(&problems, line, words, Severity::Warning);
    }
}

#[test]
fn a_missing_area_acl_is_an_error_that_closes_one_area_only() {
    let site = Site::new();
    let (xml, _) = broken("<fixed>permit-all</fixed>", "<authz-db>physics.db</authz-db>", 0);
    let path = site.folder.path().join("physics.db");
    let (namespace, problems) = site.load(&xml).unwrap();
    assert_eq!(namespace.areas()[0].authz, AreaAuthz::Db(path.clone()));
    assert_eq!((problems.len(), problems[0].severity), (1, Severity::Error));
    assert_eq!(problems[0].file, path);
    std::fs::write(&path, "ace.1=EVERYONE:RW:ALLOW\nace.2=x\n").unwrap();
    let (_, problems) = site.load(&xml).unwrap();
    assert_eq!((problems.len(), problems[0].line), (1, Some(2)));
    std::fs::write(&path, "ace.1=EVERYONE:RW:ALLOW\n").unwrap();
    assert_eq!(site.load(&xml).unwrap().1, []);
}

#[test]
fn all_problems_come_at_once_by_line() {
    let site = Site::new();
    let xml = EXAMPLE
        .replace(">T0D1<", ">T9<")
        .replace("<mapped-fs>TAPE-FS<", "<mapped-fs>NONE<")
        .replace("<dn>/C=IT/O=Example/.*<", "<dn>garbled<");
    let problems = site.load(&xml).unwrap_err();
    let lines: Vec<_> = problems.iter().map(|problem| problem.line.unwrap()).collect();
    assert_eq!(lines.len(), 3, "{problems:#?}");
    assert!(lines.is_sorted());
}

#[test]
fn a_relative_root_is_not_made_while_the_file_is_broken() {
    let site = Site::new();
    let xml = EXAMPLE.replace("<root>/storage/open<", "<root>made/here<");
    let broken = xml.replace("<mapped-fs>TAPE-FS<", "<mapped-fs>NONE<");
    assert_eq!(site.load(&broken).unwrap_err().len(), 1);
    assert!(!site.folder.path().join("made").exists());
    site.load(&xml).unwrap();
    assert!(site.folder.path().join("made/here").is_dir());
}

#[test]
fn a_driver_that_does_not_open_is_told() {
    let site = Site::new();
    site.example();
    let file = site.folder.path().join("namespace.xml");
    let refuse = |_: &Path, _: &[PathBuf]| Err("no xattrs".to_owned());
    let problems = Namespace::load(&file, &site.config, &refuse).unwrap_err();
    assert_eq!(problems.len(), 3);
    assert!(problems[0].text.contains("cannot be opened: no xattrs"));
    assert!(site.read(Path::new("/nonexistent/namespace.xml")).is_err());
}
