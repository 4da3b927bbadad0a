//! One user with very much to do beside one who has little.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustls::ClientConfig;

use crate::common::soap;
use crate::common::wire::Conn;
use crate::world::*;

/// Calls on one connection until it is told to stop; how long each took.
async fn client(
    who: Arc<ClientConfig>,
    port: u16,
    inner: Arc<str>,
    stop: Arc<AtomicBool>,
) -> Vec<Duration> {
    let mut conn = Conn::tls(&who, port).await.unwrap();
    let mut times = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let answer = soap::call(&mut conn, "srmLs", &inner).await.unwrap();
        assert_eq!(answer.code, SUCCESS, "{}", answer.xml);
        times.push(began.elapsed());
    }
    times
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_connections_do_not_hold_up_another_user() {
    let world = World::new();
    std::fs::create_dir(world.disk("d")).unwrap();
    for n in 0..3000 {
        world.write(&format!("d/{n}"), b"x");
    }
    // Much work for the daemon, and little for whoever reads the answer.
    let inner: Arc<str> = (soap::surls(&[world.surl("d")]) + "<count>1</count>").into();
    let stop = Arc::new(AtomicBool::new(false));
    let port = world.storm.ports.srm;
    let start = |who: &Arc<ClientConfig>| {
        tokio::spawn(client(Arc::clone(who), port, Arc::clone(&inner), Arc::clone(&stop)))
    };
    let greedy: Vec<_> = (0..200).map(|_| start(&world.user)).collect();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let polite = start(&world.user2);
    tokio::time::sleep(Duration::from_secs(3)).await;
    stop.store(true, Ordering::Relaxed);
    let polite = median(polite.await.unwrap());
    let mut times = Vec::new();
    for client in greedy {
        times.extend(client.await.unwrap());
    }
    let greedy = median(times);
    assert!(polite * 2 < greedy, "{polite:?} beside {greedy:?}");
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
