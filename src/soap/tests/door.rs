//! The HTTP side, without a core.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::model::{Person, ProxyKind};

use super::super::dispatch;
use super::super::door::door_to;
use super::*;

/// A door behind which nothing is offered.
fn door(limit: u64) -> crate::listener::Service {
    door_to(SoapLimits { envelope: limit }, |who, body| async move {
        let decoded = match decode(&body) {
            Ok(decoded) => decoded,
            Err(fault) => return Answer::fault(&fault),
        };
        let logged = logged_of(&decoded);
        match dispatch::screen(&who, decoded) {
            ControlFlow::Break(Ok(reply)) => finish(&reply, logged),
            ControlFlow::Break(Err(fault)) => Answer::failed(&fault, logged),
            ControlFlow::Continue(call) => panic!("{call:?} would have reached the core"),
        }
    })
}

fn person() -> Identity {
    Identity::Person(Arc::new(Person {
        dn: "/CN=u".to_owned(),
        fqans: Vec::new(),
        not_after: std::time::SystemTime::now(),
        proxy: ProxyKind::EndEntity,
        notes: Vec::new(),
        scope: None,
    }))
}

async fn ask(method: Method, uri: &str, body: Body) -> (Http, http::HeaderMap, Outcome, String) {
    ask_as(Identity::Anonymous, 4096, method, uri, body).await
}

async fn ask_as(
    who: Identity,
    limit: u64,
    method: Method,
    uri: &str,
    body: Body,
) -> (Http, http::HeaderMap, Outcome, String) {
    let request = Request::builder()
        .extension(who)
        .method(method)
        .uri(uri)
        .header("host", "se.example:8444")
        .header("soapaction", "\"Ls\"")
        .body(body)
        .unwrap();
    let response = door(limit).oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let logged = head.extensions.get::<Outcome>().unwrap().clone();
    (head.status, head.headers, logged, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn strangers_are_told_what_is_needed() {
    let fields = "<arrayOfSURLs><urlArray>srm://h/a</urlArray></arrayOfSURLs>";
    let (status, headers, logged, body) =
        ask(Method::POST, "/any/path", Body::from(request("srmLs", fields))).await;
    assert_eq!(status, Http::OK);
    assert_eq!(headers["content-type"], "text/xml; charset=utf-8");
    let reply = decode_reply(Operation::Ls, body.as_bytes()).unwrap();
    let status = reply.return_status().unwrap();
    assert_eq!(status.status_code, StatusCode::AuthenticationFailure);
    assert!(status.explanation.as_deref().unwrap().contains("certificate or proxy is needed"));
    assert_eq!(logged.operation, Some("srmLs"));
    assert_eq!(logged.target, "srm://h/a");
    assert_eq!(logged.status, Some("SRM_AUTHENTICATION_FAILURE"));
    let (status, _, logged, body) =
        ask(Method::POST, "/", Body::from(request("srmPing", ""))).await;
    assert_eq!((status, logged.status), (Http::INTERNAL_SERVER_ERROR, Some("fault")));
    assert!(body.contains("certificate or proxy is needed"));
}

#[tokio::test]
async fn a_bad_value_is_answered_with_200() {
    let body = Body::from(request("srmLs", "<count>x</count>"));
    let (status, _, logged, body) = ask_as(person(), 4096, Method::POST, "/", body).await;
    assert_eq!((status, logged.status), (Http::OK, Some("SRM_INVALID_REQUEST")));
    let reply = decode_reply(Operation::Ls, body.as_bytes()).unwrap();
    let why = reply.return_status().unwrap().explanation.clone().unwrap();
    assert!(why.starts_with("count is \"x\""), "{why}");
}

#[tokio::test]
async fn what_is_not_understood_is_a_fault_with_500() {
    for body in ["", "<a/>", "POST"] {
        let (status, _, logged, body) = ask(Method::POST, "/", Body::from(body)).await;
        assert_eq!(status, Http::INTERNAL_SERVER_ERROR);
        assert!(body.contains("<faultcode>SOAP-ENV:Client</faultcode>"));
        assert_eq!(logged.operation, Some("-"));
    }
    let (status, _, _, body) = ask(Method::DELETE, "/", Body::empty()).await;
    assert_eq!(status, Http::INTERNAL_SERVER_ERROR);
    assert!(body.contains("sent with POST"));
}

#[tokio::test]
async fn too_large_is_refused_without_being_read() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    // 100 MB in pieces, without a Content-Length.
    let pieces = futures_util::stream::iter((0..100_000).map(move |_| {
        count.fetch_add(1000, Ordering::Relaxed);
        Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 1000]))
    }));
    let (status, headers, _, body) =
        ask_as(person(), 4096, Method::POST, "/", Body::from_stream(pieces)).await;
    assert_eq!(status, Http::INTERNAL_SERVER_ERROR);
    assert!(body.contains("larger than 4096 bytes"), "{body}");
    assert_eq!(headers["connection"], "close");
    assert!(sent.load(Ordering::Relaxed) <= 6000);
    let large = || Body::from(vec![b' '; 5000]);
    let (_, _, _, body) = ask_as(person(), 4096, Method::POST, "/", large()).await;
    assert!(body.contains("larger than 4096 bytes"));
    let (_, _, _, body) = ask(Method::POST, "/", large()).await;
    assert!(body.contains("SRM_AUTHENTICATION_FAILURE: a client certificate"));
    let large = Body::from(vec![b' '; 1024 * 1024 + 1]);
    let (_, _, _, body) = ask_as(Identity::Anonymous, 1 << 25, Method::POST, "/", large).await;
    assert!(body.contains("SRM_AUTHENTICATION_FAILURE"));
}

#[tokio::test]
async fn get_gives_the_wsdl() {
    for (uri, address) in [
        ("/srm/managerv2?wsdl", "https://se.example:8444/srm/managerv2"),
        ("/x", "https://se.example:8444/x"),
        ("/", "https://se.example:8444/srm/managerv2"),
    ] {
        let (status, headers, _, body) = ask(Method::GET, uri, Body::empty()).await;
        assert_eq!(status, Http::OK);
        assert_eq!(headers["content-type"], "text/xml; charset=utf-8");
        assert!(body.contains(&format!("<soap:address location=\"{address}\"/>")));
    }
}
