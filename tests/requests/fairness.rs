//! One user with very much to do beside one who has little.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustls::ClientConfig;

use crate::common::soap;
use crate::common::wire::Conn;
use crate::world::*;

const NO_USER_SPACE: &str = "SRM_NO_USER_SPACE";

/// Connections of the greedy user.
const GREEDY: usize = 200;

/// What the clients share.
#[derive(Default)]
struct Calls {
    answered: AtomicUsize,
    stop: AtomicBool,
}

/// Calls on one connection until it is told to stop; how many calls of anybody were answered during each.
async fn client(
    who: Arc<ClientConfig>,
    port: u16,
    inner: Arc<str>,
    calls: Arc<Calls>,
) -> Vec<usize> {
    let mut conn = Conn::tls(&who, port).await.unwrap();
    let mut during = Vec::new();
    while !calls.stop.load(Ordering::Relaxed) {
        let before = calls.answered.load(Ordering::Relaxed);
        let answer = soap::call(&mut conn, "srmLs", &inner).await.unwrap();
        assert_eq!(answer.code, SUCCESS, "{}", answer.xml);
        during.push(calls.answered.fetch_add(1, Ordering::Relaxed) - before);
    }
    during
}

fn median(mut counts: Vec<usize>) -> usize {
    counts.sort_unstable();
    counts[counts.len() / 2]
}

/// Counted in calls, not in time: however slow the machine is at the moment, one call of the polite user
/// waits for the calls that are worked on, and not for all that the greedy one has waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_connections_do_not_hold_up_another_user() {
    let world = World::new();
    std::fs::create_dir(world.disk("d")).unwrap();
    for n in 0..3000 {
        world.write(&format!("d/{n}"), b"x");
    }
    // Much work for the daemon, and little for whoever reads the answer.
    let inner: Arc<str> = (soap::surls(&[world.surl("d")]) + "<count>1</count>").into();
    let calls = Arc::new(Calls::default());
    let port = world.storm.ports.srm;
    let start = |who: &Arc<ClientConfig>| {
        tokio::spawn(client(Arc::clone(who), port, Arc::clone(&inner), Arc::clone(&calls)))
    };
    let greedy: Vec<_> = (0..GREEDY).map(|_| start(&world.user)).collect();
    // Until each of them has connected and waits again.
    while calls.answered.load(Ordering::Relaxed) < 2 * GREEDY {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let before = calls.answered.load(Ordering::Relaxed);
    let polite = start(&world.user2);
    while calls.answered.load(Ordering::Relaxed) < before + 4 * GREEDY {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    calls.stop.store(true, Ordering::Relaxed);
    let polite = median(polite.await.unwrap());
    let mut during = Vec::new();
    for client in greedy {
        during.extend(client.await.unwrap());
    }
    let greedy = median(during);
    assert!(greedy > GREEDY / 2, "{greedy}: the greedy one does not wait for himself");
    assert!(polite < GREEDY / 3, "{polite} calls beside {greedy} of the greedy one");
}

#[tokio::test]
async fn one_user_leaves_places_in_the_queue() {
    let world = World::with("[workers]\nbring_online = { threads = 1, queue = 40 }");
    let file = world.write("f", b"f");
    let later = "<deferredStartTime>1000</deferredStartTime>";
    let mut taken = 0;
    let refused = loop {
        let brought = world.bring(&[&file], later).await;
        if brought.code != QUEUED {
            break brought;
        }
        taken += 1;
    };
    assert_eq!((refused.code.as_str(), taken), ("SRM_INTERNAL_ERROR", 30), "{}", refused.xml);
    assert!(refused.explanation.contains("try again later"), "{}", refused.xml);
    // What begins later is in nobody else's way.
    let inner = soap::prepare_to_get(&[&file; 20]) + later;
    world.ask(&world.user2, "srmBringOnline", &inner).await.expect(QUEUED);
    let inner = soap::prepare_to_get(&[&file; 5]);
    world.ask(&world.user2, "srmBringOnline", &inner).await.expect(SUCCESS);
}

#[tokio::test]
async fn one_user_keeps_no_more_files_than_he_may() {
    let mut world = World::with("[limits]\nlive_files = 3");
    let file = world.write("f", b"f");
    let got = world.get(&[&file, &file], "").await.expect(PINNED);
    let (new, more) = (world.surl("new"), world.surl("more"));
    let put = world.put(&[&new], "").await.expect(READY);
    for restarted in [false, true] {
        if restarted {
            world.storm.kill9();
            world.storm.restart();
        }
        let (get, brought) = (world.get(&[&file], "").await, world.bring(&[&file], "").await);
        for answer in [
            world.get_status(token(&get)).await,
            world.bring_status(token(&brought)).await,
            world.put(&[&more], "").await,
            get,
            brought,
        ] {
            let told = (answer.code.as_str(), answer.file_code());
            assert_eq!(told, (NO_USER_SPACE, NO_USER_SPACE), "{}", answer.xml);
            let why = answer.file_explanation();
            assert!(why.contains("3 files") && why.contains("release, finish or abort"), "{why}");
        }
        let copied = world.srm("srmCopy", &copy(&file, &more)).await;
        assert_eq!(copied.file_code(), NO_USER_SPACE, "{}", copied.xml);
        // Nobody else pays for it.
        let inner = soap::prepare_to_get(&[&file]);
        world.ask(&world.user2, "srmPrepareToGet", &inner).await.expect(PINNED);
    }
    // What ends makes room, in whatever way.
    world.release(token(&got), &[]).await.expect(SUCCESS);
    world.get(&[&file, &file], "").await.expect(PINNED);
    assert_eq!(world.abort(token(&put)).await.code, SUCCESS);
    world.rm(&file).await.expect(SUCCESS);
    let answer = world.put(&[&new, &more, &file], "").await;
    assert_eq!(codes(&answer), [READY; 3], "{}", answer.xml);
}

fn copy(from: &str, to: &str) -> String {
    format!(
        "<arrayOfFileRequests><requestArray><sourceSURL>{from}</sourceSURL>\
         <targetSURL>{to}</targetSURL></requestArray></arrayOfFileRequests>"
    )
}
