//! What files say.

use std::{collections::BTreeSet, fs, path::Path};

use crate::{files, root, shown};

/// Text files of ours.
const TEXTS: [&str; 15] = [
    ".cairo", ".json", ".lock", ".md", ".mjs", ".js", ".py", ".rs", ".sh", ".snap", ".toml",
    ".txt", ".yaml", ".yml", "run",
];

/// All that a file says.
pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", shown(path)))
}

/// The targets of the links of a Markdown text, outside of code.
fn links(text: &str) -> Vec<&str> {
    let mut links = Vec::new();
    let mut is_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        if is_code {
            continue;
        }
        let prose: Vec<_> = line.split('`').step_by(2).collect();
        // A link around code keeps its target in the prose behind it.
        for part in prose {
            for target in part.split("](").skip(1) {
                links.push(target.split(')').next().unwrap_or_default());
            }
        }
    }
    links
}

/// The anchors of the headings of a Markdown text, as they are made on the web.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter_map(|letter| match letter {
            ' ' => Some('-'),
            '-' | '_' => Some(letter),
            letter if letter.is_alphanumeric() => Some(letter),
            _ => None,
        });
        kept.collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn relative_links_lead_somewhere() {
    for path in files(&[".md"]) {
        let text = read(&path);
        for link in links(&text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = link.split_once('#').map_or((link, None), |(f, a)| (f, Some(a)));
            let target = if file.is_empty() {
                path.clone()
            } else {
                path.parent().expect("a file is in a folder").join(file)
            };
            assert!(target.exists(), "{}: {link} leads nowhere", shown(&path));
            let is_page = target.extension().is_some_and(|extension| extension == "md");
            if let Some(anchor) = anchor.filter(|_| is_page) {
                let is_there = anchors(&read(&target)).contains(anchor);
                assert!(is_there, "{}: {link} has no such heading", shown(&path));
            }
        }
    }
}

/// Whether a line holds this folder as the beginning of a path; an address on the web, or a folder
/// below another one, may have a part of that name.
fn names(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|before| !before.is_alphanumeric() && !".}~*".contains(before))
    })
}

#[test]
fn nothing_says_where_it_was_written() {
    // Put together here, or this file would name them.
    let folders = ["work", "root", "home"].map(|folder| format!("/{folder}/"));
    for path in files(&TEXTS) {
        for (number, line) in (1..).zip(read(&path).lines()) {
            for folder in &folders {
                assert!(!names(line, folder), "{}:{number}: names {folder}", shown(&path));
            }
        }
    }
}

#[test]
fn locked_packages_name_no_place_of_their_own() {
    let lock = read(&root().join("Cargo.lock"));
    for line in lock.lines().filter(|line| line.starts_with("source = ")) {
        assert!(line.starts_with("source = \"registry+"), "not from the registry: {line}");
    }
    for path in files(&["package-lock.json"]) {
        let has_address = read(&path).lines().any(|line| line.contains("\"resolved\":"));
        assert!(!has_address, "{} names where packages came from", shown(&path));
    }
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, or this file would hold them.
    let marks =
        [["TO", "DO"], ["FIX", "ME"], ["#[ig", "nore"], ["todo", "!("]].map(|mark| mark.concat());
    for path in files(&[".rs", ".toml", ".md", ".cairo", ".mjs", ".js", ".py"]) {
        let text = read(&path);
        for mark in &marks {
            assert!(!text.contains(mark.as_str()), "{} says {mark}", shown(&path));
        }
    }
}

#[test]
fn modules_are_files_with_their_own_name() {
    for path in files(&[".rs"]) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        assert_ne!(name, "mod.rs", "{}", shown(&path));
        let homeless = ["utils.rs", "util.rs", "helpers.rs", "common.rs", "misc.rs", "types.rs"];
        assert!(!homeless.contains(&name.as_str()), "{} has no subject", shown(&path));
    }
}

#[test]
fn every_part_of_the_page_of_bad_inputs_has_its_test() {
    let page = read(&root().join("docs/bad-inputs.md"));
    let marks =
        page.lines().filter_map(|line| line.strip_prefix("<!-- end of ")?.strip_suffix(" -->"));
    let mut parts = 0;
    for test in marks {
        let parts_of_it: Vec<_> = test.split("::").collect();
        let [folder, file, function] = parts_of_it.as_slice() else { panic!("{test} is no test") };
        let source = read(&root().join(format!("tests/e2e/{folder}/{file}.rs")));
        assert!(source.contains(&format!("fn {function}()")), "{test} is gone");
        assert!(source.contains(&format!("\"{test}\"")), "{test} writes no part of the page");
        assert!(page.contains(&format!("<!-- {test} -->")), "the part of {test} has no beginning");
        parts += 1;
    }
    assert!(10 < parts, "the page has {parts} parts");
}
