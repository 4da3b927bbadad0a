//! App passwords: what a person makes for a program or a machine that can show no certificate. One has a
//! user name of its own and its maker's DN and FQANs, for some paths, to read or to write, until some
//! day. [`super::scope`] holds it to that at every door.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::requests::now;
use super::{Error, ErrorKind, Srm, blocking, to_the_end};
use crate::auth::password::{self, Credential};
use crate::model::{Fqan, Identity, Person, ProxyKind, Scope, Stfn};
use crate::store::{AppPasswordRow, Millis};

/// Characters of a user name behind `app-`, 5 random bits each.
const USER_LENGTH: usize = 8;
/// Characters of a password: 160 random bits.
const PASSWORD_LENGTH: usize = 32;
/// How many one person may have, and how many there may be.
const MOST_OF_ONE: usize = 50;
const MOST: usize = 100_000;
/// Paths of one, and characters of its name.
const MOST_PATHS: usize = 20;
const NAME_MAX: usize = 64;
/// A use is noted when the last one that was lies so far back, in milliseconds.
const NOTE_EVERY: i64 = 60_000;

/// What an app password is to be.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct AppPasswordAsked {
    /// For its maker, to know it by: `laptop`.
    pub name: String,
    /// StFNs: what lies at or below them; none: everything.
    #[serde(default)]
    pub paths: Vec<String>,
    /// To read and write; otherwise to read.
    #[serde(default)]
    pub write: bool,
    /// Seconds until its end; `None`: `lifetimes.app_password_default`.
    #[serde(default)]
    pub lifetime_s: Option<u64>,
}

/// An app password, without the password.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct AppPassword {
    /// The user name that goes with it.
    pub user: String,
    /// What its maker calls it.
    pub name: String,
    /// Its maker.
    pub dn: String,
    /// The FQANs that its maker had.
    pub fqans: Vec<String>,
    /// What it is for; none: everything.
    pub paths: Vec<String>,
    /// To read and write; otherwise to read.
    pub write: bool,
    /// When it was made, in milliseconds since 1970, as the next two.
    pub made_ms: i64,
    /// When it ends.
    pub ends_ms: i64,
    /// When it was last used, give or take a minute; since the last crash, if it was.
    pub used_ms: Option<i64>,
}

/// A new one, and the password, which nobody sees again.
#[derive(Clone, Deserialize, Serialize)]
pub struct NewAppPassword {
    /// All but the password.
    pub about: AppPassword,
    /// The password.
    pub password: String,
}

/// Those that there are, by user name.
#[derive(Default)]
pub(super) struct AppPasswords {
    known: RwLock<HashMap<String, Arc<Known>>>,
    /// Held from the count until one more is there.
    making: tokio::sync::Mutex<()>,
}

struct Known {
    row: AppPasswordRow,
    credential: Arc<Credential>,
    /// 0: never.
    used: AtomicI64,
}

impl Known {
    /// `None` where a path or FQAN does not read: without it there would be more rights than were given.
    fn new(row: AppPasswordRow) -> Option<Arc<Self>> {
        let paths = row.paths.iter().map(|path| Stfn::parse_strict(path));
        let paths = paths.collect::<Result<_, _>>().ok()?;
        let fqans = row.fqans.iter().map(|text| Fqan::parse(text));
        let fqans = fqans.collect::<Result<_, _>>().ok()?;
        let ends = Duration::from_millis(u64::try_from(row.ends.0).unwrap_or_default());
        let person = Person {
            dn: row.dn.clone(),
            fqans,
            not_after: SystemTime::UNIX_EPOCH + ends,
            proxy: ProxyKind::AppPassword,
            notes: Vec::new(),
            scope: Some(Arc::new(Scope { paths, write: row.write })),
        };
        let credential = Credential { hash: row.hash.clone(), person: Arc::new(person) };
        let used = AtomicI64::new(row.used.map_or(0, |at| at.0));
        Some(Arc::new(Self { row, credential: Arc::new(credential), used }))
    }

    fn about(&self) -> AppPassword {
        let row = self.row.clone();
        let used = self.used.load(Ordering::Relaxed);
        AppPassword {
            user: row.user,
            name: row.name,
            dn: row.dn,
            fqans: row.fqans,
            paths: row.paths,
            write: row.write,
            made_ms: row.made.0,
            ends_ms: row.ends.0,
            used_ms: (used > 0).then_some(used),
        }
    }
}

impl AppPasswords {
    fn find(&self, user: &str) -> Option<Arc<Known>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(user).cloned()
    }

    fn all(&self) -> Vec<Arc<Known>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Refuses one more of that person where there are enough.
    fn room(&self, dn: &str) -> Result<(), Error> {
        let all = self.all();
        let own = all.iter().filter(|known| known.row.dn == dn).count();
        if own >= MOST_OF_ONE || all.len() >= MOST {
            let why = format!("there are {own} app passwords of yours: revoke some first");
            return Err(Error::new(ErrorKind::InvalidRequest, why));
        }
        Ok(())
    }

    fn add(&self, known: Arc<Known>) {
        let mut all = self.known.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(known.row.user.clone(), known);
    }

    fn remove(&self, user: &str) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).remove(user);
    }
}

impl Srm {
    /// Makes an app password for whoever asks, with a certificate or a password of his own. It is on
    /// disk when this returns.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthenticated`] without either; [`ErrorKind::Denied`] with an app password, a
    /// limited proxy, or for somebody banned; [`ErrorKind::InvalidRequest`] for what it cannot be.
    pub async fn make_app_password(
        &self,
        who: &Identity,
        asked: AppPasswordAsked,
    ) -> Result<NewAppPassword, Error> {
        let maker = Arc::clone(self.app_password_maker(who).await?);
        // As for a look at one: each takes 19 MiB, and anybody with a certificate may ask for hundreds at once.
        let turn = self.turn_for_argon2().await;
        let turn = turn.map_err(|refusal| Error::new(ErrorKind::Overloaded, refusal.why))?;
        let mut row = self.app_password_row(&maker, asked)?;
        let random = |length| {
            password::random_text(length).map_err(|why| Error::new(ErrorKind::Internal, why))
        };
        let letters = random(PASSWORD_LENGTH)?;
        // In groups, for who has to type it.
        let password = letters.as_bytes().chunks(8).map(String::from_utf8_lossy);
        let password = password.collect::<Vec<_>>().join("-");
        let hashed = password.clone();
        row.hash = blocking(move || {
            let _turn = turn;
            password::hash(&hashed).map_err(|why| Error::new(ErrorKind::Internal, why))
        })
        .await?;
        let all = &self.core.app_passwords;
        loop {
            row.user = format!("app-{}", random(USER_LENGTH)?);
            if all.find(&row.user).is_none() {
                break;
            }
        }
        let srm = self.clone();
        let about = to_the_end(async move {
            let _making = srm.core.app_passwords.making.lock().await;
            srm.core.app_passwords.room(&row.dn)?;
            srm.core.store.keep_app_password(row.clone()).await?;
            let odd = || Error::new(ErrorKind::Internal, "the app password does not read");
            let known = Known::new(row).ok_or_else(odd)?;
            let about = known.about();
            srm.core.app_passwords.add(known);
            Ok(about)
        })
        .await?;
        tracing::info!(
            dn = %about.dn, user = %about.user, name = %about.name, write = about.write,
            "app password made"
        );
        Ok(NewAppPassword { about, password })
    }

    /// The app passwords of whoever asks, the newest first.
    ///
    /// # Errors
    /// As [`Srm::make_app_password`].
    pub async fn own_app_passwords(&self, who: &Identity) -> Result<Vec<AppPassword>, Error> {
        let maker = self.app_password_maker(who).await?;
        let mut own = self.all_app_passwords();
        own.retain(|one| one.dn == maker.dn);
        Ok(own)
    }

    /// Everybody's, the newest first. For administrators.
    pub fn all_app_passwords(&self) -> Vec<AppPassword> {
        let mut all: Vec<_> =
            self.core.app_passwords.all().iter().map(|known| known.about()).collect();
        all.sort_by(|a, b| (b.made_ms, &a.user).cmp(&(a.made_ms, &b.user)));
        all
    }

    /// Ends one of the caller's app passwords: the next request with it is refused.
    ///
    /// # Errors
    /// As [`Srm::make_app_password`]; [`ErrorKind::NotFound`] also for what is somebody else's.
    pub async fn revoke_own_app_password(&self, who: &Identity, user: &str) -> Result<(), Error> {
        let maker = self.app_password_maker(who).await?;
        match self.core.app_passwords.find(user) {
            Some(known) if known.row.dn == maker.dn => self.revoke_app_password(user).await,
            _ => Err(unknown(user)),
        }
    }

    /// Ends anybody's app password. For administrators.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; the store's.
    pub async fn revoke_app_password(&self, user: &str) -> Result<(), Error> {
        let known = self.core.app_passwords.find(user).ok_or_else(|| unknown(user))?;
        // From now on, and what the store says to it from the next start on.
        self.core.app_passwords.remove(user);
        let (srm, user) = (self.clone(), user.to_owned());
        let dropped = to_the_end(async move {
            let dropped = srm.core.store.drop_app_password(user).await;
            if dropped.is_err() {
                // Who asked is told, and finds it there to try again.
                srm.core.app_passwords.add(Arc::clone(&known));
            }
            tracing::info!(dn = %known.row.dn, user = %known.row.user, "app password revoked");
            Ok(dropped?)
        });
        dropped.await
    }

    /// Whose app passwords whoever asks may make, see and revoke: somebody's who showed what is his own.
    ///
    /// # Errors
    /// As [`Srm::make_app_password`].
    pub async fn app_password_maker<'w>(
        &self,
        who: &'w Identity,
    ) -> Result<&'w Arc<Person>, Error> {
        self.admit(who).await?;
        let denied = |why| Err(Error::new(ErrorKind::Denied, why));
        match who.person() {
            None => Err(Error::new(
                ErrorKind::Unauthenticated,
                "sign in: with your certificate (a browser has to import it first), or with the user name and \
                 password that the site gave to you",
            )),
            Some(person) if person.scope.is_some() => denied(
                "an app password cannot make or show others: sign in with your certificate or your own \
                 password",
            ),
            Some(person) if person.proxy.is_limited() => denied(
                "a limited proxy cannot make app passwords: take your certificate or a full proxy",
            ),
            Some(person) => Ok(person),
        }
    }

    fn app_password_row(
        &self,
        maker: &Person,
        asked: AppPasswordAsked,
    ) -> Result<AppPasswordRow, Error> {
        let bad = |why: String| Error::new(ErrorKind::InvalidRequest, why);
        let name = asked.name.trim().to_owned();
        if name.is_empty() || name.chars().count() > NAME_MAX || name.chars().any(char::is_control)
        {
            return Err(bad(format!(
                "an app password needs a name to know it by, of at most {NAME_MAX} characters"
            )));
        }
        let mut paths = Vec::new();
        for text in asked.paths.iter().map(|text| text.trim()).filter(|text| !text.is_empty()) {
            let path = Stfn::parse_strict(text).map_err(|error| {
                bad(format!("path {text:?}: {error}: expected one as /atlas/data"))
            })?;
            paths.push(path.as_str().to_owned());
        }
        if paths.len() > MOST_PATHS {
            return Err(bad(format!("an app password has at most {MOST_PATHS} paths")));
        }
        // The top encloses all.
        if paths.iter().any(|path| path == "/") {
            paths.clear();
        }
        let site = self.site();
        let lifetimes = &site.config.lifetimes;
        let longest = lifetimes.app_password_maximum;
        let lifetime = asked.lifetime_s.map(Duration::from_secs);
        let lifetime = lifetime.unwrap_or(lifetimes.app_password_default.min(longest));
        if longest.is_zero() {
            let why = "this site gives no app passwords: ask its administrators";
            return Err(Error::new(ErrorKind::NotSupported, why));
        }
        if lifetime.is_zero() || lifetime > longest {
            let days = longest.as_secs() / 86_400;
            return Err(bad(format!("an app password lives for at most {days} days here")));
        }
        self.core.app_passwords.room(&maker.dn)?;
        let made = now();
        let lifetime = i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX);
        Ok(AppPasswordRow {
            user: String::new(),
            hash: String::new(),
            name,
            dn: maker.dn.clone(),
            fqans: maker.fqans.iter().map(|fqan| fqan.as_str().to_owned()).collect(),
            paths,
            write: asked.write,
            made,
            ends: Millis(made.0.saturating_add(lifetime)),
            used: None,
        })
    }

    pub(super) fn app_credential(&self, user: &str) -> Option<Arc<Credential>> {
        self.core.app_passwords.find(user).map(|known| Arc::clone(&known.credential))
    }

    /// Notes that an app password was used, now and then.
    pub(super) fn note_use(&self, user: &str) {
        let Some(known) = self.core.app_passwords.find(user) else { return };
        let (at, last) = (now(), known.used.load(Ordering::Relaxed));
        if at.0 - last < NOTE_EVERY {
            return;
        }
        known.used.store(at.0, Ordering::Relaxed);
        let (store, user) = (self.core.store.clone(), user.to_owned());
        tokio::spawn(async move {
            if let Err(error) = store.app_password_used(user, at).await {
                tracing::warn!(%error, "the use of an app password was not noted");
            }
        });
    }

    /// At a start.
    pub(super) async fn load_app_passwords(&self) -> Result<(), Error> {
        for row in self.core.store.app_passwords().await? {
            let user = row.user.clone();
            match Known::new(row) {
                Some(known) => self.core.app_passwords.add(known),
                None => tracing::error!(user, "an app password does not read, and opens nothing"),
            }
        }
        Ok(())
    }

    /// Forgets those that ended before.
    pub(super) async fn forget_app_passwords(&self, before: Millis) -> Result<(), Error> {
        for known in self.core.app_passwords.all() {
            if known.row.ends < before {
                self.core.app_passwords.remove(&known.row.user);
                self.core.store.drop_app_password(known.row.user.clone()).await?;
            }
        }
        Ok(())
    }
}

fn unknown(user: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no app password {user:?}"))
}
