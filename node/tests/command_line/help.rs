//! What the binary says about itself.

use crate::process::run;

#[test]
fn help_teaches() {
    for (name, arguments) in [
        ("kraken", &["--help"][..]),
        ("dev", &["dev", "--help"]),
        ("inspect", &["inspect", "--help"]),
        ("testnet", &["testnet", "--help"]),
        ("run", &["run", "--help"]),
        ("worker", &["worker", "--help"]),
        ("key", &["key", "--help"]),
        ("genesis", &["genesis", "--help"]),
        ("init", &["init", "--help"]),
        ("bench_execution", &["bench", "execution", "--help"]),
        ("bench_flood", &["bench", "flood", "--help"]),
        ("bench_order", &["bench", "order", "--help"]),
        ("bench_rpc", &["bench", "rpc", "--help"]),
        ("bench_soak", &["bench", "soak", "--help"]),
    ] {
        let output = run(arguments);
        assert!(output.status.success(), "{name}");
        insta::assert_snapshot!(name, String::from_utf8(output.stdout).expect("text"));
    }
}

#[test]
fn a_bad_flag_ends_with_code_2() {
    for arguments in [
        &["dev", "--accounts", "many"][..],
        &["dev", "--block-generation-on", "0"],
        &["dev", "--colour", "blue"],
        &["dev", "--log", "kraken=loud"],
        &["inspect"],
        &["walk"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("error: "), "{arguments:?}");
    }
}
