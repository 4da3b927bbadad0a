use super::super::der::{Reader, oid, tag};
use super::super::testing::*;
use super::*;

struct World {
    ca: Holder,
    user: Holder,
    proxy: Holder,
    trust: Trust,
    key: Key,
}

fn world() -> World {
    let ca = Holder::root("/C=IT/CN=CA");
    let user = ca.issue("/C=IT/CN=User", |_| {});
    let proxy = user.proxy("1", |_| {});
    let trust = trusting(&[&ca]);
    World { ca, user, proxy, trust, key: Key::generate().unwrap() }
}

fn copy(key: &Key) -> KeyPair {
    KeyPair::from_pem(&key.0.serialize_pem()).unwrap()
}

#[test]
fn the_request_is_a_signed_pkcs10_for_the_key() {
    let w = world();
    let der = request(&w.key).unwrap();
    let signed = super::super::signature::Signed::parse(&der).unwrap();
    let mut info = Reader::sequence(&signed.message).unwrap();
    assert_eq!(info.expect(tag::INTEGER).unwrap(), [0]);
    let subject = super::super::name::Name::parse(info.next().unwrap().whole).unwrap();
    assert_eq!(subject.line(), "/CN=proxy");
    let key = PublicKey::parse(info.next().unwrap().whole).unwrap();
    assert_eq!(key.spki, w.key.0.subject_public_key_info());
    key.verify(&signed, super::super::signature::Strength::Normal).unwrap();
    // One TLS record of a single token: clients read no more.
    assert!(der.len() < 1024);
}

#[test]
fn a_proxy_for_our_key_is_accepted() {
    let w = world();
    let peer = chain(&[&w.proxy, &w.user]);
    let new = w.proxy.proxy_for(copy(&w.key), "2", |f| f.not_after = NOW + HOUR);
    let got = accept(&new.der, &w.key, &peer, &w.trust, now()).unwrap();
    assert_eq!(got.chain, chain(&[&new, &w.proxy, &w.user]));
    assert_eq!(got.person.dn, "/C=IT/CN=User");
    assert_eq!(got.person.not_after, super::super::when::system_time(NOW + HOUR + 300));
    assert!(got.key_pem.contains("BEGIN PRIVATE KEY"));
    assert!(!format!("{got:?} {:?}", w.key).contains("BEGIN"));
}

#[test]
fn anything_else_is_not() {
    let w = world();
    let peer = chain(&[&w.proxy, &w.user]);
    let says = |der: &[u8], part: &str| {
        let why = accept(der, &w.key, &peer, &w.trust, now()).unwrap_err();
        assert!(why.contains(part), "{why:?} does not say {part:?}");
    };
    says(b"garbage", "no readable certificate");
    says(&w.proxy.proxy("2", |_| {}).der, "not for the key");
    let mine = |change: fn(&mut Forge)| w.proxy.proxy_for(copy(&w.key), "2", change).der;
    says(&mine(|f| f.not_after = NOW - HOUR), "expired");
    says(&mine(|f| f.wrong_key = true), "was not signed by");
    says(&mine(|f| f.drop(oid::PROXY_CERT_INFO)), "which is no CA");
    // Somebody else's proxy for our key.
    let other = w.user.issue_for(copy(&w.key), "/C=IT/CN=Boss/CN=proxy", |_| {});
    says(&other.der, "not the next certificate");
    // A real person's certificate for our key, and still not the peer's proxy.
    let boss = w.ca.issue_for(copy(&w.key), "/C=IT/CN=Boss", |_| {});
    says(&boss.der, "no proxy of yours");
}

#[tokio::test]
async fn the_pool_gives_a_new_key_each_time() {
    let pool = KeyPool::start(1).unwrap();
    let first = pool.take().await.unwrap();
    let second = pool.take().await.unwrap();
    assert_ne!(first.0.serialize_pem(), second.0.serialize_pem());
}
