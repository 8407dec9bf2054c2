//! What is kept of the fuzz target of requests, sent to a node.

use std::{env, fs, path::PathBuf};

use kraken_rpc::testing::{Known, body, check, seeds};

use crate::node::{start, wishes};

/// What the node knows that bodies may ask for.
pub(crate) fn known() -> Known {
    let account = |index| format!("{:#x}", crate::node::account(index).address.0.key());
    let strk = kraken_execution::genesis::STRK_ADDRESS.0;
    Known { felts: vec![account(0), account(1), format!("{:#x}", strk.key())] }
}

/// With `KRAKEN_WRITE_SEEDS=1` the seeds are written first.
#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_kept_have_an_answer_that_blames_the_caller() {
    let node = start(wishes()).await;
    // Cargo says where the package lies now, which may not be where it was built.
    let package = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    let folder = package.join("../fuzz/corpus/request_path");
    for (name, bytes) in seeds() {
        let path = folder.join(name);
        if env::var_os("KRAKEN_WRITE_SEEDS").is_some() {
            fs::create_dir_all(&folder).expect("the folder of the target");
            fs::write(&path, &bytes).expect("writable");
        }
        assert!(path.is_file(), "{}: test again with KRAKEN_WRITE_SEEDS=1", path.display());
    }
    for file in fs::read_dir(folder).expect("there is a corpus") {
        let path = file.expect("listable").path();
        let bytes = fs::read(&path).expect("readable");
        let answer = node.post("/", body(&bytes, &known())).await;
        assert_eq!(answer.status(), 200, "{}", path.display());
        check(&answer.bytes().await.expect("a whole answer"));
    }
}
