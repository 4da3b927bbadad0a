//! Clients that close their side, or are gone, while their request is under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::any;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::support::{Server, answer, ask, closed, limits, post, say};
use crate::listener::PortKind;

/// How long the door works.
const WORK: Duration = Duration::from_secs(2);

/// Counts the requests that are not brought to their end.
struct Work(Arc<AtomicUsize>);

impl Drop for Work {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn door(stopped: &Arc<AtomicUsize>) -> Router {
    let stopped = Arc::clone(stopped);
    Router::new().fallback(any(move || {
        let work = Work(Arc::clone(&stopped));
        async move {
            tokio::time::sleep(WORK).await;
            std::mem::forget(work);
            "done"
        }
    }))
}

fn copy() -> String {
    post("/", "").replace("POST", "COPY")
}

async fn clients<S: AsyncRead + AsyncWrite + Unpin>(
    connect: impl AsyncFn() -> S,
    stopped: &AtomicUsize,
) {
    // Who has said all he has to say gets his answer, with and without a body.
    for request in [post("/", ""), post("/", "some body")] {
        let mut io = connect().await;
        say(&mut io, request).await;
        io.shutdown().await.unwrap();
        assert_eq!(answer(&mut io).await.body, "done");
    }
    assert_eq!(stopped.load(Ordering::SeqCst), 0);
    // A copy is for a client that is there.
    let mut io = connect().await;
    assert_eq!(ask(&mut io, copy()).await.body, "done");
    // Also for one that has more to ask for.
    say(&mut io, copy() + &post("/", "next")).await;
    assert_eq!(answer(&mut io).await.body, "done");
    assert_eq!(answer(&mut io).await.body, "done");
    assert_eq!(stopped.load(Ordering::SeqCst), 0);
    // Its client closes its side, or is gone.
    say(&mut io, copy()).await;
    tokio::time::sleep(WORK / 10).await;
    let begun = Instant::now();
    io.shutdown().await.unwrap();
    assert!(closed(&mut io).await.is_empty());
    assert!(begun.elapsed() < WORK / 2);
    assert_eq!(stopped.load(Ordering::SeqCst), 1);
    let mut io = connect().await;
    say(&mut io, copy()).await;
    tokio::time::sleep(WORK / 10).await;
    drop(io);
    tokio::time::sleep(WORK / 4).await;
    assert_eq!(stopped.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn by_the_plain_port() {
    let stopped = Arc::default();
    let server = Server::with_door(PortKind::Plain, limits(), door(&stopped)).await;
    clients(async || server.tcp().await, &stopped).await;
}

#[tokio::test]
async fn over_tls() {
    let stopped = Arc::default();
    let server = Server::with_door(PortKind::Https, limits(), door(&stopped)).await;
    clients(async || server.connect().await, &stopped).await;
}

/// What comes while a long request is under way is served behind it, whatever its size.
#[tokio::test]
async fn a_copy_with_a_body_that_comes_late() {
    let stopped = Arc::default();
    let door = door(&stopped)
        .route("/read", any(|body: axum::body::Bytes| async move { body.len().to_string() }));
    let server = Server::with_door(PortKind::Plain, limits(), door).await;
    let mut io = server.tcp().await;
    let body = "x".repeat(50_000);
    let all = post("/read", &body).replace("POST", "COPY");
    let (head, body) = all.split_at(100);
    say(&mut io, head).await;
    for piece in body.as_bytes().chunks(9000) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        say(&mut io, piece).await;
    }
    assert_eq!(answer(&mut io).await.body, "50000");
}
