//! Pages of `docs` that tests keep true: each part is what one test saw.
//!
//! A test compares its part with what it saw. Where `KRAKEN_PAGES=write`, it writes its part instead:
//! `cargo xtask pages`.

use std::{
    env,
    fs::{self, File},
};

use crate::root;

/// A page.
#[derive(Clone, Copy, Debug)]
pub enum Page {
    /// What a node says to input that is wrong.
    BadInputs,
    /// Which answers and errors of the specification were seen.
    Conformance,
}

impl Page {
    fn path(self) -> &'static str {
        match self {
            Self::BadInputs => "docs/bad-inputs.md",
            Self::Conformance => "docs/conformance.md",
        }
    }

    /// Compares a part of the page, which is known by its name, with what a test saw; or writes that.
    ///
    /// # Panics
    /// If the page says something else, or has no such part.
    #[track_caller]
    pub fn check(self, name: &str, seen: &str) {
        let (path, seen) = (self.path(), format!("\n\n{seen}\n"));
        let page = root().join(path);
        // Tests run side by side, and share the page.
        let lock = File::open(&page).expect("the page is there");
        lock.lock().expect("the page can be locked");
        let text = fs::read_to_string(&page).expect("the page is there");
        let (begin, end) = (format!("<!-- {name} -->"), format!("<!-- end of {name} -->"));
        let part = text.split_once(&begin).and_then(|(_, rest)| rest.split_once(&end));
        let Some((part, _)) = part else {
            panic!("{path} has no place for {name}: {begin}…{end}");
        };
        if env::var("KRAKEN_PAGES").is_ok_and(|wish| wish == "write") {
            let whole = |part: &str| format!("{begin}{part}{end}");
            fs::write(&page, text.replacen(&whole(part), &whole(&seen), 1)).expect("writable");
            return;
        }
        assert!(
            part == seen,
            "{path} is not what was seen; `cargo xtask pages` writes it anew\n\
             it says:{part}\nthis was seen:{seen}"
        );
    }
}
