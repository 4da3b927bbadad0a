//! App passwords come back as they were kept.

use super::*;

#[tokio::test]
async fn they_outlive_the_process_until_they_are_dropped() {
    let row = |user: &str| AppPasswordRow {
        user: user.to_owned(),
        hash: "h".to_owned(),
        name: "laptop \"x\"".to_owned(),
        dn: "/CN=u".to_owned(),
        fqans: vec!["/vo".to_owned(), "/vo/Role=r".to_owned()],
        paths: vec!["/vo/a\nb".to_owned()],
        write: true,
        made: Millis(1),
        ends: Millis(2),
        used: None,
    };
    let store = TestStore::new();
    store.keep_app_password(row("app-a")).await.unwrap();
    store.keep_app_password(row("app-b")).await.unwrap();
    assert!(store.keep_app_password(row("app-b")).await.is_err(), "one user name, one password");
    store.drop_app_password("app-a".to_owned()).await.unwrap();
    store.app_password_used("app-b".to_owned(), Millis(7)).await.unwrap();
    let kept = AppPasswordRow { used: Some(Millis(7)), ..row("app-b") };
    assert_eq!(store.app_passwords().await.unwrap(), std::slice::from_ref(&kept));
    assert_eq!(store.reopen().app_passwords().await.unwrap(), [kept]);
}
