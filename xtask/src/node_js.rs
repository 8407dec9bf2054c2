//! Node.js and npm: whether they are here, and the packages of a folder.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::process;

/// The oldest Node.js that runs the suites and the compiler.
const MAJOR_MIN: u32 = 20;

/// Beside the packages: the lock file that they were installed from.
const INSTALLED_FROM: &str = ".installed-from.json";

/// Says what to do about Node.js and npm, or `None` if both are here.
pub(crate) fn missing() -> Result<Option<String>> {
    let Some(version) = process::answer(Command::new("node").arg("--version"))? else {
        return Ok(Some(format!("Node.js is missing; install version {MAJOR_MIN} or newer")));
    };
    if major(&version).is_none_or(|major| major < MAJOR_MIN) {
        return Ok(Some(format!(
            "Node.js {version} is too old; install version {MAJOR_MIN} or newer"
        )));
    }
    if process::answer(Command::new("npm").arg("--version"))?.is_none() {
        return Ok(Some("npm is missing; it comes with Node.js or as a package npm".to_owned()));
    }
    Ok(None)
}

/// Fails unless Node.js and npm are here.
pub(crate) fn require() -> Result<()> {
    missing()?.map_or(Ok(()), |what| bail!(what))
}

/// Installs the packages that the lock file of a folder names, unless they are there already.
pub(crate) fn install(folder: &Path) -> Result<()> {
    let lock_path = folder.join("package-lock.json");
    let lock =
        fs::read(&lock_path).with_context(|| format!("cannot read {}", lock_path.display()))?;
    let installed_from = folder.join("node_modules").join(INSTALLED_FROM);
    if fs::read(&installed_from).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }

    println!("installing the npm packages of {} …", folder.display());
    // Older releases of Node.js than a package asks for are tried before use, so npm's opinion of
    // them is not worth a page of warnings.
    let mut npm = Command::new("npm");
    npm.current_dir(folder).args(["ci", "--prefer-offline", "--no-audit", "--no-fund"]);
    process::run(npm.arg("--loglevel=error"))?;
    fs::write(&installed_from, lock)
        .with_context(|| format!("cannot write {}", installed_from.display()))
}

/// The 20 of `v20.11.0`.
fn major(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn reads_the_major_version_and_nothing_else() {
        assert_eq!(major("v20.11.0"), Some(20));
        assert_eq!(major("v8.0.0-nightly"), Some(8));
        assert_eq!(major("20.11.0"), None);
        assert_eq!(major("v"), None);
    }
}
