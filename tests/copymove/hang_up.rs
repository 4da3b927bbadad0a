//! A COPY whose client hangs up stops: what is whole by then stays, and nothing else.

use std::path::Path;
use std::time::Duration;

use super::common::wait_until;
use super::common::wire::head;
use super::*;

const FILES: usize = 3000;

fn members(directory: &Path) -> usize {
    std::fs::read_dir(directory).map_or(0, |entries| entries.flatten().count())
}

#[tokio::test]
async fn a_copy_stops_with_its_client() {
    let scene = Scene::with("", Vec::new(), |storm| {
        let large = storm.root("test.vo").join("large");
        std::fs::create_dir(&large).unwrap();
        for n in 0..FILES {
            std::fs::write(large.join(n.to_string()), bytes(100, n as u64)).unwrap();
        }
    });
    count(&scene.storm);
    // It is gone; it says that it has nothing more to say.
    for (to, finish) in [("gone", false), ("finished", true)] {
        let mut conn = Conn::tls(&scene.voms, scene.storm.ports.https).await.unwrap();
        let target = format!("/test.vo/{to}");
        let request = head("COPY", "/test.vo/large", &[("destination", &target)], None);
        conn.send(request.as_bytes()).await.unwrap();
        let copied = disk(&scene, to);
        assert!(wait_until(Duration::from_secs(20), || members(&copied) > 10), "it does not begin");
        match finish {
            true => {
                conn.finish().await.unwrap();
                assert!(conn.some().await.unwrap().is_empty(), "no answer: nobody is there");
            }
            false => drop(conn),
        }
        let mut seen = 0;
        let rests = || {
            std::thread::sleep(Duration::from_millis(300));
            let now = members(&copied);
            std::mem::replace(&mut seen, now) == now
        };
        assert!(wait_until(Duration::from_secs(20), rests), "{to}: it goes on");
        println!("{to}: {seen} of {FILES}");
        assert!(seen < FILES, "{to}: all of it was copied for nobody");
        for entry in std::fs::read_dir(&copied).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let same =
                read(&scene, &format!("{to}/{name}")) == read(&scene, &format!("large/{name}"));
            assert!(same, "{to}/{name} is not whole");
        }
        tidy(&scene, to).await;
    }
}
