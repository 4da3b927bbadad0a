mod bad_files;
mod fake;
mod hostile;
mod places;
mod turls;

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::*;
use crate::config::{Config, Problem};
use crate::model::{Fqan, Identity, Person, ProxyKind};

const EXAMPLE: &str = include_str!("../../../tests/data/namespace/example.xml");

/// A folder with the example's roots, and the example with its roots moved there.
struct Site {
    folder: tempfile::TempDir,
    config: Config,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for area in ["physics", "tape", "open"] {
            std::fs::create_dir_all(folder.path().join("storage").join(area)).unwrap();
        }
        let config = Config::parse(
            "[site]\nhost = \"SE.example\"\nsurl_hosts = [\"old.example\", \"other.example:9000\"]\n",
            &folder.path().join("storm.toml"),
        )
        .unwrap();
        Self { folder, config }
    }

    fn load(&self, xml: &str) -> Result<(Namespace, Vec<Problem>), Vec<Problem>> {
        let storage = format!("<root>{}/storage", self.folder.path().display());
        let file = self.folder.path().join("namespace.xml");
        std::fs::write(&file, xml.replace("<root>/storage", &storage)).unwrap();
        self.read(&file)
    }

    fn read(&self, file: &Path) -> Result<(Namespace, Vec<Problem>), Vec<Problem>> {
        Namespace::load(file, &self.config, &|root, _| Ok(fake::driver(root)))
    }

    fn example(&self) -> Namespace {
        self.load(EXAMPLE).unwrap().0
    }
}

fn person(dn: &str, fqans: &[&str]) -> Identity {
    Identity::Person(Arc::new(Person {
        dn: dn.to_owned(),
        fqans: fqans.iter().map(|text| Fqan::parse(text).unwrap()).collect(),
        not_after: SystemTime::UNIX_EPOCH,
        proxy: ProxyKind::EndEntity,
        notes: Vec::new(),
        scope: None,
    }))
}

fn stfn(text: &str) -> Stfn {
    Stfn::parse(text).unwrap()
}
