//! What holds after each round, whatever was done in it.

use super::Step;
use super::deeds::Done;
use super::world::{Look, Shown, Told, World};
use crate::model::{FileState, RequestKind, RequestToken};

pub(super) fn hold(world: &World, steps: &[Step], before: &Look, done: &[Done], after: &Look) {
    what_ended_never_changes(before, after);
    one_live_put_a_file(after);
    what_rests_rests(steps, before, done, after);
    let told = || format!("{steps:?}: {done:?}\nbefore {before:?}\nafter {after:?}");
    for file in 0..2 {
        let (was, is) = (before.contents[file], after.contents[file]);
        let may = |found| fits(world, file, before, done, after, found);
        assert!(may(is), "file {file} is {is:?}: {}", told());
        for read in done {
            if let Done::Read(of, found) = read
                && *of == file
            {
                assert!(may(*found), "{found:?} was read of file {file}: {}", told());
            }
        }
        // Its bytes are there as long as it is pinned.
        if held(before, file, pins).any(|held| is_held(after, held)) {
            assert_eq!(was, is, "file {file} is pinned: {}", told());
        }
        let removed = done.iter().any(|done| matches!(done, Done::Removed(of) if *of == file));
        if removed {
            for (token, n) in held(before, file, |_| true) {
                let state = state(after, (token, n));
                let kind = kind(after, token);
                assert!(state.is_final(kind), "{token} outlives its file: {}", told());
                let alone = steps.len() == 1;
                assert!(!alone || state == FileState::Aborted, "{token}: {}", told());
            }
        }
    }
    forget_uploads(world, after);
}

fn pins(kind: RequestKind) -> bool {
    matches!(kind, RequestKind::Get | RequestKind::BringOnline)
}

/// Files of requests that hold this file, by the request's token.
fn held(
    look: &Look,
    file: usize,
    of: impl Fn(RequestKind) -> bool,
) -> impl Iterator<Item = (&RequestToken, usize)> {
    look.requests.iter().filter(move |(_, told)| of(told.kind)).flat_map(move |(token, told)| {
        let holds =
            move |(_, shown): &(usize, &Shown)| shown.file == file && shown.state.holds(told.kind);
        told.files.iter().enumerate().filter(holds).map(move |(n, _)| (token, n))
    })
}

fn told<'l>(look: &'l Look, token: &RequestToken) -> &'l Told {
    look.requests.iter().find(|(known, _)| known == token).map(|(_, told)| told).unwrap()
}

fn kind(look: &Look, token: &RequestToken) -> RequestKind {
    told(look, token).kind
}

fn state(look: &Look, (token, n): (&RequestToken, usize)) -> FileState {
    told(look, token).files[n].state
}

fn is_held(look: &Look, held: (&RequestToken, usize)) -> bool {
    state(look, held).holds(kind(look, held.0))
}

fn what_ended_never_changes(before: &Look, after: &Look) {
    for (token, was) in &before.requests {
        let is = told(after, token);
        for (was, now) in was.files.iter().zip(&is.files) {
            assert!(!was.state.is_final(is.kind) || was == now, "{was:?} is {now:?}");
        }
        assert!(!was.ended || was == is, "{was:?} is {is:?}");
        // Nor what was told of it once all its files had their answers, unless it is aborted.
        let over = was.files.iter().all(|file| file.state.is_answered());
        let aborted = is.code == crate::model::StatusCode::Aborted;
        assert!(!over || was.code == is.code || aborted, "{was:?} is {is:?}");
    }
}

fn one_live_put_a_file(look: &Look) {
    for file in 0..2 {
        let puts: Vec<_> = held(look, file, |kind| kind == RequestKind::Put).collect();
        assert!(puts.len() <= 1, "{puts:?} of {look:?}");
        let pins = held(look, file, pins).count();
        assert!(puts.is_empty() || pins == 0, "a put and {pins} pins: {look:?}");
    }
}

/// What is suspended is not begun before somebody resumes it.
fn what_rests_rests(steps: &[Step], before: &Look, done: &[Done], after: &Look) {
    let ends = |step: &Step| matches!(step, Step::Resume(_) | Step::Abort(_) | Step::AbortFile(_));
    if steps.iter().any(ends) {
        return;
    }
    for (token, was) in &before.requests {
        for (was, now) in was.files.iter().zip(&told(after, token).files) {
            assert!(was.state != FileState::Suspended || was == now, "{was:?} is {now:?}");
        }
    }
    for done in done {
        let Done::Rests(token, files) = done else { continue };
        for n in files {
            assert_eq!(state(after, (token, *n)), FileState::Suspended, "{token} goes on");
        }
    }
}

/// Whether this may be found at a file: what was there, or the whole of what came in this round.
fn fits(
    world: &World,
    file: usize,
    before: &Look,
    done: &[Done],
    after: &Look,
    found: Option<u64>,
) -> bool {
    if found == before.contents[file] {
        return true;
    }
    let other = 1 - file;
    let uploaded = world.uploaded.lock().unwrap();
    let published = |file: usize, found: u64| {
        done.iter().any(|done| match done {
            Done::Written(of, id) => *of == file && *id == found,
            Done::Published(of) => {
                let ids = uploaded.get(&file);
                *of == file && (found == 0 || ids.is_some_and(|ids| ids.contains(&found)))
            }
            _ => false,
        })
    };
    let Some(id) = found else {
        return done.iter().any(|done| match done {
            Done::Removed(of) | Done::Moved(of) => *of == file,
            _ => false,
        });
    };
    // It was moved or copied from the other.
    let carried = |done: &Done| matches!(done, Done::Moved(of) | Done::Copied(of) if *of == other);
    let moved = done.iter().any(carried);
    let copied = after.requests.iter().any(|(token, told)| {
        let was = before.requests.iter().find(|(known, _)| known == token);
        told.kind == RequestKind::Copy
            && was.is_none_or(|(_, was)| was.files[0].state != FileState::Success)
            && told.files[0].state == FileState::Success
            && told.files[0].file == file
    });
    let at_the_other = before.contents[other] == Some(id) || published(other, id);
    published(file, id) || ((moved || copied) && at_the_other)
}

/// What was uploaded to a put that is no longer live is never seen again.
fn forget_uploads(world: &World, after: &Look) {
    let put = |look, file| held(look, file, |kind| kind == RequestKind::Put).next();
    let mut uploaded = world.uploaded.lock().unwrap();
    for file in 0..2 {
        // Which of two puts had the uploads of a round in which one ended and the other began is not
        // known: those stay.
        if put(after, file).is_none() {
            uploaded.remove(&file);
        }
    }
}
