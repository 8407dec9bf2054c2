//! What the program says at a terminal when it cannot do what it is told: one line, and no panic.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use kraken_tests::{Matrix, node};
use tempfile::TempDir;

/// The code of a command that cannot go on.
pub(super) const FAILED: i32 = 1;
/// The code of a command line that makes no sense.
const MISUSED: i32 = 2;

/// Commands in a folder that is gone afterwards.
pub(super) struct Shell {
    folder: TempDir,
    matrix: Matrix,
}

impl Shell {
    pub(super) fn new(test: &'static str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { folder, matrix: Matrix::new(test) }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Runs a command to its end.
    fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        let mut command = Command::new(node::binary());
        command.args(arguments).current_dir(self.folder.path()).env_clear();
        command.env("XDG_CACHE_HOME", node::cache()).envs(environment.iter().copied());
        command.output().expect("the binary runs")
    }

    /// Runs a command that must succeed; what it prints.
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments, &[]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Runs a command that must not succeed, and notes what it says, without `place`.
    #[track_caller]
    pub(super) fn refuses(&mut self, input: &str, arguments: &[&str], place: &str, says: &[&str]) {
        self.refuses_with(input, (arguments, &[]), place, says);
    }

    #[track_caller]
    fn refuses_with(
        &mut self,
        input: &str,
        (arguments, environment): (&[&str], &[(&str, &str)]),
        place: &str,
        says: &[&str],
    ) {
        let output = self.run(arguments, environment);
        let errors = String::from_utf8(output.stderr).expect("text");
        let code = output.status.code();
        assert!(!errors.contains("panicked"), "{arguments:?}: {errors}");
        let line = match code {
            Some(FAILED) => {
                assert_eq!(errors.lines().count(), 1, "{arguments:?}: {errors}");
                assert!(errors.contains(" — "), "{arguments:?}: no remedy in {errors}");
                errors.as_str()
            }
            // Behind an empty line, it says how it is done right.
            Some(MISUSED) => errors.split("\n\n").next().unwrap_or_default(),
            Some(_) | None => panic!("{arguments:?} ended with {}: {errors}", output.status),
        };
        let line = line.strip_prefix("error: ").unwrap_or_else(|| panic!("{errors}"));
        for word in says {
            assert!(line.contains(word), "{arguments:?}: {line:?} does not say {word:?}");
        }
        let folder = self.folder.path().display().to_string();
        let place = if place.is_empty() { folder.as_str() } else { place };
        let line = line.replace(place, "PLACE").replace(&folder, "DIR");
        self.matrix.row(input, format!("exit {}", code.unwrap_or_default()), &line);
    }

    #[track_caller]
    pub(super) fn check(&self) {
        self.matrix.check();
    }
}

/// `kraken dev` on a free port, with these flags.
fn dev<'a>(flags: &[&'a str]) -> Vec<&'a str> {
    [&["dev", "--port", "0", "--log", "off"], flags].concat()
}

#[test]
fn bad_flags_are_refused() {
    let mut shell = Shell::new("errors::command_line::bad_flags_are_refused");
    for (input, arguments, says) in [
        ("`kraken walk`", &["walk"][..], "walk"),
        ("unknown flag", &["dev", "--colour", "blue"], "--colour"),
        ("`--accounts many`", &["dev", "--accounts", "many"], "--accounts"),
        ("`--port 70000`", &["dev", "--port", "70000"], "--port"),
        (
            "`--block-generation-on 0`",
            &["dev", "--block-generation-on", "0"],
            "--block-generation-on",
        ),
        ("`--timeout 0`", &["dev", "--timeout", "0"], "--timeout"),
        ("`--log kraken=loud`", &["dev", "--log", "kraken=loud"], "--log"),
        ("`kraken inspect` of no folder", &["inspect"], "--data-dir"),
    ] {
        shell.refuses(input, arguments, "", &[says]);
    }
    let environment = (&["dev"][..], &[("SEED", "-1")][..]);
    shell.refuses_with("`SEED=-1` in the environment", environment, "", &["seed"]);
    shell.check();
}

#[test]
fn a_port_and_a_folder_must_be_free_and_fit() {
    let mut shell = Shell::new("errors::command_line::a_port_and_a_folder_must_be_free_and_fit");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("bound").port().to_string();
    let busy = ["dev", "--port", &port, "--log", "off"];
    shell.refuses("port that is in use", &busy, &port, &["--port"]);

    fs::write(shell.path("file"), "in the way").expect("writable");
    let below = shell.text("file/chain");
    shell.refuses(
        "data folder below a file",
        &dev(&["--data-dir", &below]),
        &below,
        &["--data-dir"],
    );
    let nowhere = dev(&["--data-dir", "/proc/kraken"]);
    shell.refuses("data folder that cannot be made", &nowhere, "/proc/kraken", &["--data-dir"]);
    fs::create_dir(shell.path("photos")).expect("writable");
    fs::write(shell.path("photos/photo.jpg"), "sunset").expect("writable");
    let photos = shell.text("photos");
    let foreign = dev(&["--data-dir", &photos]);
    shell.refuses(
        "data folder with files of something else",
        &foreign,
        &photos,
        &["no chain of Kraken"],
    );
    assert_eq!(fs::read_dir(shell.path("photos")).expect("readable").count(), 1);
    let missing = shell.text("nowhere");
    let inspect = ["inspect", "--data-dir", &missing];
    shell.refuses(
        "`kraken inspect` of a folder that is not there",
        &inspect,
        &missing,
        &["no chain in"],
    );
    assert!(!shell.path("nowhere").exists());

    let node = kraken_tests::Node::start(&[]);
    let folder = node.folder().display().to_string();
    let locked = dev(&["--data-dir", &folder]);
    shell.refuses(
        "data folder of a node that runs",
        &locked,
        &folder,
        &["in use by another process"],
    );
    shell.check();
}

#[test]
fn a_folder_stays_with_its_chain() {
    let mut shell = Shell::new("errors::command_line::a_folder_stays_with_its_chain");
    let mut node = kraken_tests::Node::start(&["--accounts", "2"]);
    assert_eq!(node.stop().code(), Some(0));
    let folder = node.folder().display().to_string();
    let more = dev(&["--data-dir", &folder, "--accounts", "3"]);
    shell.refuses("`--accounts 3` for a chain of two", &more, &folder, &["has --accounts 2"]);
    let renamed = dev(&["--data-dir", &folder, "--chain-id", "MAINNET"]);
    shell.refuses(
        "another `--chain-id` than that of the chain",
        &renamed,
        &folder,
        &["--chain-id"],
    );

    let file = node.folder().join("genesis.toml");
    let genesis = fs::read_to_string(&file).expect("readable");
    let mut change = |input: &str, from: &str, to: &str, says: &str| {
        let changed = genesis.replacen(from, to, 1);
        assert_ne!(changed, genesis);
        fs::write(&file, changed).expect("writable");
        shell.refuses(input, &dev(&["--data-dir", &folder]), &folder, &[says]);
    };
    let target = "l2_gas_target = 1040000000";
    change("`genesis.toml` with a changed number", target, "l2_gas_target = 1040000001", "genesis");
    change("`genesis.toml` with a number of 0", target, "l2_gas_target = 0", "l2_gas_target");
    change("`genesis.toml` with an unknown key", target, "l2_gas_aim = 7", "l2_gas_aim");
    change("`genesis.toml` that is no TOML", target, "l2_gas_target = [", "genesis.toml");
    fs::write(&file, genesis).expect("writable");
    node.restart();
    shell.check();
}

/// The files of a committee of one.
fn committee(shell: &Shell) -> String {
    let [key, genesis, config, data] =
        ["key.toml", "genesis.toml", "kraken.toml", "data"].map(|name| shell.text(name));
    let member = shell.done(&["key", "--out", &key]);
    fs::write(shell.path("member.toml"), member).expect("writable");
    let member = shell.text("member.toml");
    shell.done(&["genesis", "--member", &member, "--out", &genesis]);
    let files = ["--genesis", &genesis, "--key", &key, "--out", &config];
    shell.done(&[&["init", "--data-dir", &data][..], &files].concat());
    config
}

#[test]
fn files_of_a_validator_must_fit() {
    let mut shell = Shell::new("errors::command_line::files_of_a_validator_must_fit");
    let config = committee(&shell);
    let run = ["run", "--config", &config, "--rpc.port", "0", "--log", "off"];
    let settings = fs::read_to_string(&config).expect("readable");
    for (input, changed, says) in [
        ("`kraken.toml` with an unknown key", format!("colour = \"blue\"\n{settings}"), "colour"),
        ("`kraken.toml` with an unknown section", format!("{settings}\n[colour]\n"), "colour"),
        ("`kraken.toml` with a bad value", format!("role = \"king\"\n{settings}"), "role"),
        ("`kraken.toml` that is no TOML", format!("{settings}\n["), "kraken.toml"),
    ] {
        fs::write(&config, changed).expect("writable");
        shell.refuses(input, &run, "", &[says]);
    }
    fs::write(&config, settings).expect("writable");

    let misspelt = (&run[..], &[("KRAKEN_RPC_PROT", "5050")][..]);
    let says = ["KRAKEN_RPC_PROT", "kraken run --help"];
    shell.refuses_with("`KRAKEN_RPC_PROT=5050` in the environment", misspelt, "", &says);
    let bad = (&run[..3], &[("KRAKEN_RPC_PORT", "many")][..]);
    shell.refuses_with("`KRAKEN_RPC_PORT=many` in the environment", bad, "", &["--rpc.port"]);
    let missing = shell.text("nowhere.toml");
    shell.refuses(
        "`--config` of a file that is not there",
        &["run", "--config", &missing],
        "",
        &["--config"],
    );

    let other = shell.text("other.toml");
    shell.done(&["key", "--out", &other]);
    let stranger = [&run[..], &["--key", &other]].concat();
    shell.refuses("key that is not in the genesis", &stranger, "", &["key"]);
    let genesis = shell.path("genesis.toml");
    let said = fs::read_to_string(&genesis).expect("readable");
    fs::write(&genesis, said.replacen("chain_id = \"", "chain_id = \"no good ", 1))
        .expect("writable");
    shell.refuses("genesis with a `chain_id` that is none", &run, "", &["chain_id"]);
    fs::remove_file(&genesis).expect("ours");
    shell.refuses("genesis that is not there", &run, "", &["genesis"]);
    fs::write(&genesis, said).expect("writable");
    open_to_all(&shell.path("key.toml"));
    shell.refuses("key that others can read", &run, "", &["chmod 600"]);
    shell.check();
}

fn open_to_all(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(file, fs::Permissions::from_mode(0o644)).expect("ours");
}
