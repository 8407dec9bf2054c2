//! What is committed in `corpus` goes through every target without counters too.

use std::{fs, path::Path};

use kraken_fuzz::{TARGETS, seeds};

fn corpus() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus"))
}

#[test]
fn every_target_survives_its_corpus() {
    for (target, run) in TARGETS {
        let folder = fs::read_dir(corpus().join(target)).expect("each target has a corpus");
        for file in folder {
            let path = file.expect("a readable folder").path();
            println!("{}", path.display());
            run(&fs::read(path).expect("a readable file"));
        }
    }
}

#[test]
fn the_seeds_are_committed() {
    for (target, name, bytes) in seeds::all() {
        let committed = fs::read(corpus().join(target).join(&name)).ok();
        assert_eq!(committed, Some(bytes), "{target}/{name}: run the example seeds");
    }
}
