//! {length, chunked} x {0, 1, n} x {Expect, none} x {new, overwrite, shorter} x {1.1, 2}.

use super::common::scene::Scene;
use super::common::{adler32, bytes, leftovers, wait_until};
use super::header;
use super::talk::{Client, Shape};

const N: usize = 300_003;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Nothing,
    AsLong,
    Longer,
}

#[tokio::test]
async fn every_shape_of_put() {
    let scene = Scene::new();
    let mut client = Client::new(&scene.voms, scene.storm.ports.https).await;
    let mut cells = 0;
    for two in [false, true] {
        for chunked in [false, true] {
            for expect in [false, true] {
                for size in [0, 1, N] {
                    for before in [Before::Nothing, Before::AsLong, Before::Longer] {
                        cells += 1;
                        let shape = Shape { two, chunked, expect };
                        let path = format!("/test.vo/{cells}");
                        let what = format!("{shape:?} {size} {before:?}");
                        cell(&scene, &mut client, &path, shape, size, before, &what).await;
                    }
                }
            }
        }
    }
    println!("cells={cells}");
    assert_eq!(cells, 72);
    let root = scene.storm.root("test.vo");
    wait_until(std::time::Duration::from_secs(5), || leftovers(&root).is_empty());
    assert_eq!(leftovers(&root), Vec::<String>::new());
}

async fn cell(
    scene: &Scene,
    client: &mut Client,
    path: &str,
    shape: Shape,
    size: usize,
    before: Before,
    what: &str,
) {
    let disk = scene.storm.dir().join("areas").join(&path[1..]);
    let old = match before {
        Before::Nothing => None,
        Before::AsLong => Some(bytes(size, 1)),
        Before::Longer => Some(bytes(size + 1000, 2)),
    };
    if let Some(old) = &old {
        std::fs::write(&disk, old).unwrap();
    }
    let data = bytes(size, 3);
    // Nothing ends early that has no bytes and says so.
    if size > 0 || shape.chunked && !shape.two {
        client.hang_up(path, shape, &data).await;
        assert!(std::fs::read(&disk).ok() == old, "{what}: after a client that hung up");
    }
    let put = client.put(path, shape, &data).await;
    let status = if old.is_some() { 204 } else { 201 };
    assert_eq!(put.status, status, "{what}: {}", put.text());
    let get = client.get(path, shape.two, &[("want-digest", "adler32")]).await;
    assert_eq!(get.status, 200, "{what}");
    assert!(get.body == data, "{what}: {} bytes", get.body.len());
    assert_eq!(header(&get, "content-length"), size.to_string(), "{what}");
    assert_eq!(header(&get, "digest"), format!("adler32={}", adler32(&data)), "{what}");
    let etag = header(&put, "etag");
    assert!(etag.starts_with('"') && etag == header(&get, "etag"), "{what}: {etag}");
    assert!(std::fs::read(&disk).unwrap() == data, "{what}: on disk");
}
