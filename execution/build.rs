//! Brings the classes that exist in block 0.
//!
//! They are published inside the crate `starknet-devnet-core`, which cannot be a dependency: it
//! pins another version of the Cairo compiler. But `cargo info` fetches and unpacks that one crate,
//! without its dependencies, into the same place where cargo keeps all crates. From there the files
//! are copied, compressed, after their SHA-256 was checked.
//!
//! The contents of the output folder are fixed by the digests below, so this script runs once, and
//! only where the crate was never unpacked before does it need the network.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{self, Command},
};

use sha2::{Digest, Sha256};

const CRATE: &str = "starknet-devnet-core";
const VERSION: &str = "0.10.1";

/// Level of zstd; higher ones gain little on these files.
const COMPRESSION: i32 = 15;

/// Name in the output folder, path inside the crate, SHA-256.
const ARTEFACTS: [(&str, &str, &str); 7] = [
    (
        "account.json.zst",
        "contracts/accounts_artifacts/OpenZeppelin/1.0.0/Account.cairo/Account.sierra",
        "c39668e9d6a8a05995c0a3d1214f3cba629b15582711ebed53aa51902dea2daa",
    ),
    (
        "strk.json.zst",
        "contracts/system_artifacts/erc20_strk.sierra",
        "77d5cb275823007f8bc4ef693bf1caa7bc0b67d4f6cb3150326031fc1dce8789",
    ),
    (
        "eth.json.zst",
        "contracts/system_artifacts/erc20_eth.sierra",
        "e6a95238d6c5bc6d536eb1ee304256bbd077734d8f2777df555fd247d51009f5",
    ),
    (
        "udc.json.zst",
        "contracts/system_artifacts/udc_2.sierra",
        "452866adabdafa1b9ec09ba9de5077707ccfd45c66073427242b4d9064f91277",
    ),
    (
        "udc_legacy.json.zst",
        "contracts/system_artifacts/UDC_OZ_0.5.0.json",
        "055fb6117a61e79823a86e1d118dda16a3399059ec0ac740bd86a2fe0f04f1bd",
    ),
    (
        "argent.json.zst",
        "contracts/accounts_artifacts/Argent/argent_0.4.0.sierra",
        "d4a75ce7474d22ac03046bbbdab090213cec1b6747d831530f2981c179c64754",
    ),
    (
        "argent_multisig.json.zst",
        "contracts/accounts_artifacts/Argent/argent_multisig_0.2.0.sierra",
        "f1d37c2fb67b64acfe2b308e198dd1198e40399b8b3904377b250c05f8c8d958",
    ),
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if let Err(reason) = provide() {
        println!("cargo::error={reason}");
    }
}

/// Puts each artefact into the output folder.
fn provide() -> Result<(), String> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set: run cargo")?);
    let source = unpacked_crate()?;
    for (name, path, digest) in ARTEFACTS {
        let json = checked(&source.join(path), digest)?;
        let compressed = zstd::encode_all(json.as_slice(), COMPRESSION)
            .map_err(|error| format!("cannot compress {path}: {error}"))?;
        let target = out.join(name);
        fs::write(&target, &compressed)
            .map_err(|error| format!("cannot write {}: {error}", target.display()))?;
    }
    Ok(())
}

/// The folder with the unpacked crate, fetched if need be.
fn unpacked_crate() -> Result<PathBuf, String> {
    let home = cargo_home()?;
    if let Some(folder) = find(&home) {
        return Ok(folder);
    }
    let fetched = fetch();
    if let Some(folder) = find(&home) {
        return Ok(folder);
    }
    let cause = match fetched {
        Err(cause) => cause,
        Ok(()) => format!("cargo did not unpack it below {}", home.display()),
    };
    Err(format!(
        "the genesis classes come from the crate {CRATE} {VERSION}, and it cannot be fetched; \
         connect to the network and build again, or run `cargo info {CRATE}@{VERSION}` \
         outside this repository once; after that, builds work offline ({cause})"
    ))
}

fn cargo_home() -> Result<PathBuf, String> {
    if let Some(home) = env::var_os("CARGO_HOME").filter(|home| !home.is_empty()) {
        return Ok(PathBuf::from(home));
    }
    env::home_dir()
        .map(|home| home.join(".cargo"))
        .ok_or_else(|| "neither CARGO_HOME nor HOME is set".to_owned())
}

/// Looks through the registries that cargo knows: one folder for each.
fn find(home: &Path) -> Option<PathBuf> {
    let registries = fs::read_dir(home.join("registry").join("src")).ok()?;
    registries
        .filter_map(Result::ok)
        .map(|registry| registry.path().join(format!("{CRATE}-{VERSION}")))
        // Cargo writes this file last.
        .find(|folder| folder.join(".cargo-ok").exists())
}

/// Has cargo fetch and unpack the crate.
fn fetch() -> Result<(), String> {
    // A folder of its own outside the repository, so that no manifest, lock file, toolchain file
    // or configuration of this workspace takes part.
    let folder = env::temp_dir().join(format!("kraken-genesis-classes-{}", process::id()));
    fs::create_dir_all(&folder)
        .map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["info", "--quiet", &format!("{CRATE}@{VERSION}")])
        .current_dir(&folder)
        .output();
    // Empty but for what cargo may have left; a leftover harms nobody.
    let _ = fs::remove_dir_all(&folder);
    let output = output.map_err(|error| format!("cannot run cargo: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(complaint.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Reads an artefact and checks that it is the one we know.
fn checked(path: &Path, expected: &str) -> Result<Vec<u8>, String> {
    let bytes =
        fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    if digest == expected {
        return Ok(bytes);
    }
    Err(format!(
        "{} has SHA-256 {digest} instead of {expected}: remove the folder of {CRATE}-{VERSION} \
         and build again",
        path.display()
    ))
}
