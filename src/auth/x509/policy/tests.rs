//! The two kinds of policy files, their faults, and how they go together.

use super::super::testing::*;
use super::super::{Judgement, Trust};
use super::*;
use crate::model::Refusal;

const CA: &str = "/C=IT/O=Grid/CN=CA";

fn faults(parse: fn(&str) -> Result<Vec<Statement>, Fault>, cases: &[(&str, usize, &str)]) {
    for (text, line, says) in cases {
        let fault = parse(text).unwrap_err();
        assert!(fault.line == *line && fault.text.contains(says), "{text:?}: {fault:?}");
    }
}

fn name(line: &str) -> Name {
    Name::parse(&dn(line)).unwrap()
}

fn permits(list: &[Statement], ca: &str, subject: &str) -> bool {
    let ca = comparable_line(ca);
    list.iter().any(|one| one.is_about(&ca, true) && one.permit && one.matches(&name(subject)))
}

#[test]
fn signing_policies_as_sites_have_them() {
    let text = "# the CA\r\n\r\n access_id_CA\tX509  '/C=IT/O=Grid/CN=CA'\r\n\
                pos_rights globus CA:sign\r\ncond_subjects globus \t'\"/C=it/O=Grid/*\"  \"/O=?ne/Email=*\"'\r\n\
                access_id_CA X509 \"/C=IT/O=Grid/CN=Sub\"\npos_rights globus CA:sign\n\
                cond_subjects globus '/C=IT/O=Sub/*'\n\
                access_id_CA X509 /O=Bare CA\npos_rights globus CA:sign\ncond_subjects globus *\n";
    let list = signing::parse(text).unwrap();
    for (ca, subject, is) in [
        (CA, "/C=IT/O=Grid/CN=Bob", true),
        ("/c=it/o=grid/cn=ca", "/C=IT/O=GRID/CN=Bob", true),
        (CA, "/C=IT/O=Grid2/CN=Bob", false),
        (CA, "/C=IT/O=Sub/CN=Bob", false),
        (CA, "/O=one/emailAddress=a@b", true),
        (CA, "/O=ne/emailAddress=a@b", false),
        ("/C=IT/O=Grid/CN=Sub", "/C=IT/O=Sub/CN=Bob", true),
        ("/C=IT/O=Grid/CN=Sub", "/C=IT/O=Grid/CN=Bob", false),
        ("/O=Bare CA", "/CN=anything", true),
        ("/O=Other", "/CN=anything", false),
    ] {
        assert_eq!(permits(&list, ca, subject), is, "{ca} {subject}");
    }
}

#[test]
fn faults_of_signing_policies_have_their_line() {
    let (id, rights) = ("access_id_CA X509 '/CN=CA'\n", "pos_rights globus CA:sign\n");
    let subjects = "cond_subjects globus '\"/CN=*\"'\n";
    assert!(signing::parse(&format!("{id}{rights}{subjects}")).is_ok());
    faults(
        signing::parse,
        &[
            ("", 1, "no access_id_CA"),
            ("# nothing\n\n", 1, "no access_id_CA"),
            (&format!("{id}\n{subjects}"), 3, "expected `pos_rights globus"),
            (rights, 1, "expected `access_id_CA X509"),
            (&format!("{id}{rights}"), 2, "ends before `cond_subjects`"),
            (&format!("{id}{rights}{subjects}{subjects}"), 4, "expected `access_id_CA"),
            (&format!("{id}pos_rights globus CA:wipe\n"), 2, "expected CA:sign"),
            (&format!("{id}neg_rights globus CA:sign\n"), 2, "expected `pos_rights"),
            ("access_id_CA X509 '/CN=CA\n", 1, "no closing '"),
            ("access_id_CA X509 '/CN=CA' more\n", 1, "after the closing quote"),
            ("access_id_CA X509\n", 1, "a value is missing"),
            ("access_id_CA X509 ''\n", 1, "a value is empty"),
            ("access_id_CA X509 'CN=CA'\n", 1, "is no DN"),
            (&format!("{id}{rights}cond_subjects globus '\"/CN=*'\n"), 3, "no closing \""),
            (&format!("{id}{rights}cond_subjects globus '\"\"'\n"), 3, "a pattern is empty"),
            (&format!("{id}{rights}cond_subjects globus 'x \"/CN=*\"'\n"), 3, "in double quotes"),
        ],
    );
}

#[test]
fn namespaces_as_sites_have_them() {
    let text = "#NAMESPACES-VERSION: 1.0\n\n# all of it\n\
                TO Issuer \"/C=IT/O=Grid/CN=CA\" \\\n  PERMIT Subject \"/C=IT/O=Grid/.*\"\n\
                to issuer SELF deny subject \"/C=IT/O=Grid/CN=(Eve|Mallory)\" # never\n\
                TO Issuer SELF PERMIT Subject \"/O=Mail/Email=.*@grid\\.org\"\n";
    let list = namespaces::parse(text).unwrap();
    assert_eq!(list.len(), 3);
    let of = |subject| permits(&list, CA, subject);
    assert!(of("/C=IT/O=Grid/CN=Bob") && of("/C=it/O=grid/CN=Bob"));
    assert!(of("/O=Mail/emailAddress=a@grid.org") && !of("/O=Mail/emailAddress=a@gridxorg"));
    // Anchored at both ends.
    assert!(!of("/CN=x/C=IT/O=Grid/CN=Bob") && !of("/C=IT/O=Gridx/CN=Bob"));
    let denied: Vec<_> = list.iter().filter(|one| !one.permit).collect();
    assert!(denied[0].issuer == Issuer::Owner && denied[0].matches(&name("/C=IT/O=Grid/CN=Eve")));
    assert!(!denied[0].matches(&name("/C=IT/O=Grid/CN=Evelyn")));
}

#[test]
fn faults_of_namespaces_have_their_line() {
    let good = "TO Issuer SELF PERMIT Subject \".*\"\n";
    faults(
        namespaces::parse,
        &[
            ("", 1, "no statement"),
            ("#NAMESPACES-VERSION: 2.0\n", 1, "only 1.0"),
            (&format!("{good}TO Issuer SELF PERMIT \".*\"\n"), 2, "expected TO Issuer"),
            (
                &format!("{good}\nTO Issuer SELF \\\n ALLOW Subject \".*\"\n"),
                3,
                "expected TO Issuer",
            ),
            (
                &format!("{good}TO Issuer SELF PERMIT Subject \".*\" more\n"),
                2,
                "expected TO Issuer",
            ),
            ("TO Issuer SELF PERMIT Subject \"(\"\n", 1, "regular expression"),
            ("TO Issuer SELF PERMIT Subject \"a)|(b\"\n", 1, "regular expression"),
            ("TO Issuer SELF PERMIT Subject \".*\n", 1, "no closing \""),
            ("TO Issuer \"CN=CA\" PERMIT Subject \".*\"\n", 1, "is no DN"),
            ("TO Issuer 1234abcd PERMIT Subject \".*\"\n", 1, "expected TO Issuer"),
            ("TO Issuer SELF PERMIT \\\n", 1, "ends within a statement"),
        ],
    );
}

#[test]
fn globs() {
    for (pattern, text, is) in [
        ("*", "", true),
        ("", "", true),
        ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "a-b-b", false),
        ("?", "", false),
        ("a?", "a\u{e9}", true),
        ("*a", "aaab", false),
        ("/o=x/*", "/o=x", false),
    ] {
        assert_eq!(glob(pattern, text), is, "{pattern} {text}");
    }
    // No run of stars makes it slow.
    assert!(!glob(&("a*".repeat(200) + "b"), &"a".repeat(5000)));
}

struct World {
    dir: tempfile::TempDir,
    root: Holder,
    sub: Holder,
    user: Holder,
}

const SUB: &str = "/C=IT/O=Grid/CN=Sub";

fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let root = Holder::root(CA);
    let sub = root.sub_ca(SUB, |_| {});
    let user = sub.issue("/C=IT/O=Sub/CN=Bob", |_| {});
    let world = World { dir, root, sub, user };
    world.file(CA, "0", world.root.der.as_ref());
    world
}

impl World {
    fn file(&self, ca: &str, end: &str, content: &[u8]) {
        let hash = name(ca).hash();
        std::fs::write(self.dir.path().join(format!("{hash}.{end}")), content).unwrap();
    }

    fn signing(&self, ca: &str, subjects: &str) {
        let text = format!(
            "access_id_CA X509 '{ca}'\npos_rights globus CA:sign\ncond_subjects globus '\"{subjects}\"'\n"
        );
        self.file(ca, "signing_policy", text.as_bytes());
    }

    fn namespaces(&self, owner: &str, statements: &[(&str, &str, &str)]) {
        let of = |(ca, verdict, subject): &(&str, &str, &str)| {
            format!("TO Issuer \"{ca}\" {verdict} Subject \"{subject}\"\n")
        };
        let text: String = statements.iter().map(of).collect();
        self.file(owner, "namespaces", text.as_bytes());
    }

    fn trust(&self, mode: &str) -> (Trust, Vec<Problem>) {
        let mut tls = tls(self.dir.path(), self.dir.path());
        tls.namespaces = NamespacesMode::parse(mode).unwrap();
        Trust::load(&tls, &[], HOST)
    }

    fn judge(&self, mode: &str) -> Result<Judgement, Refusal> {
        judge(&self.trust(mode).0, &[&self.user, &self.sub])
    }

    #[track_caller]
    fn refused(&self, mode: &str, says: &str) {
        let why = self.judge(mode).unwrap_err().why;
        assert!(why.contains(says), "{mode}: {why:?} does not say {says:?}");
    }
}

#[test]
fn modes_go_together_as_canl_has_them() {
    let w = world();
    let all =
        ["globus", "eugridpma", "globus-eugridpma", "eugridpma-globus", "eugridpma-and-globus"];
    // Nothing there.
    for mode in all {
        w.judge(mode).unwrap();
        w.refused(&format!("{mode}-require"), "ask the site to install its policy files");
    }
    w.judge("ignore").unwrap();
    let problems = w.trust("globus-require").1;
    assert!(problems.iter().any(|one| one.text.contains("has no signing_policy")), "{problems:?}");

    // The signing policy permits; there are no namespaces.
    w.signing(CA, "/C=IT/O=Grid/*");
    w.signing(SUB, "/C=IT/O=Sub/*");
    for mode in all {
        w.judge(mode).unwrap();
    }
    w.judge("eugridpma-and-globus-require").unwrap();
    w.judge("eugridpma-globus-require").unwrap();
    w.refused("eugridpma-require", "ask the site to install");
    assert!(!w.trust("globus-require").1.iter().any(|one| one.text.contains("signing_policy")));

    // The namespaces deny what the signing policy permits: who comes first counts.
    w.namespaces(CA, &[(CA, "PERMIT", ".*")]);
    w.namespaces(SUB, &[(SUB, "PERMIT", "/C=IT/O=Sub/.*"), (SUB, "DENY", ".*/CN=Bob")]);
    let may_not = "the CA `/C=IT/O=Grid/CN=Sub` may not certify the name `/C=IT/O=Sub/CN=Bob`";
    for mode in ["eugridpma", "eugridpma-globus", "eugridpma-and-globus"] {
        w.refused(mode, may_not);
        w.refused(&format!("{mode}-require"), may_not);
    }
    w.judge("globus-eugridpma-require").unwrap();
    w.judge("globus").unwrap();

    // And the other way round.
    w.namespaces(SUB, &[(SUB, "PERMIT", "/C=IT/O=Sub/.*")]);
    w.judge("eugridpma-and-globus-require").unwrap();
    w.signing(SUB, "/C=FR/*");
    w.refused("eugridpma-and-globus", may_not);
    w.refused("globus-eugridpma", may_not);
    w.judge("eugridpma-globus").unwrap();
}

#[test]
fn sub_cas_are_bound_and_roots_may_speak_for_them() {
    let w = world();
    // The root may certify people, not this CA.
    w.signing(CA, "/C=IT/O=Other/*");
    w.signing(SUB, "*");
    w.refused(
        "globus",
        "the CA `/C=IT/O=Grid/CN=CA` may not certify the name `/C=IT/O=Grid/CN=Sub`",
    );
    w.signing(CA, "/C=IT/O=Grid/*");
    w.judge("globus-require").unwrap();
    // Without files of its own, what the root's say of the sub-CA counts.
    let hash = name(SUB).hash();
    std::fs::remove_file(w.dir.path().join(format!("{hash}.signing_policy"))).unwrap();
    w.refused("globus-require", "says which names the CA `/C=IT/O=Grid/CN=Sub`");
    let both = [(CA, "PERMIT", "/C=IT/O=Grid/.*"), (SUB, "PERMIT", "/C=IT/O=Sub/.*")];
    w.namespaces(CA, &both);
    w.judge("eugridpma-require").unwrap();
    w.namespaces(CA, &[both[0], (SUB, "PERMIT", "/C=IT/O=No/.*")]);
    w.refused("eugridpma", "may not certify the name `/C=IT/O=Sub/CN=Bob`");
}

#[test]
fn proxies_are_not_bound() {
    let w = world();
    w.namespaces(
        CA,
        &[(CA, "PERMIT", "/C=IT/O=Grid/CN=Sub"), (SUB, "PERMIT", "/C=IT/O=Sub/CN=Bob")],
    );
    let proxy = w.user.proxy("1", |_| {});
    let trust = w.trust("eugridpma-require").0;
    judge(&trust, &[&proxy, &w.user, &w.sub]).unwrap();
}

#[test]
fn a_broken_file_refuses_its_ca_and_no_other() {
    let w = world();
    w.signing(CA, "/C=IT/*");
    w.file(
        SUB,
        "signing_policy",
        b"access_id_CA X509 '/C=IT/O=Grid/CN=Sub'\ncond_subjects globus '*'\n",
    );
    let (_, problems) = w.trust("globus");
    let told = problems.iter().find(|one| one.line == Some(2)).unwrap();
    assert!(told.text.contains("every certificate of this CA is refused"), "{told}");
    w.refused("globus", "signing_policy, line 2): ask the site to mend it");
    // What is not asked for may be broken; others go on.
    w.judge("eugridpma").unwrap();
    let direct = w.root.issue("/C=IT/O=Grid/CN=Bob", |_| {});
    judge(&w.trust("globus").0, &[&direct]).unwrap();
}

#[test]
fn old_hash_names_are_found_too() {
    let w = world();
    let old = name(CA).old_hash();
    let text = "TO Issuer SELF DENY Subject \".*\"\n";
    std::fs::write(w.dir.path().join(format!("{}.namespaces", old.to_uppercase())), text).unwrap();
    w.refused("eugridpma", "may not certify");
}

#[test]
fn an_own_ca_needs_no_files() {
    let w = world();
    let mut tls = tls(Path::new("/nonexistent"), w.dir.path());
    tls.namespaces = NamespacesMode::parse("eugridpma-and-globus-require").unwrap();
    tls.crl = crate::config::CrlMode::Require;
    let (trust, _) = Trust::load(&tls, &chain(&[&w.root]), HOST);
    judge(&trust, &[&w.root.issue("/CN=x", |_| {})]).unwrap();
    assert!(judge(&trust, &[&w.user, &w.sub]).is_err());
}
