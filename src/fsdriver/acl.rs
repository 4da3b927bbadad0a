//! A POSIX.1e access control list, and the form in which Linux keeps it in the attributes
//! `system.posix_acl_access` and `system.posix_acl_default` (acl(5), include/uapi/linux/
//! posix_acl_xattr.h): a version, then tag, permission and id of each entry, little-endian.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{BitAnd, BitOr};

/// Some of read, write and execute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Permission(u8);

impl Permission {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// `x`: to pass through a directory.
    pub const TRAVERSE: Self = Self(1);
    /// `w`
    pub const WRITE: Self = Self(2);
    /// `r`
    pub const READ: Self = Self(4);
    /// `rw`
    pub const READ_WRITE: Self = Self(6);
    /// `rx`: to list a directory and pass through it.
    pub const LIST: Self = Self(5);

    /// From the three bits of a file mode; higher ones are cut off.
    pub const fn from_bits(bits: u32) -> Self {
        Self((bits & 7) as u8)
    }

    /// As the three bits of a file mode.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// True when nothing of `other` is missing.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Permission {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Permission {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// As getfacl writes it: `rw-`.
impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = |bit, letter| if self.0 & bit == 0 { '-' } else { letter };
        write!(f, "{}{}{}", letter(4, 'r'), letter(2, 'w'), letter(1, 'x'))
    }
}

/// Whom a named entry is about, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A user.
    User(u32),
    /// A group.
    Group(u32),
}

/// An ACL, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    /// The owner.
    pub owner: Permission,
    /// The owning group.
    pub group: Permission,
    /// Everybody whom nothing else is about.
    pub other: Permission,
    /// What named entries and the owning group have at most.
    mask: Option<Permission>,
    named: BTreeMap<Subject, Permission>,
}

const VERSION: u32 = 2;
const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;
/// The id of entries that have none.
const NO_ID: u32 = u32::MAX;

impl Acl {
    /// What permission bits alone say.
    pub fn of_mode(mode: u32) -> Self {
        Self {
            owner: Permission::from_bits(mode >> 6),
            group: Permission::from_bits(mode >> 3),
            other: Permission::from_bits(mode),
            mask: None,
            named: BTreeMap::new(),
        }
    }

    /// True when permission bits can't say it.
    pub fn is_extended(&self) -> bool {
        self.mask.is_some()
    }

    /// What named entries and the owning group have at most, where it is said.
    pub fn mask(&self) -> Option<Permission> {
        self.mask
    }

    /// Entries about somebody, as they stand, users first.
    pub fn named(&self) -> impl Iterator<Item = (Subject, Permission)> {
        self.named.iter().map(|(subject, permission)| (*subject, *permission))
    }

    /// What the mask leaves of the owning group's.
    pub fn effective_group(&self) -> Permission {
        self.mask.map_or(self.group, |mask| self.group & mask)
    }

    /// Gives the owning group this; for the mask see [`Acl::set`].
    pub fn set_group(&mut self, permission: Permission) {
        let follows = self.mask == Some(self.widest());
        self.group = permission;
        if follows {
            self.mask = Some(self.widest());
        }
    }

    /// The subject's own entry, as it stands, without the mask.
    pub fn entry(&self, subject: Subject) -> Option<Permission> {
        self.named.get(&subject).copied()
    }

    /// What the subject's own entry gives it: what the mask leaves of it.
    pub fn effective(&self, subject: Subject) -> Permission {
        let entry = self.entry(subject).unwrap_or_default();
        self.mask.map_or(entry, |mask| entry & mask)
    }

    /// Gives the subject this entry, or takes its entry away. A mask that was no narrower than the
    /// entries follows them, as with setfacl; one that somebody made narrower or wider stays.
    pub fn set(&mut self, subject: Subject, permission: Option<Permission>) {
        let follows = self.mask.is_none_or(|mask| mask == self.widest());
        match permission {
            Some(permission) => self.named.insert(subject, permission),
            None => self.named.remove(&subject),
        };
        if follows {
            self.mask = (!self.named.is_empty()).then(|| self.widest());
        }
    }

    /// Gives the subject at least this.
    pub fn add(&mut self, subject: Subject, permission: Permission) {
        let present = self.entry(subject).unwrap_or_default();
        self.set(subject, Some(present | permission));
    }

    /// True when whoever is no owner has this, whatever groups he is in, unless an entry of his own
    /// says less.
    pub fn permits_everybody(&self, permission: Permission) -> bool {
        let of_group = |entry: Permission| self.mask.map_or(entry, |mask| entry & mask);
        let groups = self.named.iter().filter(|(who, _)| matches!(who, Subject::Group(_)));
        self.other.contains(permission)
            && of_group(self.group).contains(permission)
            && groups.map(|(_, entry)| of_group(*entry)).all(|entry| entry.contains(permission))
    }

    /// What the kernel would say to a user with these groups, of a file with this owner and owning
    /// group (acl(5), "access check algorithm").
    pub fn permits(
        &self,
        (owner, owning): (u32, u32),
        (uid, gids): (u32, &[u32]),
        permission: Permission,
    ) -> bool {
        let masked = |entry: Permission| self.mask.map_or(entry, |mask| entry & mask);
        if uid == owner {
            return self.owner.contains(permission);
        }
        if let Some(entry) = self.entry(Subject::User(uid)) {
            return masked(entry).contains(permission);
        }
        let own = gids.contains(&owning).then_some(self.group);
        let named = gids.iter().filter_map(|gid| self.entry(Subject::Group(*gid)));
        let mut groups = own.into_iter().chain(named).peekable();
        if groups.peek().is_some() {
            return groups.any(|entry| masked(entry).contains(permission));
        }
        self.other.contains(permission)
    }

    /// What a new file takes of this default ACL: it is nothing to execute, its owner's to write, and
    /// others have no part in it.
    pub fn for_file(mut self) -> Self {
        let cut = |permission: &mut Permission| *permission = *permission & Permission::READ_WRITE;
        self.owner = Permission::READ_WRITE;
        cut(&mut self.group);
        self.named.values_mut().for_each(cut);
        self.mask.iter_mut().for_each(cut);
        self.other = Permission::NONE;
        self
    }

    fn widest(&self) -> Permission {
        self.named.values().fold(self.group, |all, entry| all | *entry)
    }

    /// As the kernel takes it.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(4 + 8 * (4 + self.named.len()));
        out.extend_from_slice(&VERSION.to_le_bytes());
        let mut entry = |tag: u16, permission: Permission, id: u32| {
            out.extend_from_slice(&tag.to_le_bytes());
            out.extend_from_slice(&u16::from(permission.0).to_le_bytes());
            out.extend_from_slice(&id.to_le_bytes());
        };
        entry(USER_OBJ, self.owner, NO_ID);
        for (subject, permission) in &self.named {
            if let Subject::User(uid) = subject {
                entry(USER, *permission, *uid);
            }
        }
        entry(GROUP_OBJ, self.group, NO_ID);
        for (subject, permission) in &self.named {
            if let Subject::Group(gid) = subject {
                entry(GROUP, *permission, *gid);
            }
        }
        if let Some(mask) = self.mask {
            entry(MASK, mask, NO_ID);
        }
        entry(OTHER, self.other, NO_ID);
        out
    }

    /// From the kernel's form; `None` for what is no ACL.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (version, entries) = bytes.split_first_chunk::<4>()?;
        if u32::from_le_bytes(*version) != VERSION || entries.len() % 8 != 0 {
            return None;
        }
        let mut acl = Self::of_mode(0);
        let mut seen = 0;
        for entry in entries.chunks_exact(8) {
            let tag = u16::from_le_bytes([entry[0], entry[1]]);
            let bits = u16::from_le_bytes([entry[2], entry[3]]);
            let permission = Permission(u8::try_from(bits).ok().filter(|bits| *bits <= 7)?);
            let id = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
            let again = match tag {
                USER => acl.named.insert(Subject::User(id), permission).is_some(),
                GROUP => acl.named.insert(Subject::Group(id), permission).is_some(),
                _ => seen & tag != 0,
            };
            if again {
                return None;
            }
            match tag {
                USER_OBJ => acl.owner = permission,
                GROUP_OBJ => acl.group = permission,
                OTHER => acl.other = permission,
                MASK => acl.mask = Some(permission),
                USER | GROUP => {}
                _ => return None,
            }
            seen |= tag;
        }
        let needed = USER_OBJ | GROUP_OBJ | OTHER;
        let whole = seen & needed == needed && (acl.named.is_empty() || acl.mask.is_some());
        whole.then_some(acl)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Subject = Subject::User(1000);
    const STAFF: Subject = Subject::Group(50);

    #[test]
    fn a_mask_follows_the_entries_unless_somebody_set_it() {
        let mut acl = Acl::of_mode(0o640);
        assert!(!acl.is_extended());
        acl.set(ME, Some(Permission::READ_WRITE));
        assert_eq!(acl.mask, Some(Permission::READ_WRITE));
        assert_eq!(acl.effective(ME), Permission::READ_WRITE);
        acl.set(ME, None);
        assert_eq!(acl, Acl::of_mode(0o640));

        // chmod g-w beside an ACL makes the mask narrower.
        acl.set(STAFF, Some(Permission::READ_WRITE));
        acl.mask = Some(Permission::READ);
        acl.add(ME, Permission::WRITE);
        assert_eq!(acl.effective(ME), Permission::NONE, "the mask stays");
        acl.set(ME, None);
        assert_eq!(acl.mask, Some(Permission::READ));
        assert_eq!(acl.entry(STAFF), Some(Permission::READ_WRITE));
    }

    #[test]
    fn everybody_is_who_no_entry_holds_back() {
        let x = Permission::TRAVERSE;
        let mut acl = Acl::of_mode(0o755);
        assert!(acl.permits_everybody(x) && !Acl::of_mode(0o705).permits_everybody(x));
        acl.set(STAFF, Some(Permission::NONE));
        assert!(!acl.permits_everybody(x));
    }

    #[test]
    fn the_nearest_entry_decides() {
        let (mut acl, file) = (Acl::of_mode(0o604), (0, 10));
        let r = Permission::READ;
        assert!(acl.permits(file, (1000, &[20]), r), "other");
        assert!(!acl.permits(file, (1000, &[20, 10]), r), "the owning group has nothing");
        acl.set(STAFF, Some(Permission::READ_WRITE));
        assert!(acl.permits(file, (1000, &[10, 50]), r), "one of two groups is enough");
        acl.mask = Some(Permission::WRITE);
        assert!(!acl.permits(file, (1000, &[10, 50]), r), "the mask");
        acl.set(ME, Some(Permission::WRITE));
        assert!(!acl.permits(file, (1000, &[20]), r), "his own entry");
        assert!(acl.permits(file, (0, &[]), Permission::READ_WRITE), "the owner");
    }

    #[test]
    fn what_is_no_acl_is_refused() {
        let mut acl = Acl::of_mode(0o750);
        acl.set(ME, Some(Permission::LIST));
        acl.set(STAFF, Some(Permission::READ));
        let bytes = acl.encode();
        assert_eq!(Acl::decode(&bytes), Some(acl));
        for cut in 0..bytes.len() {
            assert_eq!(Acl::decode(&bytes[..cut]), None, "{cut}");
        }
        let with = |at: usize, byte: u8| {
            let mut changed = bytes.clone();
            changed[at] = byte;
            Acl::decode(&changed)
        };
        assert_eq!(with(0, 3), None, "a version of tomorrow");
        assert_eq!(with(4, 0x40), None, "an unknown tag");
        assert_eq!(with(6, 8), None, "an unknown permission");
        assert_eq!(with(12, 0x01), None, "two owners");
    }
}
