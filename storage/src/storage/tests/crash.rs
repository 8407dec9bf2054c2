//! The same scenario on every engine, stopped at each single write, and gone on with.
//!
//! A write is a step of the folder or of a log (see `Disk`) or a batch of the engine. At each step
//! the machine stops: none, half or all of the step is on the disk, and all, the newest or none of
//! what nobody had synced. Whatever had been acknowledged must be there when it starts again, once,
//! and the end must be that of a machine which nothing happened to, to the byte.

mod power;
pub(super) mod scenario;
mod world;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use self::{
    power::{Left, Tear},
    scenario::{Expected, play, tables},
    world::{Kind, World},
};

const TEARS: [Tear; 3] = [Tear::Nothing, Tear::Half, Tear::All];
const LEFT: [Left; 3] = [Left::Everything, Left::Newest, Left::Nothing];

/// The end of a run that nothing happened to.
struct Reference {
    expected: Expected,
    files: BTreeMap<PathBuf, Vec<u8>>,
    steps: u64,
}

impl Reference {
    fn of(kind: Kind) -> Self {
        let world = World::new(kind);
        let expected = Expected::of(&world);
        Self { expected, files: files(&world), steps: world.power.steps() }
    }
}

/// The files of the folder and of the logs; those of the engine are its own business.
fn files(world: &World) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let root = world.path();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("listable") {
            let path = entry.expect("listable").path();
            let name = path.strip_prefix(&root).expect("it is below").to_owned();
            if path.is_file() {
                files.insert(name, fs::read(path).expect("readable"));
            } else if name != Path::new("engine") {
                folders.push(path);
            }
        }
    }
    files
}

/// Where and how a run stops.
#[derive(Clone, Copy, Debug)]
struct Crash {
    step: u64,
    tear: Tear,
    left: Left,
}

/// Stops a run, starts again, perhaps stops again while it recovers, and comes to the end.
fn crash(kind: Kind, reference: &Reference, crash: Crash, again: Option<u64>) {
    let world = World::new(kind);
    let mut done = 0;
    world.power.stop_at(crash.step, crash.tear);
    let stopped = play(&world, 0, &mut |_| done += 1).is_err();
    assert!(stopped && world.power.is_out(), "{kind:?} {crash:?}: it did not stop");
    world.come_back(crash.left);
    if let Some(step) = again {
        world.power.stop_at(step, crash.tear);
        drop(world.open());
        world.come_back(crash.left);
    }
    let expected = &reference.expected;
    let storage = world.open().unwrap_or_else(|error| panic!("{kind:?} {crash:?}: {error:?}"));
    let done = expected.check(&storage, done);
    drop(storage);
    let storage = play(&world, done, &mut |_| ()).expect("nothing happens any more");
    expected.check(&storage, scenario::SCENARIO.len());
    assert!(tables(&storage).expect("readable") == expected.tables, "{crash:?}: other tables");
    drop(storage);
    assert!(files(&world) == reference.files, "{kind:?} {crash:?}: other files");
}

#[test]
fn an_engine_in_memory_comes_to_the_same_end_whenever_it_is_stopped() {
    let reference = Reference::of(Kind::Memory);
    assert!(80 < reference.steps, "{} steps", reference.steps);
    for (index, step) in (1..=reference.steps).enumerate() {
        // Each step is torn in all ways, and three steps in a row are all nine ways to stop.
        for (turn, tear) in TEARS.into_iter().enumerate() {
            let left = LEFT[(index + turn) % 3];
            crash(Kind::Memory, &reference, Crash { step, tear, left }, None);
        }
    }
}

#[test]
fn an_engine_on_disk_comes_to_the_same_end_whenever_it_is_stopped() {
    let reference = Reference::of(Kind::Fjall);
    for (index, step) in (1..=reference.steps).enumerate() {
        // Opening it takes its time: of the nine ways to stop, each step gets one.
        let (tear, left) = (TEARS[index % 3], LEFT[index / 3 % 3]);
        crash(Kind::Fjall, &reference, Crash { step, tear, left }, None);
    }
}

#[test]
fn a_crash_while_it_recovers_from_a_crash_changes_nothing() {
    let reference = Reference::of(Kind::Memory);
    for (index, step) in (1..=reference.steps).enumerate() {
        let (tear, left) = (TEARS[index % 3], LEFT[index / 3 % 3]);
        for again in [1 + step % 5, 6 + step % 7] {
            crash(Kind::Memory, &reference, Crash { step, tear, left }, Some(again));
        }
    }
}
