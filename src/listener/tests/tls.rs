//! Handshakes, good and bad.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::client::{ClientSessionMemoryCache, ClientSessionStore, Resumption};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{NamedGroup, SupportedProtocolVersion};
use tokio::io::AsyncWriteExt;

use super::support::{Server, answer, ask, closed, host_config, limits, post, say};
use crate::listener::PortKind;

static ONLY_12: &[&SupportedProtocolVersion] = &[&TLS12];
static ONLY_13: &[&SupportedProtocolVersion] = &[&TLS13];

#[tokio::test]
async fn both_versions_with_and_without_the_curve_of_arc() {
    for kind in [PortKind::Srm, PortKind::Https] {
        let server = Server::start(kind, limits()).await;
        for (versions, name) in [(ONLY_12, "TLSv1.2"), (ONLY_13, "TLSv1.3")] {
            for group in [None, Some(NamedGroup::secp521r1)] {
                let mut client = server.client();
                (client.versions, client.group) = (versions, group);
                let mut io = client.connect().await.unwrap();
                let answer = ask(&mut io, post("/x", "hello")).await;
                assert_eq!(
                    answer.body,
                    format!(
                        "POST /x host=h who=/CN=Test User tls={name} gsi=false chain=0 body=hello"
                    )
                );
            }
        }
    }
}

#[tokio::test]
async fn a_certificate_is_optional() {
    let server = Server::start(PortKind::Https, limits()).await;
    let mut client = server.client();
    client.anonymous = true;
    let mut io = client.connect().await.unwrap();
    let answer = ask(&mut io, post("/", "")).await;
    assert!(answer.body.contains(" who=- tls=TLSv1.3 "), "{}", answer.body);
    assert_eq!(server.judge.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn garbage_instead_of_tls() {
    let server = Server::start(PortKind::Srm, limits()).await;
    for garbage in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0x16; 4000], &[0; 100], b"\x16\x03\x01\xff\xff"]
    {
        let mut io = server.tcp().await;
        say(&mut io, garbage).await;
        io.shutdown().await.unwrap();
        let said = closed(&mut io).await;
        assert!(said.len() < 16, "at most an alert: {said:?}");
    }
    let mut io = server.connect().await;
    assert_eq!(ask(&mut io, post("/", "")).await.status(), 200);
}

#[derive(Debug)]
struct CountingStore {
    tickets: AtomicUsize,
    inner: ClientSessionMemoryCache,
}

impl ClientSessionStore for CountingStore {
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        self.inner.set_kx_hint(name, group);
    }

    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        self.inner.kx_hint(name)
    }

    fn set_tls12_session(
        &self,
        name: ServerName<'static>,
        value: rustls::client::Tls12ClientSessionValue,
    ) {
        self.inner.set_tls12_session(name, value);
    }

    fn tls12_session(
        &self,
        name: &ServerName<'_>,
    ) -> Option<rustls::client::Tls12ClientSessionValue> {
        self.inner.tls12_session(name)
    }

    fn remove_tls12_session(&self, name: &ServerName<'static>) {
        self.inner.remove_tls12_session(name);
    }

    fn insert_tls13_ticket(
        &self,
        name: ServerName<'static>,
        value: rustls::client::Tls13ClientSessionValue,
    ) {
        self.tickets.fetch_add(1, Ordering::SeqCst);
        self.inner.insert_tls13_ticket(name, value);
    }

    fn take_tls13_ticket(
        &self,
        name: &ServerName<'static>,
    ) -> Option<rustls::client::Tls13ClientSessionValue> {
        self.inner.take_tls13_ticket(name)
    }
}

/// GSI clients hang without a ticket and stumble over two.
#[tokio::test]
async fn exactly_one_ticket_and_a_resumed_session_has_its_person() {
    let server = Server::start(PortKind::Srm, limits()).await;
    let store = Arc::new(CountingStore {
        tickets: AtomicUsize::new(0),
        inner: ClientSessionMemoryCache::new(8),
    });
    let client = server.client();
    let mut config = client.config();
    config.resumption = Resumption::store(store.clone());
    for connection in 1..=2 {
        let mut io = client.connect_with(config.clone()).await.unwrap();
        let answer = ask(&mut io, format!("0{}", post("/", ""))).await;
        assert!(answer.body.contains("who=/CN=Test User "), "{}", answer.body);
        assert_eq!(store.tickets.load(Ordering::SeqCst), connection);
        let resumed = io.get_ref().1.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
        assert_eq!(resumed, connection == 2);
    }
}

#[tokio::test]
async fn new_connections_get_the_new_certificate() {
    let server = Server::start(PortKind::Https, limits()).await;
    let mut old = server.connect().await;
    let (config, host) = host_config();
    server.front.reload_tls(config);
    assert!(server.client().connect().await.is_err(), "the old certificate is gone");
    let mut client = server.client();
    client.host = host;
    let mut new = client.connect().await.unwrap();
    assert_eq!(ask(&mut new, post("/", "")).await.status(), 200);
    say(&mut old, post("/", "")).await;
    assert_eq!(answer(&mut old).await.status(), 200);
}
