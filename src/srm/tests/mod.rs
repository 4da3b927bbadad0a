//! Requests that meet on two files, one after the other and at once, through the real core, with a store
//! and a disk: the facts of the design hold, whatever is done.

mod deeds;
mod facts;
mod stops;
mod sweeps;
mod world;

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::model::OverwriteMode;
use world::World;

/// What somebody does. Files and requests are numbers, of which the remainder counts.
#[derive(Clone, Copy, Debug)]
enum Step {
    Put(usize, OverwriteMode),
    /// One request on both files.
    PutBoth(OverwriteMode),
    /// A put that is suspended at once.
    PutAndSuspend(usize),
    Get(usize),
    BringOnline(usize),
    Copy(usize, OverwriteMode),
    /// To the TURL of the live put on a file.
    Upload(usize),
    /// To the file's own path.
    Write(usize),
    Read(usize),
    Rm(usize),
    Mv(usize),
    /// MOVE and COPY of the HTTP doors, over what is there.
    MoveOver(usize),
    CopyOver(usize),
    PutDone(usize),
    Release(usize),
    Abort(usize),
    /// Of one file of a request.
    AbortFile(usize),
    Extend(usize),
    /// The lifetime of its TURLs and pins is over.
    Expire(usize),
    Suspend(usize),
    Resume(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (file, request) = (|| 0..2_usize, || 0..6_usize);
    let mode = || {
        prop_oneof![
            Just(OverwriteMode::Always),
            Just(OverwriteMode::Never),
            Just(OverwriteMode::WhenFilesAreDifferent)
        ]
    };
    prop_oneof![
        4 => (file(), mode()).prop_map(|(file, mode)| Step::Put(file, mode)),
        1 => mode().prop_map(Step::PutBoth),
        1 => file().prop_map(Step::PutAndSuspend),
        3 => file().prop_map(Step::Get),
        1 => file().prop_map(Step::BringOnline),
        2 => (file(), mode()).prop_map(|(file, mode)| Step::Copy(file, mode)),
        4 => file().prop_map(Step::Upload),
        3 => file().prop_map(Step::Write),
        2 => file().prop_map(Step::Read),
        2 => file().prop_map(Step::Rm),
        2 => file().prop_map(Step::Mv),
        1 => file().prop_map(Step::MoveOver),
        1 => file().prop_map(Step::CopyOver),
        4 => request().prop_map(Step::PutDone),
        2 => request().prop_map(Step::Release),
        1 => request().prop_map(Step::Abort),
        1 => request().prop_map(Step::AbortFile),
        1 => request().prop_map(Step::Extend),
        2 => request().prop_map(Step::Expire),
        1 => request().prop_map(Step::Suspend),
        1 => request().prop_map(Step::Resume),
    ]
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
});

/// The steps of one round are done at once.
async fn check(rounds: Vec<Vec<Step>>) {
    let world = Arc::new(World::new());
    for steps in rounds {
        let before = world.look().await;
        let doing: Vec<_> = steps
            .iter()
            .map(|step| {
                let (world, step) = (Arc::clone(&world), *step);
                tokio::spawn(async move { world.step(step).await })
            })
            .collect();
        let mut done = Vec::new();
        for deed in doing {
            done.extend(deed.await.unwrap());
        }
        world.settle().await;
        let after = world.look().await;
        facts::hold(&world, &steps, &before, &done, &after);
    }
    world.end().await;
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        max_shrink_iters: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_facts_hold_whatever_meets(
        rounds in prop::collection::vec(prop::collection::vec(step(), 1..4), 1..16),
    ) {
        RUNTIME.block_on(check(rounds));
    }
}
