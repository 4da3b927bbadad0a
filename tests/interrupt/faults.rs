//! Disks that fail: for real, under a file system that is in use, and one system call at a time.

use super::common::disk::FailingDisk;
use super::common::storm::Area;
use super::common::trace::Trace;
use super::common::usage::count;
use super::common::{bytes, soap};
use super::*;

const SIZE: usize = 2_000_000;
/// So little is written where it gets its name.
const SMALL: usize = 5000;

/// What is done over a file.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Put,
    Chunked,
    Copy,
    PutDone,
}

/// Does it; gives how it ended, `true` where it was acknowledged.
async fn deed(
    scene: &Scene,
    place: &Place,
    deed: Deed,
    name: &str,
    new: &[u8],
    fault: impl FnOnce(),
) -> (bool, String) {
    let path = place.path(name);
    let answer = match deed {
        Deed::Put => {
            fault();
            ask(scene, "PUT", &path, &[], new).await
        }
        Deed::Chunked => {
            fault();
            let mut conn = Conn::tls(&scene.voms, scene.storm.ports.https).await.unwrap();
            let chunked = [("transfer-encoding", "chunked")];
            let mut all = super::common::wire::head("PUT", &path, &chunked, None).into_bytes();
            for piece in new.chunks(400_000) {
                all.extend([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
            }
            all.extend(b"0\r\n\r\n");
            conn.send(&all).await.unwrap();
            conn.response("PUT").await.unwrap()
        }
        Deed::Copy => {
            let source = format!("{name}.source");
            place.put(scene, &source, new, "a source").await;
            fault();
            ask(scene, "COPY", &place.path(&source), &[("destination", &path)], b"").await
        }
        Deed::PutDone => {
            let surl = scene.storm.surl(&path);
            let inner =
                soap::prepare_to_put(&[&surl], None) + "<overwriteOption>ALWAYS</overwriteOption>";
            let put = scene.srm("srmPrepareToPut", &inner).await.expect("SRM_SPACE_AVAILABLE");
            let (_, turl) = super::common::wire::split_url(put.files[0].turl.as_deref().unwrap());
            assert_eq!(ask(scene, "PUT", &turl, &[], new).await.status, 201);
            fault();
            let token = put.token.as_deref().unwrap();
            let done =
                scene.srm("srmPutDone", &(soap::token(token) + &soap::surls(&[&surl]))).await;
            return (done.code == "SRM_SUCCESS", format!("{token} {}", done.xml));
        }
    };
    // Never 500 or 503: gfal-copy would end as if all were well.
    let put = !matches!(deed, Deed::Copy);
    assert!(answer.status < 500 || answer.status == 507 || !put, "{deed:?}: {}", answer.status);
    assert!(answer.status < 300 || !answer.text().trim().is_empty(), "{deed:?}: a word of why");
    (answer.status < 300, format!("{} {}", answer.status, answer.text()))
}

/// Each system call between a body and its name: it fails once, and nothing has happened.
#[tokio::test]
async fn one_call_at_a_time() {
    let scene = Scene::new();
    let place = Place::of(&scene, "TESTVO", "test.vo");
    count(&scene.storm);
    let old = bytes(SIZE, 1);
    let cells: &[(Deed, usize, &str, &str)] = &[
        (Deed::Put, SIZE, "fsync", "EIO"),
        (Deed::Put, SIZE, "linkat", "EIO"),
        (Deed::Put, SIZE, "renameat2,renameat", "EIO"),
        (Deed::Put, SIZE, "fsetxattr", "EIO"),
        (Deed::Put, SIZE, "fsetxattr", "ENOSPC"),
        (Deed::Put, SIZE, "fallocate", "ENOSPC"),
        (Deed::Chunked, SIZE, "fsync", "ENOSPC"),
        (Deed::Chunked, SIZE, "linkat", "ENOSPC"),
        (Deed::Chunked, SIZE, "renameat2,renameat", "EDQUOT"),
        (Deed::Copy, SIZE, "fsync", "EIO"),
        (Deed::Copy, SIZE, "linkat", "EIO"),
        (Deed::Copy, SIZE, "renameat2,renameat", "EIO"),
        (Deed::Copy, SIZE, "copy_file_range,sendfile,ioctl", "EIO"),
        (Deed::PutDone, SIZE, "renameat2,renameat", "EIO"),
        (Deed::PutDone, SIZE, "fsync", "EIO"),
        (Deed::Put, SMALL, "openat", "ENOSPC"),
        (Deed::Put, SMALL, "fsync", "EIO"),
        (Deed::Put, SMALL, "linkat", "EIO"),
        (Deed::Put, SMALL, "renameat2,renameat", "EIO"),
        (Deed::Put, SMALL, "fsetxattr", "ENOSPC"),
        (Deed::Chunked, SMALL, "openat", "EDQUOT"),
        (Deed::Chunked, SMALL, "linkat", "EDQUOT"),
        (Deed::PutDone, SMALL, "renameat2,renameat", "EIO"),
    ];
    for (n, (what, size, call, error)) in cells.iter().enumerate() {
        let label = format!("{what:?} of {size}, {error} of {call}");
        let (name, new) = (format!("f{n}"), bytes(*size, 50 + n as u64));
        place.put(&scene, &name, &old, &label).await;
        let mut trace = None;
        let fault = || trace = Some(Trace::fail(scene.storm.pid(), call, error, None));
        let (done, told) = deed(&scene, &place, *what, &name, &new, fault).await;
        let calls = trace.unwrap().stop();
        let hit = calls.iter().any(|one| one.text.contains("INJECTED"));
        // A call that is not made here fails nothing; what fallocate says is advice.
        assert!(hit || done, "{label}: nothing was injected, and it failed: {told}");
        assert!(hit || *call == "fallocate", "{label}: this call is not made any more");
        let stands: &[u8] = if done { &new } else { &old };
        place.holds(&name, Some(stands), &format!("{label}: {told}"));
        if matches!(what, Deed::PutDone) && !done {
            // It may be asked for again, or given up.
            scene.srm("srmAbortRequest", &soap::token(told.split(' ').next().unwrap())).await;
        }
        place.tidy(&scene, &label).await;
        place.holds(&name, Some(stands), &label);
        place.put(&scene, &name, b"later", &label).await;
    }
}

/// A disk that dies under its file system: what is written comes to nothing, what was there is there.
#[tokio::test]
async fn a_disk_that_dies() {
    let disk = FailingDisk::new(64);
    let (name, stfn) = ("DISK", "disk");
    let root = Some(disk.mount.clone());
    let area = Area { name, stfn, vo: None, anonymous: false, root };
    let mut scene = Scene::with("", vec![area], |_| ());
    count(&scene.storm);
    let place = Place { area: name, stfn, root: disk.mount.clone() };
    let old = bytes(SIZE, 1);
    for (n, what) in [Deed::Put, Deed::Chunked, Deed::Copy, Deed::PutDone].into_iter().enumerate() {
        let label = format!("{what:?} on a disk that dies");
        let new = bytes(SIZE, 10 + n as u64);
        place.put(&scene, "f", &old, &label).await;
        let (done, told) = deed(&scene, &place, what, "f", &new, || disk.fail()).await;
        assert!(!done, "{label}: {told}");
        // The others go on.
        let other = ask(&scene, "PUT", "/test.vo/other", &[], b"x").await;
        assert!([201, 204].contains(&other.status), "{label}: {}", other.text());
        scene.storm.kill9();
        disk.mend();
        place.holds("f", Some(&old), &label);
        scene.storm.restart();
        if matches!(what, Deed::PutDone) {
            scene.srm("srmAbortRequest", &soap::token(told.split(' ').next().unwrap())).await;
        }
        place.tidy(&scene, &label).await;
        place.holds("f", Some(&old), &label);
        place.put(&scene, "f", b"later", &label).await;
    }
}

/// A part is written in place: a disk that fails leaves the file as long as it was, what is outside of the
/// part as it was, and no checksum that is not of what stands there.
#[tokio::test]
async fn parts() {
    let scene = Scene::new();
    let place = Place::of(&scene, "TESTVO", "test.vo");
    count(&scene.storm);
    let old = bytes(SIZE, 1);
    for (call, range) in [
        ("fsync", "bytes 1000-500999/*"),
        ("copy_file_range,sendfile,pwrite64,pwritev", "bytes 1000-500999/*"),
        ("fsync", "bytes 1999000-2498999/*"),
    ] {
        place.put(&scene, "f", &old, call).await;
        let part = bytes(500_000, 2);
        let file = place.root.join("f").display().to_string();
        let trace = Trace::fail(scene.storm.pid(), call, "EIO", Some(&file));
        let put = ask(&scene, "PUT", "/test.vo/f", &[("content-range", range)], &part).await;
        trace.stop();
        assert_eq!(put.status, 409, "{call}: {}", put.text());
        let at = range[6..].split('-').next().unwrap().parse().unwrap();
        assert_eq!(some_of_a_part(&scene, &place, &old, &part, at, call).await, SIZE, "{call}");
        place.tidy(&scene, call).await;
        place.put(&scene, "f", b"later", call).await;
    }
}

/// A part that may have been written in part: what is outside of it is as it was, each byte of it is the
/// old or the new one, and the checksum is that of what stands there. Gives the file's length.
pub async fn some_of_a_part(
    scene: &Scene,
    place: &Place,
    old: &[u8],
    part: &[u8],
    at: usize,
    what: &str,
) -> usize {
    let found = std::fs::read(place.root.join("f")).unwrap();
    let end = at + part.len();
    assert!((old.len()..=old.len().max(end)).contains(&found.len()), "{what}: its length");
    assert!(found[..at] == old[..at], "{what}: before the part");
    assert!(found[end.min(found.len())..] == old[end.min(old.len())..], "{what}: behind the part");
    for (n, byte) in found.iter().enumerate().take(end).skip(at) {
        // Behind the old end there was nothing: zeros.
        let before = old.get(n).copied().unwrap_or_default();
        assert!(*byte == before || *byte == part[n - at], "{what}: byte {n} is neither");
    }
    let sum = ask(scene, "HEAD", "/test.vo/f", &[("want-digest", "adler32")], b"").await;
    let wanted = format!("adler32={}", super::common::adler32(&found));
    assert_eq!(sum.header("digest"), Some(wanted.as_str()), "{what}");
    found.len()
}
