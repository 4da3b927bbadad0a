//! Random changes, beside a map that knows the rules and nothing else.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const STATES: [FileState; 9] = [
    FileState::Queued,
    FileState::InProgress,
    FileState::SpaceAvailable,
    FileState::Pinned,
    FileState::Success,
    FileState::Released,
    FileState::Aborted,
    FileState::Failed,
    FileState::Expired,
];
/// Kind, and the paths of its files.
const REQUESTS: [(RequestKind, [&str; 2]); 3] = [
    (RequestKind::Put, ["a", "b"]),
    (RequestKind::Put, ["b", "a"]),
    (RequestKind::Get, ["a", "a"]),
];

/// One change: request, file, whether the expected state is the true one, the new state.
fn step() -> impl Strategy<Value = (usize, u32, Option<FileState>, FileState)> {
    let state = || prop::sample::select(&STATES[..]);
    (
        0..REQUESTS.len(),
        0..3_u32,
        prop_oneof![3 => Just(None), 1 => state().prop_map(Some)],
        state(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_as_the_map(calls in prop::collection::vec(
        (prop::collection::vec(step(), 1..6), any::<bool>()), 1..20,
    )) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(compare(calls))?;
    }
}

type Call = (Vec<(usize, u32, Option<FileState>, FileState)>, bool);

async fn compare(calls: Vec<Call>) -> Result<(), TestCaseError> {
    let store = TestStore::new();
    let mut ids = Vec::new();
    let mut map: HashMap<(usize, u32), FileState> = HashMap::new();
    let mut ended = [false; REQUESTS.len()];
    for (at, (kind, paths)) in REQUESTS.iter().enumerate() {
        let files = vec![file(0, paths[0]), file(1, paths[1])];
        ids.push(store.submit(request(at as u64, *kind), files).await.unwrap());
        map.insert((at, 0), FileState::Queued);
        map.insert((at, 1), FileState::Queued);
    }
    for (steps, with_end) in calls {
        let mut changes = Vec::new();
        let mut expected = Vec::new();
        let last = steps[steps.len() - 1].0;
        for (at, n, guess, to) in steps {
            let (_, paths) = REQUESTS[at];
            let now = map.get(&(at, n)).copied();
            let expect = guess.or(now).unwrap_or(FileState::Queued);
            let row = file(n, paths.get(n as usize).unwrap_or(&"c"));
            changes.push(change(ids[at], expect, &row, to));
            expected.push(foretell(&mut map, (at, n), expect, to));
        }
        let end = End { request: ids[last], code: StatusCode::Success, at: Millis(1) };
        let came = store.advance(changes, with_end.then_some(end)).await.unwrap();
        prop_assert_eq!(came, expected);
        let is_final = |n| map[&(last, n)].is_final(REQUESTS[last].0);
        ended[last] |= with_end && is_final(0) && is_final(1);
    }
    let store = store.reopen();
    for (at, _) in REQUESTS.iter().enumerate() {
        let stored = store.load(&token(at as u64)).await.unwrap().unwrap();
        prop_assert_eq!(stored.request.ended.is_some(), ended[at]);
        for file in stored.files {
            prop_assert_eq!(file.state, map[&(at, file.n)]);
        }
    }
    Ok(())
}

fn foretell(
    map: &mut HashMap<(usize, u32), FileState>,
    file: (usize, u32),
    expect: FileState,
    to: FileState,
) -> Advanced {
    let live = |(at, n): (usize, u32), state: FileState| {
        let (kind, paths) = REQUESTS[at];
        (kind == RequestKind::Put && state == FileState::SpaceAvailable)
            .then_some(paths[n as usize])
    };
    let Some(now) = map.get(&file).copied() else { return Advanced::Gone };
    if now != expect {
        return Advanced::Found(now);
    }
    let taken = |(other, state): (&(usize, u32), &FileState)| {
        *other != file && live(*other, *state) == live(file, to)
    };
    if live(file, to).is_some() && map.iter().any(taken) {
        return Advanced::LivePut;
    }
    map.insert(file, to);
    Advanced::Yes
}
