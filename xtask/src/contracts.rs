//! `cargo xtask contracts`: our Cairo sources and the classes made of them.
//!
//! The classes are committed, so that building and using the node needs no Cairo compiler. A
//! compiler of Cairo gives the contract class, and the compiler inside our own dependencies makes
//! the machine code (CASM) of it that declare transactions name.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    node_js,
    process::{self, Profile},
};

/// Compiles all sources into `contracts/compiled`.
pub(crate) fn write() -> Result<()> {
    let compiled = folder().join("compiled");
    for path in compile(&compiled)? {
        println!("wrote {}", path.display());
    }
    Ok(())
}

/// Compiles all sources elsewhere and compares with `contracts/compiled`.
pub(crate) fn check() -> Result<()> {
    let committed = folder().join("compiled");
    let fresh = process::scratch()?.join("contracts");
    let paths = compile(&fresh)?;

    let mut stale = Vec::new();
    for path in &paths {
        let name = path.file_name().context("a compiled class has a name")?;
        let is_same = fs::read(committed.join(name))
            .is_ok_and(|old| fs::read(path).is_ok_and(|new| old == new));
        if !is_same {
            stale.push(name.to_string_lossy());
        }
    }
    if !stale.is_empty() {
        bail!("{} differ from their source; run cargo xtask contracts", stale.join(", "));
    }
    println!("{} compiled classes agree with their sources", paths.len());
    Ok(())
}

/// Compiles every source into `output` and lists the files that it wrote.
fn compile(output: &Path) -> Result<Vec<PathBuf>> {
    node_js::require()?;
    node_js::install(&folder())?;
    let casm = process::build("casm", Profile::Development)?;
    fs::create_dir_all(output)
        .with_context(|| format!("cannot make the folder {}", output.display()))?;

    let mut written = Vec::new();
    for source in sources()? {
        let name = source.file_stem().context("a source has a name")?.to_string_lossy();
        let class_path = output.join(format!("{name}.sierra.json"));
        let casm_path = output.join(format!("{name}.casm.json"));
        println!("compiling {name}.cairo, which takes half a minute …");
        let mut node = Command::new("node");
        node.current_dir(folder()).arg("compile.mjs").arg(&source).arg(&class_path);
        process::run(&mut node)?;
        process::run(Command::new(&casm).arg(&class_path).arg(&casm_path))?;
        written.extend([class_path, casm_path]);
    }
    Ok(written)
}

/// All sources, in alphabetical order.
fn sources() -> Result<Vec<PathBuf>> {
    let folder = folder().join("src");
    let unreadable = || format!("cannot read {}", folder.display());
    let mut sources = Vec::new();
    for entry in fs::read_dir(&folder).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "cairo") {
            sources.push(path);
        }
    }
    sources.sort();
    Ok(sources)
}

fn folder() -> PathBuf {
    process::root().join("contracts")
}
