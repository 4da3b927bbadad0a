//! srmPrepareToPut and srmPutDone.

use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use crate::common::{bytes, wait_until};
use crate::world::*;

#[tokio::test]
async fn overwrite_modes() {
    let world = World::new();
    let surl = world.write("f", b"old");
    for more in ["", "<overwriteOption>NEVER</overwriteOption>"] {
        let answer = world.put(&[&surl], more).await.expect(DUPLICATION);
        assert_eq!(answer.code, FAILURE);
        assert!(answer.file_explanation().contains("overwite is not allowed"));
    }
    let answer = world.put(&[&surl], ALWAYS).await.expect(READY);
    World::stored(&world.http("PUT", turl(&answer), b"new").await);
    world.holds("f", b"old");
    world.done(token(&answer), &[&surl]).await.expect(SUCCESS);
    world.holds("f", b"new");

    // An aborted overwrite leaves the old bytes.
    let answer = world.put(&[&surl], ALWAYS).await.expect(READY);
    World::stored(&world.http("PUT", turl(&answer), b"newer").await);
    assert_eq!(world.abort(token(&answer)).await.code, SUCCESS);
    world.holds("f", b"new");
    assert_eq!(world.http("PUT", turl(&answer), b"late").await.status, 403);
    world.holds("f", b"new");

    std::fs::create_dir(world.disk("dir")).unwrap();
    world.put(&[&world.surl("dir")], ALWAYS).await.expect(INVALID_PATH);
    world.put(&[&world.surl("none/f")], "").await.expect(INVALID_PATH);
    world.put(&[&world.surl("f/below")], "").await.expect(INVALID_PATH);
    world.tidy();
}

#[tokio::test]
async fn when_files_are_different() {
    let world = World::new();
    let inode = |name: &str| std::fs::metadata(world.disk(name)).unwrap().ino();
    world.publish("f", b"one", DIFFERENT).await;
    let first = inode("f");
    world.publish("f", b"one", DIFFERENT).await;
    assert_eq!(inode("f"), first, "the same bytes replaced the file");
    world.publish("f", b"two", DIFFERENT).await;
    assert_ne!(inode("f"), first);
    world.holds("f", b"two");
    world.publish("f", b"longer", DIFFERENT).await;
    world.holds("f", b"longer");

    // Nothing tells the checksums of these but their bytes.
    let surl = world.write("old", b"same");
    let before = inode("old");
    for (bytes, kept) in [(b"same", true), (b"diff", false)] {
        let answer = world.put_by("file", &surl, DIFFERENT).await.expect(READY);
        std::fs::write(behind(turl(&answer)), bytes).unwrap();
        world.done(token(&answer), &[&surl]).await.expect(SUCCESS);
        assert_eq!(inode("old") == before, kept);
        world.holds("old", bytes);
    }
    world.tidy();
}

#[tokio::test]
async fn busy_files() {
    let world = World::new();
    let new = world.surl("new");
    let first = world.put(&[&new], "").await.expect(READY);
    world.put(&[&new], "").await.expect(DUPLICATION);
    world.put(&[&new], ALWAYS).await.expect(BUSY);
    world.get(&[&new], "").await.expect(BUSY);
    assert_eq!(world.abort(token(&first)).await.code, SUCCESS);
    world.get(&[&new], "").await.expect(INVALID_PATH);
    world.put(&[&new], "").await.expect(READY);

    let old = world.write("old", b"old");
    let get = world.get(&[&old], "").await.expect(PINNED);
    world.put(&[&old], ALWAYS).await.expect(BUSY);
    world.release(token(&get), &[]).await.expect(SUCCESS);
    world.put(&[&old], ALWAYS).await.expect(READY);
    world.get(&[&old], "").await.expect(BUSY);
}

#[tokio::test]
async fn overwriting_what_is_pinned_where_allowed() {
    let world = World::with("overwrite_pinned = true\noverwrite_default = \"ALWAYS\"");
    let surl = world.write("f", b"old");
    let get = world.get(&[&surl], "").await.expect(PINNED);
    world.publish("f", b"new", "").await;
    world.get_status(token(&get)).await.expect(ABORTED);
}

#[tokio::test]
async fn done_once_and_for_what_there_is() {
    let world = World::new();
    let (a, b) = (world.surl("a"), world.surl("b"));
    let answer = world.put(&[&a, &b], "").await;
    assert_eq!((answer.code.as_str(), codes(&answer)), (SUCCESS, vec![READY, READY]));
    let id = token(&answer);
    World::stored(&world.http("PUT", turl(&answer), b"bytes").await);
    let strange = world.surl("strange");
    let done = world.done(id, &[&strange, &a, &a]).await;
    assert_eq!(
        (done.code.as_str(), codes(&done)),
        (PARTIAL, vec![INVALID_PATH, SUCCESS, DUPLICATION])
    );
    let again = world.done(id, &[&a]).await.expect(DUPLICATION);
    assert_eq!(again.code, FAILURE);
    // Nothing written: a new file is empty.
    world.done(id, &[&b]).await.expect(SUCCESS);
    world.holds("b", b"");
    world.holds("a", b"bytes");
    let status = world.put_status(id).await;
    assert_eq!((status.code.as_str(), codes(&status)), (SUCCESS, vec![SUCCESS, SUCCESS]));
    assert!(status.files.iter().all(|f| f.turl.is_none()), "{}", status.xml);

    // Nothing written where something was announced.
    let c = world.surl("c");
    let answer = world.put_sized(&c, 10, "").await.expect(READY);
    assert_eq!(world.done(token(&answer), &[&c]).await.expect(FAILURE).code, FAILURE);
    assert!(!world.disk("c").exists());
    world.put_status(token(&answer)).await.expect(FAILURE);
    // 0 is unknown.
    let answer = world.put_sized(&c, 0, "").await.expect(READY);
    world.done(token(&answer), &[&c]).await.expect(SUCCESS);
    // Nothing written over something.
    let answer = world.put_sized(&a, 99, ALWAYS).await.expect(READY);
    world.done(token(&answer), &[&a]).await.expect(SUCCESS);
    world.holds("a", b"bytes");
    world.tidy();
}

#[tokio::test]
async fn done_while_somebody_writes() {
    let world = World::new();
    let surl = world.surl("slow");
    let content = bytes(100_000, 3);
    let answer = world.put(&[&surl], "").await.expect(READY);
    let mut conn = world.half_upload(turl(&answer), &content).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let done = world.done(token(&answer), &[&surl]).await.expect(BUSY);
    assert_eq!(done.code, FAILURE);
    conn.send(&content[content.len() / 2..]).await.unwrap();
    World::stored(&conn.response("PUT").await.unwrap());
    world.done(token(&answer), &[&surl]).await.expect(SUCCESS);
    world.holds("slow", &content);

    // The same with a program that writes in place.
    let surl = world.surl("local");
    let answer = world.put_by("file", &surl, "").await.expect(READY);
    let path = behind(turl(&answer));
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    world.done(token(&answer), &[&surl]).await.expect(BUSY);
    std::io::Write::write_all(&mut &file, b"local").unwrap();
    drop(file);
    world.done(token(&answer), &[&surl]).await.expect(SUCCESS);
    world.holds("local", b"local");
    world.tidy();
}

#[tokio::test]
async fn what_happens_to_the_place_meanwhile() {
    let world = World::new();
    for name in ["d", "e", "g"] {
        std::fs::create_dir(world.disk(name)).unwrap();
    }
    // The directory moves away; for a mover's file, another comes in its place.
    let (http, file) = (world.surl("d/http"), world.surl("e/file"));
    let by_http = world.put(&[&http], "").await.expect(READY);
    World::stored(&world.http("PUT", turl(&by_http), b"x").await);
    let by_file = world.put_by("file", &file, "").await.expect(READY);
    std::fs::write(behind(turl(&by_file)), b"x").unwrap();
    for (from, to) in [("d", "d2"), ("e", "e2")] {
        let from = crate::common::soap::escape(&world.surl(from));
        let to = crate::common::soap::escape(&world.surl(to));
        let moved =
            world.srm("srmMv", &format!("<fromSURL>{from}</fromSURL><toSURL>{to}</toSURL>")).await;
        assert_eq!(moved.code, SUCCESS, "{}", moved.xml);
    }
    std::fs::create_dir(world.disk("e")).unwrap();
    for (answer, surl) in [(&by_http, &http), (&by_file, &file)] {
        let done = world.done(token(answer), &[surl]).await.expect(INVALID_PATH);
        assert_eq!(done.code, FAILURE);
    }
    assert!(!world.disk("e/file").exists());
    // What was written went along with the directory, and is not left there.
    world.tidy();
    world.put_status(token(&by_file)).await.expect(INVALID_PATH);
    world.put(&[&file], "").await.expect(READY);

    // A file, or a directory, takes the name.
    let (a, b) = (world.surl("g/a"), world.surl("g/b"));
    let answer = world.put(&[&a, &b], ALWAYS).await;
    for file in &answer.files {
        World::stored(&world.http("PUT", file.turl.as_ref().unwrap(), b"mine").await);
    }
    std::fs::create_dir(world.disk("g/a")).unwrap();
    let never = world.surl("g/never");
    let answer2 = world.put(&[&never], "").await.expect(READY);
    World::stored(&world.http("PUT", turl(&answer2), b"mine").await);
    std::fs::write(world.disk("g/never"), b"theirs").unwrap();
    let done = world.done(token(&answer), &[&a, &b]).await;
    assert_eq!((done.code.as_str(), codes(&done)), (PARTIAL, vec![INVALID_PATH, SUCCESS]));
    world.done(token(&answer2), &[&never]).await.expect(DUPLICATION);
    world.holds("g/never", b"theirs");
    world.tidy();
}

#[tokio::test]
async fn uploads_to_a_turl() {
    let world = World::new();
    let surl = world.surl("f");
    let answer = world.put(&[&surl], "").await.expect(READY);
    let turl = turl(&answer);
    assert_eq!(world.http("HEAD", turl, b"").await.status, 404);
    assert_eq!(world.http("DELETE", turl, b"").await.status, 404);
    World::stored(&world.http("PUT", turl, b"first").await);
    World::stored(&world.http("PUT", turl, b"second").await);
    assert_eq!(world.http("HEAD", turl, b"").await.status, 200);
    World::stored(&world.http("DELETE", turl, b"").await);
    assert_eq!(world.http("HEAD", turl, b"").await.status, 404);
    World::stored(&world.http("PUT", turl, b"third").await);
    world.done(token(&answer), &[&surl]).await.expect(SUCCESS);
    world.holds("f", b"third");
    assert_eq!(world.http("PUT", turl, b"late").await.status, 403);
    world.holds("f", b"third");
    world.tidy();
}

#[tokio::test]
async fn movers() {
    let world = World::with_movers();
    // GridFTP servers and local programs find a file; xrootd makes it.
    for (protocol, scheme, there) in
        [("gsiftp", "gsiftp://", true), ("file", "file://", true), ("root", "root://", false)]
    {
        let surl = world.surl(protocol);
        let inner = crate::common::soap::prepare_to_put(&[&surl], Some(5));
        let inner = inner.replace(">https<", &format!(">{protocol}<"));
        let answer = world.srm("srmPrepareToPut", &inner).await.expect(READY);
        assert!(turl(&answer).starts_with(scheme), "{}", answer.xml);
        let path = behind(turl(&answer));
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with(".storm."), "{path:?}");
        assert_eq!(path.exists(), there, "{protocol}");
        // Short: what was announced did not come.
        std::fs::write(&path, b"1234").unwrap();
        world.done(token(&answer), &[&surl]).await.expect(FAILURE);
        assert!(!world.disk(protocol).exists());
        world.tidy();
        let answer = world.srm("srmPrepareToPut", &inner).await.expect(READY);
        std::fs::write(behind(turl(&answer)), b"12345").unwrap();
        world.done(token(&answer), &[&surl]).await.expect(SUCCESS);
        world.holds(protocol, b"12345");
        // And one that is aborted.
        let answer = world.put_by(protocol, &surl, ALWAYS).await.expect(READY);
        std::fs::write(behind(turl(&answer)), b"67890").unwrap();
        assert_eq!(world.abort(token(&answer)).await.code, SUCCESS);
        world.holds(protocol, b"12345");
        world.tidy();
    }
    let inner = crate::common::soap::prepare_to_get(&[&world.surl("root")]);
    let got = world.srm("srmPrepareToGet", &inner.replace(">https<", ">root<")).await;
    assert!(turl(&got).starts_with("root://xroot.example:1094"));
}

#[tokio::test]
async fn refused_as_a_whole() {
    let world =
        World::with("[workers]\nput = { threads = 1, queue = 2 }\n[limits]\nfiles_per_request = 5");
    let surl = world.surl("f");
    let refused = async |inner: &str, code: &str| {
        let answer = world.srm("srmPrepareToPut", inner).await;
        assert_eq!(answer.code, code, "{}", answer.xml);
        assert!(!answer.explanation.is_empty() && answer.token.is_none(), "{}", answer.xml);
    };
    refused("", INVALID_REQUEST).await;
    refused("<arrayOfFileRequests></arrayOfFileRequests>", INVALID_REQUEST).await;
    refused(
        "<arrayOfFileRequests><requestArray></requestArray></arrayOfFileRequests>",
        INVALID_REQUEST,
    )
    .await;
    let put = |surls: &[&str]| crate::common::soap::prepare_to_put(surls, None);
    refused(&put(&[surl.as_str(); 6]), INVALID_REQUEST).await;
    refused(&put(&[surl.as_str(); 3]), "SRM_INTERNAL_ERROR").await;
    let huge = crate::common::soap::prepare_to_put(&[&surl], Some(u64::MAX));
    refused(&huge, INVALID_REQUEST).await;
    let time = "<desiredTotalRequestTime>-1</desiredTotalRequestTime>";
    refused(&(put(&[&surl]) + time), INVALID_REQUEST).await;
    let unknown = put(&[&surl]).replace(">https<", ">nonsense<");
    refused(&unknown, NOT_SUPPORTED).await;
    let space = "<targetSpaceToken>no-such-token</targetSpaceToken>";
    refused(&(put(&[&surl]) + space), INVALID_REQUEST).await;
    // Somebody without a certificate could not even ask for the status.
    let nobody = crate::common::wire::config(None, crate::common::client::Tls::Any);
    let answer = world.ask(&nobody, "srmPrepareToPut", &put(&[&surl])).await;
    assert_eq!(answer.code, "SRM_AUTHENTICATION_FAILURE", "{}", answer.xml);
    let get = crate::common::soap::prepare_to_get(&[world.storm.surl("/open/f")]);
    let answer = world.ask(&nobody, "srmPrepareToGet", &get).await;
    assert_eq!(answer.code, "SRM_AUTHENTICATION_FAILURE", "{}", answer.xml);
    // Too large a file, and a place in a closed area.
    world.put_sized(&surl, 1 << 60, "").await.expect("SRM_NO_FREE_SPACE");
    let closed = world.storm.surl("/closed/f");
    world.put(&[&closed], "").await.expect("SRM_AUTHORIZATION_FAILURE");
    assert!(wait_until(Duration::from_secs(1), || world.storm.healthy()));
    world.tidy();
}
