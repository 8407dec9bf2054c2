//! Python: whether it is here, and an environment of its own for each suite.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::process;

/// The oldest Python 3 that the suites run on.
const MINOR_MIN: u32 = 10;

/// Beside the packages: what they were installed from.
const INSTALLED_FROM: &str = "installed-from.txt";

/// The one package here that its makers publish as source only; it is plain Python.
const SOURCE_ONLY: &str = "starknet-py";

/// Says what to do about Python, or `None` if all of it is here.
pub(crate) fn missing() -> Result<Option<String>> {
    let Some(version) = version()? else {
        return Ok(Some(format!("Python is missing; install version 3.{MINOR_MIN} or newer")));
    };
    if minor(&version).is_none_or(|minor| minor < MINOR_MIN) {
        return Ok(Some(format!("{version} is too old; install Python 3.{MINOR_MIN} or newer")));
    }
    let modules = Command::new("python3").args(["-c", "import ensurepip, venv"]).output();
    if !modules.context("cannot start python3")?.status.success() {
        return Ok(Some(
            "Python lacks venv or pip; on Debian and Ubuntu, install python3-venv".to_owned(),
        ));
    }
    Ok(None)
}

/// Fails unless Python is here.
pub(crate) fn require() -> Result<()> {
    missing()?.map_or(Ok(()), |what| bail!(what))
}

/// The Python of an environment of this name.
pub(crate) fn interpreter(environment: &str) -> Result<PathBuf> {
    Ok(process::scratch()?.join(environment).join("bin/python"))
}

/// Makes an environment of this name with the packages that the `requirements.txt` of a folder
/// names, unless it is there already.
pub(crate) fn install(folder: &Path, environment: &str) -> Result<()> {
    let list = folder.join("requirements.txt");
    let packages =
        fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    let wanted = format!("{}\n{packages}", version()?.unwrap_or_default());
    let place = process::scratch()?.join(environment);
    let installed_from = place.join(INSTALLED_FROM);
    if fs::read_to_string(&installed_from).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }

    println!("installing the Python packages of {} …", folder.display());
    process::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place))?;
    let mut pip = Command::new(interpreter(environment)?);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]);
    pip.args(["--only-binary", ":all:", "--no-binary", SOURCE_ONLY, "--requirement"]).arg(&list);
    process::run(&mut pip)?;
    fs::write(&installed_from, wanted)
        .with_context(|| format!("cannot write {}", installed_from.display()))
}

/// For example `Python 3.11.2`.
fn version() -> Result<Option<String>> {
    process::answer(Command::new("python3").arg("--version"))
}

/// The 11 of `Python 3.11.2`.
fn minor(version: &str) -> Option<u32> {
    version.strip_prefix("Python 3.")?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::minor;

    #[test]
    fn reads_the_minor_version_and_nothing_else() {
        assert_eq!(minor("Python 3.11.2"), Some(11));
        assert_eq!(minor("Python 3.14.0rc1"), Some(14));
        assert_eq!(minor("Python 2.7.18"), None);
        assert_eq!(minor("3.11.2"), None);
    }
}
