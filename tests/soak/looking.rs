//! How a client in its own directory looks at files and lists, and how it ends.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::common::soap;
use crate::content;
use crate::link::{Cut, Window};
use crate::own::Own;
use crate::rules::{BUSY, LATE, SUCCESS};
use crate::world::{Kind, Node, World};

/// How long a request without a token, whose answer was lost, may take to end by itself.
const ENDS: Duration = Duration::from_secs(60);

/// Of a file that is just over.
const EITHER: &[&str] = &["SRM_SUCCESS", "SRM_FILE_LIFETIME_EXPIRED"];

/// What a list says of a path: its code, and the size of a file.
type Listed = BTreeMap<String, (String, Option<u64>)>;

impl Own {
    /// GET, at the file's own path or at its TURL.
    pub async fn read(&mut self, path: &str) -> Result<(), Cut> {
        let turl = self.rng.bool();
        self.read_at(path, turl).await
    }

    async fn read_at(&mut self, path: &str, turl: bool) -> Result<(), Cut> {
        let prefix = if turl { "/fileTransfer" } else { "" };
        let target = format!("{prefix}/test.vo/{}/{path}", self.home);
        let (response, window) = self.link.http("GET", &target, b"").await?;
        self.pass(window);
        let found = (response.status == 200).then(|| content::read(&response.body));
        let said = format!("{} {found:?}", response.status);
        self.keep(&format!("GET {target}"), &said, &|world| {
            let (status, content) = world.reads(path, turl);
            let dir = world.nodes.get(path) == Some(&Node::Dir);
            let agrees = response.status == status && found.flatten() == content;
            (dir || agrees).then(|| world.clone())
        });
        Ok(())
    }

    /// srmLs of everything.
    pub async fn list(&mut self) -> Result<(), Cut> {
        let inner = format!(
            "{}<fullDetailedList>true</fullDetailedList><allLevelRecursive>true</allLevelRecursive>",
            soap::surls(&[self.surl("")])
        );
        let (answer, window) = self.link.list(&inner).await?;
        self.pass(window);
        let root = format!("/test.vo/{}", self.home);
        let mut found = Listed::new();
        for detail in answer.xml.split("<pathDetailArray").skip(1) {
            let path = soap::text(detail, "path").unwrap_or_default();
            let name = path.strip_prefix(&root).unwrap_or(&path).trim_matches('/').to_owned();
            let is_file = soap::text(detail, "type").is_some_and(|kind| kind == "FILE");
            let size = soap::text(detail, "size").and_then(|size| size.parse().ok());
            let code = soap::text(detail, "statusCode").unwrap_or_default();
            if !name.is_empty() {
                found.insert(name, (code, size.filter(|_| is_file)));
            }
        }
        self.keep("srmLs", &format!("{} {found:?}", answer.code), &|world| {
            world.lists(&found, window).then(|| world.clone())
        });
        Ok(())
    }

    /// Looks at everything that could tell one world from another.
    pub async fn observe(&mut self) -> Result<(), Cut> {
        self.list().await?;
        let known = self.known.iter().filter(|(_, known)| known.token.is_some());
        for number in known.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.status_of(number).await?;
        }
        self.look_at_spaces().await?;
        let files = self.worlds.iter().flat_map(|world| world.nodes.keys().cloned());
        for path in files.collect::<std::collections::BTreeSet<String>>() {
            self.read_at(&path, false).await?;
        }
        Ok(())
    }

    /// Ends everything, and looks a last time.
    pub async fn close(&mut self) -> Result<(), Cut> {
        if self.worlds.is_empty() {
            self.settle_in().await?;
        }
        self.observe().await?;
        for number in self.known.keys().copied().collect::<Vec<_>>() {
            if self.worlds.is_empty() || self.known[&number].token.is_none() {
                continue;
            }
            if self.worlds[0].requests[&number].kind.pins() && self.rng.bool() {
                let count = self.worlds[0].requests[&number].files.len();
                let places: Vec<_> = (0..count).map(|at| (number, at)).collect();
                let inner = self.token(number);
                self.per_file("srmReleaseFiles", &inner, &places, &World::release).await?;
            } else {
                self.abort(number).await?;
            }
        }
        let begun = Instant::now();
        while self.worlds.iter().any(World::is_busy) && begun.elapsed() < ENDS {
            tokio::time::sleep(Duration::from_millis(200)).await;
            self.pass(Window { sent: Instant::now(), read: Instant::now() });
        }
        self.observe().await?;
        self.release_all().await?;
        for at in 0..self.ended.len() {
            self.recheck_one(at).await?;
        }
        self.closed = true;
        Ok(())
    }
}

impl World {
    /// What GET gives: the status, and the content where it is 200.
    fn reads(&self, path: &str, turl: bool) -> (u16, Option<u64>) {
        let stored = match self.nodes.get(path) {
            Some(Node::File(stored)) => (200, Some(stored.content)),
            _ => (404, None),
        };
        if !turl || self.is_got(path) {
            return stored;
        }
        let Some(put) = self.put_on(path) else { return (403, None) };
        let file = self.file(put);
        let made = matches!(self.requests[&put.0].kind, Kind::Put { made: true, .. });
        match file.data {
            Some(content) => (200, Some(content)),
            None if made && !file.doubtful => (200, Some(0)),
            None => (404, None),
        }
    }

    /// True when this is what a list of everything shows.
    fn lists(&self, found: &Listed, window: Window) -> bool {
        let all = |path: &String| !path.is_empty();
        let mut wanted: BTreeMap<&String, (&[&str], Option<u64>)> = BTreeMap::new();
        for (path, node) in &self.nodes {
            let (size, life) = match node {
                Node::File(stored) => (Some(stored.size()), stored.life.as_ref()),
                Node::Dir => (None, None),
            };
            let busy = self.put_on(path).is_some();
            let code = match life.map_or(Some(false), |life| life.is_over(window)) {
                _ if busy => BUSY,
                Some(false) => SUCCESS,
                Some(true) => LATE,
                None => EITHER,
            };
            wanted.insert(path, (code, size));
        }
        for put in self.puts_below("") {
            wanted.entry(&self.file(put).path).or_insert((BUSY, None));
        }
        wanted.len() == found.keys().filter(|path| all(path)).count()
            && wanted.iter().all(|(path, (code, size))| {
                found.get(*path).is_some_and(|(said, length)| {
                    code.contains(&said.as_str())
                        && (size.is_none() || *code == BUSY || size == length)
                })
            })
    }

    /// Something has not ended.
    fn is_busy(&self) -> bool {
        let mut files = self.requests.values().flat_map(|request| &request.files);
        files.any(|file| file.state.is_open()) || self.has_lives()
    }
}
