//! Running other programs, and where things are.

use std::{
    env,
    ffi::OsStr,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// Which build of our own programs to run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Profile {
    /// As the tests are built, so that CI builds once.
    Development,
    /// As users run it.
    Release,
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    // Cargo says where the package lies now, which may not be where it was built.
    let package = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    package.parent().map_or_else(|| PathBuf::from("."), Path::to_owned)
}

/// A folder for the files of this tool, beside what cargo builds. It exists afterwards.
pub(crate) fn scratch() -> Result<PathBuf> {
    let folder = target()?.join("xtask");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    Ok(folder)
}

/// The cargo that started this tool, in the root of the repository.
pub(crate) fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments);
    command
}

/// Builds one of our programs and says where it is.
pub(crate) fn build(program: &str, profile: Profile) -> Result<PathBuf> {
    let (arguments, folder) = match profile {
        // The whole workspace with its tests decides about the features of shared dependencies, as
        // it does when the tests are built; any other choice would compile many of them once more.
        Profile::Development => {
            (vec!["build", "--workspace", "--bin", program, "--test", "e2e"], "debug")
        }
        Profile::Release => (vec!["build", "--release", "--bin", program], "release"),
    };
    run(&mut cargo(arguments))?;
    Ok(target()?.join(folder).join(format!("{program}{}", env::consts::EXE_SUFFIX)))
}

/// The node to run: what `KRAKEN_BIN` names, or else a build of it.
pub(crate) fn kraken(profile: Profile) -> Result<PathBuf> {
    match env::var_os("KRAKEN_BIN") {
        Some(program) => Ok(PathBuf::from(program)),
        None => build("kraken", profile),
    }
}

/// Prints a command, runs it in the foreground and fails if it does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let words = words(command);
    println!("$ {words}");
    let status = command.status().with_context(|| format!("cannot start {words}"))?;
    if !status.success() {
        bail!("{words} failed with {status}");
    }
    Ok(())
}

/// What a command prints to its standard output, trimmed; `None` if there is no such program or
/// it fails.
pub(crate) fn answer(command: &mut Command) -> Result<Option<String>> {
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => {
            Ok(Some(String::from_utf8_lossy(&output.stdout).trim().to_owned()))
        }
        Ok(_) => Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot start {}", words(command))),
    }
}

/// Whether cargo knows this subcommand.
pub(crate) fn has_cargo_command(name: &str) -> Result<bool> {
    Ok(answer(&mut cargo([name, "--version"]))?.is_some())
}

/// Whether a skipped step is a failure.
pub(crate) fn is_ci() -> bool {
    env::var_os("CI").is_some_and(|value| value == "true")
}

/// The folder that cargo builds in: this program lies in `<target>/<profile>/`.
pub(crate) fn target() -> Result<PathBuf> {
    let program = env::current_exe().context("cannot tell where this program lies")?;
    let folder = program.parent().and_then(Path::parent);
    folder.map(Path::to_owned).context("this program lies outside of cargo's target folder")
}

fn words(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    let mut words = program.to_string_lossy().into_owned();
    for argument in command.get_args().map(OsStr::to_string_lossy) {
        words.push(' ');
        words.push_str(&argument);
    }
    words
}
