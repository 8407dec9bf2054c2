//! What is committed in `corpus` goes through every target without counters too.

use std::{env, fs, path::PathBuf};

use kraken_fuzz::{TARGETS, seeds};

fn corpus() -> PathBuf {
    // Cargo says where the package lies now, which may not be where it was built.
    let package = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    package.join("corpus")
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
