//! Requests and their answers, the access log and the metrics.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::io::AsyncWriteExt;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::support::{PATIENCE, Server, answer, ask, closed, limits, post, say};
use crate::listener::PortKind;

#[tokio::test]
async fn absolute_targets_and_any_method() {
    let server = Server::start(PortKind::Srm, limits()).await;
    let mut io = server.connect().await;
    for (target, told) in [
        ("httpg://h.example:8444/srm/managerv2", "/srm/managerv2 host=h.example:8444 "),
        ("https://h.example/a%20b?q=1", "/a%20b?q=1 host=h.example "),
        ("davs://h.example:8443", "/ host=h.example:8443 "),
        ("*", "* host=wrong "),
        ("/plain?x", "/plain?x host=wrong "),
    ] {
        let text = format!("PROPFIND {target} HTTP/1.1\r\nHost: wrong\r\n\r\n");
        let body = ask(&mut io, text).await.body;
        assert!(body.starts_with(&format!("PROPFIND {told}")), "{target}: {body}");
    }
    let answer = ask(&mut io, "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!(answer.status(), 405);
}

/// What the door sees of a request with that `Authorization`.
async fn with_password(kind: PortKind, credentials: &str) -> String {
    let server = Server::start(kind, limits()).await;
    let text = format!("GET /who HTTP/1.1\r\nHost: h\r\nAuthorization: {credentials}\r\n\r\n");
    match kind {
        PortKind::Plain => ask(&mut server.tcp().await, text).await.body,
        _ => ask(&mut server.connect().await, text).await.body,
    }
}

#[tokio::test]
async fn a_password_names_who_asks_at_the_https_port_alone() {
    // The client shows a certificate too.
    let known = with_password(PortKind::Https, "Basic YTpi").await;
    assert!(known.contains("who=/CN=a at 127.0.0.1"), "{known}");
    let wrong = with_password(PortKind::Https, "Basic YTpj").await;
    assert!(!wrong.contains("/CN=") && wrong.contains("wrong password"), "{wrong}");
    let plain = with_password(PortKind::Plain, "Basic YTpi").await;
    assert!(plain.contains("over https only"), "{plain}");
    for (kind, other) in [(PortKind::Https, "Bearer YTpi"), (PortKind::Srm, "Basic YTpi")] {
        let told = with_password(kind, other).await;
        assert!(told.contains("who=/CN=Test User"), "{told}");
    }
}

#[tokio::test]
async fn heads_are_bounded() {
    let server = Server::start(PortKind::Plain, limits()).await;
    let long = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "x".repeat(70_000));
    let many = format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: y\r\n".repeat(100));
    for head in [long, many] {
        let mut io = server.tcp().await;
        let _ = io.write_all(head.as_bytes()).await;
        assert_eq!(answer(&mut io).await.status(), 431);
    }
    let fits = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "x".repeat(60_000));
    assert_eq!(ask(&mut server.tcp().await, fits).await.status(), 200);
}

#[tokio::test]
async fn the_judge_is_asked_again_when_it_matters() {
    let server = Server::start(PortKind::Https, limits()).await;
    let asked = || server.judge.asked.load(Ordering::SeqCst);
    let mut io = server.connect().await;
    for _ in 0..3 {
        ask(&mut io, post("/", "")).await;
    }
    assert_eq!(asked(), 1);

    server.judge.refusing.store(true, Ordering::SeqCst);
    ask(&mut io, post("/", "")).await;
    assert_eq!(asked(), 1, "nothing says that it has another opinion");
    server.judge.generation.fetch_add(1, Ordering::SeqCst);
    let body = ask(&mut io, post("/", "")).await.body;
    assert!(body.contains("who=refused(you are banned)"), "{body}");
    assert_eq!(asked(), 2);

    server.judge.refusing.store(false, Ordering::SeqCst);
    *server.judge.not_after.lock().unwrap() = SystemTime::now() - Duration::from_secs(1);
    let mut io = server.connect().await;
    ask(&mut io, post("/", "")).await;
    assert_eq!(asked(), 4, "the proxy has run out in between");
}

#[tokio::test]
async fn who_refuses_a_body_is_still_heard() {
    let server = Server::start(PortKind::Https, limits()).await;
    let mut io = server.connect().await;
    let head = "PUT /refuse HTTP/1.1\r\nHost: h\r\nContent-Length: 90000000\r\n\r\n";
    let (mut read, mut write) = tokio::io::split(&mut io);
    let writer = async {
        write.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..100 {
            write.write_all(&[0; 65536]).await.expect("the connection is not reset");
        }
        write.shutdown().await.unwrap();
    };
    let ((), answer) = tokio::join!(writer, answer(&mut read));
    assert_eq!((answer.status(), answer.body.as_str()), (507, "full"));
}

#[tokio::test]
async fn an_end_without_close_notify_is_an_end() {
    let server = Server::start(PortKind::Srm, limits()).await;
    let mut io = server.connect().await;
    assert_eq!(ask(&mut io, format!("0{}", post("/", ""))).await.status(), 200);
    io.get_mut().0.shutdown().await.unwrap();
    assert_eq!(closed(&mut io).await, b"");
    // Also when all of a request was sent: it still gets its answer.
    let mut io = server.connect().await;
    say(&mut io, post("/slow", "")).await;
    io.get_mut().0.shutdown().await.unwrap();
    assert_eq!(answer(&mut io).await.body, "slow but sure");
}

/// The fields of the access log's lines.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<HashMap<String, String>>>>);

struct Fields<'a>(&'a mut HashMap<String, String>);

impl Visit for Fields<'_> {
    /// The message: `key=value`, texts in quotes.
    fn record_debug(&mut self, _: &Field, value: &dyn Debug) {
        let line = format!("{value:?}");
        let mut rest = line.as_str();
        while let Some((key, more)) = rest.split_once('=') {
            let (value, after) = match more.strip_prefix('"') {
                Some(text) => text.split_once('"').unwrap(),
                None => more.split_at(more.find(' ').unwrap_or(more.len())),
            };
            self.0.insert(key.trim().to_owned(), value.to_owned());
            rest = after;
        }
    }
}

impl<S: tracing::Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "access" {
            let mut line = HashMap::new();
            event.record(&mut Fields(&mut line));
            self.0.lock().unwrap().push(line);
        }
    }
}

impl Lines {
    async fn next(&self) -> HashMap<String, String> {
        let wait = async {
            loop {
                if let Some(line) = self.0.lock().unwrap().pop() {
                    return line;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("a line in the access log")
    }
}

/// One thread, so that the recorders set here are those of the server too.
#[tokio::test]
async fn every_request_is_logged_and_counted() {
    let lines = Lines::default();
    // With one subscriber alone, tracing asks only that of the thread which comes to an event first,
    // and remembers its answer for all threads: other tests have none.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _log = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
    let recorder = PrometheusBuilder::new().build_recorder();
    let _metrics = metrics::set_default_local_recorder(&recorder);
    let server = Server::start(PortKind::Srm, limits()).await;
    let mut io = server.connect().await;

    let text = format!("0{}", post("/echo?token=secret", "12345"));
    let echoed = ask(&mut io, text).await;
    let line = lines.next().await;
    let of = |name: &str| line.get(name).map_or("", String::as_str).to_owned();
    assert_eq!(Some(of("id").as_str()), echoed.header("x-request-id"));
    assert_eq!(
        (of("dn"), of("fqan")),
        ("/CN=Test User".into(), "/test.vo,/test.vo/Role=admin".into())
    );
    assert_eq!(
        (of("proxy"), of("tls"), of("gsi")),
        ("rfc".into(), "TLSv1.3".into(), "true".into())
    );
    assert_eq!(
        (of("op"), of("target"), of("status")),
        ("POST".into(), "/echo".into(), "200".into())
    );
    assert_eq!(
        (of("bytes_in"), of("bytes_out"), of("whole")),
        ("5".into(), "5".into(), "true".into())
    );
    assert!(of("peer").starts_with("127.0.0.1:"));
    assert!(!format!("{line:?}").contains("secret"));

    ask(&mut io, post("/outcome", "")).await;
    let line = lines.next().await;
    assert_eq!(
        [&line["op"], &line["target"], &line["status"]],
        ["srmLs", "srm://h/a\\x0ab", "SRM_SUCCESS"]
    );

    say(&mut io, "HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let line = lines.next().await;
    assert_eq!([&line["op"], &line["bytes_out"], &line["whole"]], ["HEAD", "0", "true"]);

    say(&mut server.connect().await, "BREW /flood HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let line = lines.next().await;
    assert_eq!([&line["op"], &line["status"], &line["whole"]], ["BREW", "200", "false"]);

    let text = recorder.handle().render();
    for expected in [
        r#"stormd_requests_total{port="srm",op="POST",status="200"} 1"#,
        r#"stormd_requests_total{port="srm",op="srmLs",status="SRM_SUCCESS"} 1"#,
        r#"stormd_requests_total{port="srm",op="OTHER",status="200"} 1"#,
        r#"stormd_request_seconds_count{port="srm",op="HEAD"} 1"#,
        r#"stormd_connections{port="srm"} 1"#,
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
}
