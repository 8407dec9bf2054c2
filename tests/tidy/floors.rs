//! A room imports only from floors below it.

use std::{collections::BTreeSet, fs, process::Command};

use serde_json::Value;

use crate::root;

/// A room, what it may import of ours, and whether it may have a runtime.
struct Room {
    name: &'static str,
    may_import: &'static [&'static str],
    may_use_tokio: bool,
}

const fn room(
    name: &'static str,
    may_import: &'static [&'static str],
    may_use_tokio: bool,
) -> Room {
    Room { name, may_import, may_use_tokio }
}

/// The floors, from the bottom; see `ARCHITECTURE.md`. A new edge changes this table.
const ROOMS: [Room; 14] = [
    room("types", &[], false),
    room("storage", &["types"], false),
    room("mempool", &["types"], false),
    room("consensus", &["types"], false),
    room("network", &["types"], true),
    room("ordering", &["types", "mempool", "consensus"], false),
    room("execution", &["types", "storage"], false),
    room(
        "sequencer",
        &["types", "storage", "mempool", "consensus", "network", "ordering", "execution"],
        true,
    ),
    room("rpc", &["types", "storage", "execution", "sequencer"], true),
    room("node", &["types", "storage", "network", "execution", "sequencer", "rpc"], true),
    room("simulation", &["types", "mempool", "consensus", "ordering"], false),
    room("openrpc", &[], false),
    room(
        "tests",
        &[
            "types",
            "storage",
            "mempool",
            "consensus",
            "network",
            "ordering",
            "execution",
            "sequencer",
            "rpc",
            "node",
            "simulation",
            "openrpc",
        ],
        true,
    ),
    room("xtask", &[], false),
];

/// Foreign packages, and the rooms that hide them from the others; tests are behind no door.
const DOORS: [(&str, &[&str]); 10] = [
    ("axum", &["rpc"]),
    ("blockifier", &["execution"]),
    ("cairo-vm", &["execution"]),
    ("clap", &["node", "simulation"]),
    ("ed25519-zebra", &["types"]),
    ("fjall", &["storage"]),
    ("libp2p", &["network"]),
    ("rand_chacha", &["simulation"]),
    ("tower-http", &["rpc"]),
    ("tracing-subscriber", &["node"]),
];

/// Foreign packages that measure and check, and are in no binary.
const FOR_TESTS: [&str; 3] = ["criterion", "insta", "proptest"];

/// Rooms that are in no binary of a validator.
const BESIDE: [&str; 3] = ["openrpc", "simulation", "tests"];

/// Nobody uses these.
const BANNED: [(&str, &str); 3] = [
    ("jsonrpsee", "the RPC has its own dispatch"),
    ("bincode", "borsh is the one encoding"),
    ("openssl", "nothing here needs it"),
];

/// What cargo knows of the packages of the workspace.
fn packages() -> Vec<Value> {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    metadata["packages"].as_array().expect("a list").clone()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().expect("a text")
}

fn is_for_tests(dependency: &Value) -> bool {
    dependency["kind"] == "dev"
}

fn dependencies(package: &Value) -> &[Value] {
    package["dependencies"].as_array().expect("a list")
}

fn of(room: &Room, packages: &[Value]) -> Value {
    let name = format!("kraken-{}", room.name);
    let package = packages.iter().find(|package| text(package, "name") == name);
    package.unwrap_or_else(|| panic!("there is no room {}", room.name)).clone()
}

#[test]
fn every_room_has_a_floor_and_its_folder_has_its_name() {
    let packages = packages();
    let named: BTreeSet<_> = packages.iter().map(|package| text(package, "name")).collect();
    let expected: Vec<_> = ROOMS.iter().map(|room| format!("kraken-{}", room.name)).collect();
    assert_eq!(named, expected.iter().map(String::as_str).collect());
    for room in &ROOMS {
        let manifest = root().join(room.name).join("Cargo.toml");
        assert_eq!(text(&of(room, &packages), "manifest_path"), manifest.to_string_lossy());
    }
}

#[test]
fn rooms_import_only_from_the_floors_below() {
    let packages = packages();
    for room in &ROOMS {
        for dependency in dependencies(&of(room, &packages)) {
            let Some(imported) = text(dependency, "name").strip_prefix("kraken-") else {
                continue;
            };
            let own = imported == room.name && is_for_tests(dependency);
            assert!(
                own || room.may_import.contains(&imported),
                "{} imports {imported}, which is not below it",
                room.name
            );
        }
    }
}

#[test]
fn quiet_rooms_have_no_runtime() {
    let packages = packages();
    for room in ROOMS.iter().filter(|room| !room.may_use_tokio) {
        for dependency in dependencies(&of(room, &packages)) {
            let name = text(dependency, "name");
            let is_runtime = name == "tokio" || name == "tokio-util" || name == "reqwest";
            assert!(
                !is_runtime || is_for_tests(dependency),
                "{} decides and does not run, but uses {name}",
                room.name
            );
        }
    }
}

#[test]
fn foreign_packages_stay_behind_their_doors() {
    for package in packages() {
        let user = text(&package, "name").trim_start_matches("kraken-").to_owned();
        for dependency in dependencies(&package) {
            let name = text(dependency, "name");
            for (foreign, rooms) in DOORS {
                let is_inside = rooms.contains(&user.as_str()) || user == "tests";
                let is_allowed = name != foreign || is_inside;
                assert!(is_allowed, "{user} uses {name}, which lives in {rooms:?} alone");
            }
            for (banned, reason) in BANNED {
                assert_ne!(name, banned, "{user} uses {name}: {reason}");
            }
        }
    }
}

#[test]
fn nothing_for_tests_is_in_the_binary() {
    let packages = packages();
    for room in ROOMS.iter().filter(|room| !BESIDE.contains(&room.name)) {
        for dependency in dependencies(&of(room, &packages)) {
            let features = dependency["features"].as_array().expect("a list");
            let name = text(dependency, "name");
            let for_tests = features.iter().any(|feature| feature == "testing")
                || FOR_TESTS.contains(&name)
                || name.strip_prefix("kraken-").is_some_and(|name| BESIDE.contains(&name));
            let is_shipped = for_tests && !is_for_tests(dependency);
            assert!(!is_shipped, "{} ships {name}, or a feature of it, for tests", room.name);
        }
    }
}

#[test]
fn every_room_has_the_lints_and_versions_of_the_workspace() {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    for room in &ROOMS {
        let manifest = root().join(room.name).join("Cargo.toml");
        let manifest = fs::read_to_string(manifest).expect("a manifest");
        let lines: Vec<_> = manifest.lines().map(str::trim).collect();
        let lints = lines.iter().position(|line| *line == "[lints]");
        let inherits = lints.is_some_and(|at| lines.get(at + 1) == Some(&"workspace = true"));
        assert!(inherits, "{} does not inherit the lints", room.name);
        for line in lines.iter().skip_while(|line| !line.starts_with("[dependencies]")) {
            let is_pinned_here = line.contains("version = \"") || line.contains("= \"");
            assert!(!is_pinned_here, "{} pins a version of its own: {line}", room.name);
        }
        assert!(workspace.contains(&format!("\"{}\"", room.name)), "{} is no member", room.name);
    }
}
