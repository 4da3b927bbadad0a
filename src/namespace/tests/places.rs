//! What the example means: areas, mapping, who may come where.

use super::*;
use crate::model::{Refusal, Surl};

#[test]
fn the_example_is_valid_and_means_what_it_says() {
    let site = Site::new();
    let (namespace, problems) = site.load(EXAMPLE).unwrap();
    assert_eq!(problems, []);
    let [physics, tape, open] = namespace.areas() else { panic!("{namespace:?}") };
    assert_eq!(&*physics.name, "PHYSICS-FS");
    assert_eq!(physics.root, site.folder.path().canonicalize().unwrap().join("storage/physics"));
    assert_eq!(physics.token_description.as_deref(), Some("PHYSICS_TOKEN"));
    assert_eq!((physics.total_online, physics.limited_size), (500_000_000_000, true));
    assert_eq!(physics.access_points, [stfn("/physics"), stfn("/physics/old/scratch")]);
    assert_eq!((physics.file_lifetime, physics.acl_mode), (Some(3600), AclMode::AoT));
    assert_eq!((physics.anonymous_read, physics.open_to_all), (true, false));
    assert_eq!(
        (tape.storage_class, tape.retention),
        (StorageClass::T1D0, RetentionPolicy::Custodial)
    );
    assert_eq!((tape.latency, tape.acl_mode), (AccessLatency::Nearline, AclMode::JiT));
    assert_eq!((tape.total_online, tape.limited_size), (50_000_000_000_000, false));
    assert_eq!(tape.total_nearline, 400_000_000_000_000);
    assert_eq!((&tape.authz, &open.authz), (&AreaAuthz::DenyAll, &AreaAuthz::PermitAll));
    assert_eq!((open.token_description.as_deref(), open.total_online), (None, 1000));
    assert_eq!((open.storage_class, open.limited_size), (StorageClass::T0D1, true));
    assert_eq!((open.anonymous_read, open.open_to_all), (false, true));

    let details = namespace.details("PHYSICS-FS").unwrap();
    let physics = namespace.areas().iter().find(|area| &*area.name == "PHYSICS-FS").unwrap();
    assert_eq!(physics.default_acl, [DefaultAclEntry { gid: 0, read: true, write: true }]);
    assert_eq!(details.space.as_ref().unwrap().guaranteed, 1_048_576);
    assert_eq!(details.vos, ["physics"]);
    assert_eq!(details.space_path, Some(RelPath::parse("spaces").unwrap()));
    assert_eq!(namespace.details("OPEN-FS").unwrap().vos, ["*"]);
    assert_eq!(namespace.area_of_token("TAPE_TOKEN").unwrap().name, tape.name);
    let key = FileKey { area: "TAPE-FS".into(), path: RelPath::root() };
    assert_eq!(namespace.by_key(&key).unwrap().name, tape.name);
}

#[test]
fn the_longest_prefix_that_one_may_approach_wins() {
    let namespace = Site::new().example();
    let member = person("/C=FR/CN=A", &["/other", "/physics/Role=x"]);
    let operator = person("/C=IT/O=Example/CN=B", &["/physics"]);
    let stranger = person("/C=IT/O=Example/CN=C", &["/physics-test"]);
    let found = |who: &Identity, path: &str| {
        let at = namespace.locate(who, &stfn(path), Access::Write);
        at.map(|at| format!("{}:{}", at.area.name, at.path))
    };
    for (who, path, expected) in [
        (&member, "/physics/a/b", "PHYSICS-FS:a/b"),
        (&member, "/physics", "PHYSICS-FS:"),
        (&member, "/physics/old/scratch/f", "PHYSICS-FS:f"),
        (&member, "/physics/old/f", "PHYSICS-FS:old/f"),
        (&operator, "/physics/tape/f", "TAPE-FS:f"),
        (&operator, "/physics/tapes/f", "PHYSICS-FS:tapes/f"),
        // Only among the areas that the caller may approach.
        (&member, "/physics/tape/f", "PHYSICS-FS:tape/f"),
        (&stranger, "/pub/open/f", "OPEN-FS:f"),
    ] {
        assert_eq!(found(who, path).unwrap(), expected, "{path}");
    }
    assert_eq!(
        found(&stranger, "/physics/f").unwrap_err(),
        LocateError::NotApproachable {
            stfn: stfn("/physics/f"),
            who: "/C=IT/O=Example/CN=C".into()
        }
    );
    for path in ["/zeus/f", "/", "/physicsX/f", "/pub/f"] {
        assert_eq!(found(&member, path).unwrap_err(), LocateError::NotManaged(stfn(path)));
    }
}

#[test]
fn anonymous_clients_read_where_it_says_so_and_write_only_when_told() {
    let mut site = Site::new();
    let at = |namespace: &Namespace, path: &str, access| {
        namespace.locate(&Identity::Anonymous, &stfn(path), access).is_ok()
    };
    let namespace = site.example();
    assert!(at(&namespace, "/physics/f", Access::Read));
    assert!(!at(&namespace, "/physics/f", Access::Write));
    assert!(!at(&namespace, "/pub/open/f", Access::Read));
    assert!(!at(&namespace, "/pub/open/f", Access::Write));
    site.config.http.anonymous_write = true;
    let namespace = site.example();
    assert!(!at(&namespace, "/physics/f", Access::Write));
    assert!(at(&namespace, "/pub/open/f", Access::Write));
    assert!(!at(&namespace, "/pub/open/f", Access::Read));

    let refused = Identity::Refused(Arc::new(Refusal::new(None, "expired".into())));
    for path in ["/physics/f", "/pub/open/f"] {
        let error = namespace.locate(&refused, &stfn(path), Access::Read).unwrap_err();
        assert!(matches!(error, LocateError::NotApproachable { .. }), "{error}");
    }
    assert_eq!(namespace.waypoints(&refused, &Stfn::top()), Vec::<String>::new());
}

#[test]
fn waypoints_lead_to_what_one_may_read() {
    let namespace = Site::new().example();
    let member = person("/CN=A", &["/physics"]);
    let names = |who: &Identity, path: &str| namespace.waypoints(who, &stfn(path)).join(" ");
    assert_eq!(names(&member, "/"), "physics pub");
    assert_eq!(names(&member, "/pub"), "open");
    assert_eq!(names(&member, "/physics"), "old");
    assert_eq!(names(&person("/C=IT/O=Example", &["/physics"]), "/physics"), "old tape");
    assert_eq!(names(&member, "/pub/open"), "");
    assert_eq!(names(&Identity::Anonymous, "/"), "physics");
}

#[test]
fn hosts_and_ports_of_surls() {
    let namespace = Site::new().example();
    let local = |text: &str| namespace.check_local(&Surl::parse(text).unwrap()).is_ok();
    for text in [
        "srm://se.example/physics/f",
        "srm://SE.EXAMPLE:8444/srm/managerv2?SFN=/physics/f",
        "srm://old.example:8444/physics/f",
        "srm://other.example:9000/physics/f",
        "srm://other.example/physics/f",
    ] {
        assert!(local(text), "{text}");
    }
    for text in [
        "srm://se.example:8446/physics/f",
        "srm://elsewhere.example/physics/f",
        "srm://other.example:8444/physics/f",
    ] {
        assert!(!local(text), "{text}");
    }
    let namespace = namespace.with_ports(Ports { srm: 40001, https: 40002, plain: None });
    let local = |text: &str| namespace.check_local(&Surl::parse(text).unwrap());
    assert!(local("srm://se.example:40001/f").is_ok());
    assert_eq!(
        local("srm://se.example:8444/f"),
        Err(LocateError::NotLocal("srm://se.example:8444/f".into()))
    );
}

#[test]
fn the_default_area_is_that_of_the_first_rule_by_name() {
    let namespace = Site::new().example();
    let name = |who: &Identity| namespace.default_area(who).map(|area| area.name.to_string());
    assert_eq!(name(&person("/CN=A", &["/physics"])).as_deref(), Some("OPEN-FS"));
    assert_eq!(name(&Identity::Anonymous), None);
    let marked =
        EXAMPLE.replace("<approachable-fs>OPEN-FS<", "<approachable-fs>OPEN-FS, TAPE-FS*<");
    let namespace = Site::new().load(&marked).unwrap().0;
    let area = namespace.default_area(&person("/CN=A", &[])).unwrap();
    assert_eq!(&*area.name, "TAPE-FS");
}

#[test]
fn the_shipped_demo_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::defaults(folder.path());
    std::fs::write(&config.paths.namespace, include_str!("../../../namespace.xml")).unwrap();
    let (namespace, problems) =
        Namespace::load(&config.paths.namespace, &config, &|root, _| Ok(fake::driver(root)))
            .unwrap();
    assert_eq!(problems, []);
    let area = &namespace.areas()[0];
    assert_eq!((&*area.name, area.token_description.as_deref()), ("DEMO", Some("DEMO_TOKEN")));
    assert_eq!(area.root, folder.path().canonicalize().unwrap().join("var/storage/demo"));
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&area.root.metadata().unwrap().permissions());
    assert_eq!(mode & 0o7777, 0o770);
    assert!(area.anonymous_read && area.open_to_all && !area.limited_size);
    assert_eq!((area.total_online, area.acl_mode), (1_000_000_000_000, AclMode::AoT));
    let anybody = person("/CN=Anybody", &[]);
    let at = namespace.locate(&anybody, &stfn("/demo/f"), Access::Write).unwrap();
    assert_eq!(at.key().to_string(), "DEMO:/f");
    assert!(namespace.locate(&Identity::Anonymous, &stfn("/demo/f"), Access::Write).is_err());
    use crate::model::Protocol::*;
    assert_eq!(namespace.protocols(), [Https, Http, File]);
}
