//! `kill -9` in the middle of overwrites: the old or the new stands there, whole, and the area holds
//! what is known.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::common::client::Tls;
use super::common::wire;
use super::*;

/// Bytes of each content; what it holds tells which one it is.
const SIZE: usize = 300_000;

fn content(which: u8) -> Vec<u8> {
    vec![which; SIZE]
}

/// A file, or a directory that holds one.
fn found(path: &std::path::Path) -> Option<Vec<u8>> {
    match path.is_dir() {
        true => std::fs::read(path.join("in")).ok(),
        false => std::fs::read(path).ok(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_or_the_new_stands_after_a_kill() {
    let config = wire::config(Some("voms"), Tls::Any);
    let mut storm = TestStorm::start();
    let root = storm.root("test.vo");
    for name in ["copied", "moved", "swapped"] {
        std::fs::create_dir(root.join(name)).unwrap();
        std::fs::write(root.join(name).join("source"), content(b's')).unwrap();
        std::fs::write(root.join(name).join("target"), content(b't')).unwrap();
    }
    count(&storm);
    let done = Arc::new(AtomicU64::new(0));
    for round in 0..10_u64 {
        let https = storm.ports.https;
        let clients = ["copied", "moved", "swapped"].map(|name| {
            let (config, done, root) = (Arc::clone(&config), Arc::clone(&done), root.clone());
            tokio::spawn(async move {
                for turn in 0_u8.. {
                    let folder = root.join(name);
                    // What is moved away comes anew, behind the daemon's back but for its count.
                    if name != "copied" && !folder.join("source").exists() {
                        let path = match turn % 2 == 0 && name == "swapped" {
                            true => {
                                let path = format!("/test.vo/{name}/source");
                                wire::once(&config, https, "MKCOL", &path, b"").await?;
                                path + "/in"
                            }
                            false => format!("/test.vo/{name}/source"),
                        };
                        wire::once(&config, https, "PUT", &path, &content(b's')).await?;
                    }
                    let method = if name == "copied" { "COPY" } else { "MOVE" };
                    let to = format!("/test.vo/{name}/target");
                    let mut conn = Conn::tls(&config, https).await?;
                    let from = format!("/test.vo/{name}/source");
                    let answer = conn.request(method, &from, &[("destination", &to)], b"").await?;
                    assert!([201, 204].contains(&answer.status), "{}", answer.text());
                    done.fetch_add(1, Ordering::Relaxed);
                }
                std::io::Result::Ok(())
            })
        });
        tokio::time::sleep(Duration::from_millis(300 + 61 * round)).await;
        storm.kill9();
        for client in clients {
            assert!(client.await.unwrap().is_err(), "it was killed in the middle");
        }
        storm.restart();
        for name in ["copied", "moved", "swapped"] {
            let target = found(&root.join(name).join("target"));
            let whole = |bytes: &Vec<u8>| *bytes == content(b's') || *bytes == content(b't');
            assert!(target.as_ref().is_some_and(whole), "round {round}: {name} is neither");
        }
        assert_eq!(used(&storm, "TESTVO").await, held(&root), "round {round}");
        assert_eq!(leftovers(&root), Vec::<String>::new(), "round {round}");
    }
    assert!(done.load(Ordering::Relaxed) > 100, "hardly anything was done");
}
