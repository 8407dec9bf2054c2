//! What no compiler checks: the floors of the house, lints, links, what runs in containers, and what
//! must not be written.

mod containers;
mod floors;
mod texts;

use std::{
    fs,
    path::{Path, PathBuf},
};

use kraken_tests::root;

/// Folders that hold nothing of ours.
const FOREIGN: [&str; 3] = [".git", "node_modules", "target"];

/// Every file of the project with one of these endings, or any.
fn files(endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the project") {
            let path = entry.expect("a folder of the project").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !path.is_symlink() {
                if !FOREIGN.contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if endings.is_empty() || endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no files that end with {endings:?}");
    found
}

/// A path for people.
fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}
