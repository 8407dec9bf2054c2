//! Documents in memory, and as files.

use std::{collections::BTreeSet, env, fs, path::PathBuf};

use serde_json::Value;

use super::*;

/// What is written to `openrpc/`.
const FILES: [(&str, Version, Part); 3] = [
    ("v0_10.json", Version::V0_10, Part::Calls),
    ("v0_9.json", Version::V0_9, Part::Calls),
    ("ws.json", Version::NEWEST, Part::Subscriptions),
];

/// Compares the files, or writes them where `KRAKEN_OPENRPC=write`.
#[test]
fn the_files_say_what_is_served() {
    // Cargo says where the package lies now, which may not be where it was built.
    let package = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    let folder = package.join("../openrpc");
    for (name, version, part) in FILES {
        let served = format!("{:#}\n", document(version, &[part]));
        if env::var("KRAKEN_OPENRPC").is_ok_and(|wish| wish == "write") {
            fs::write(folder.join(name), served).expect("writable");
            continue;
        }
        let written = fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(
            written == served,
            "openrpc/{name} is not what is served; `cargo xtask openrpc` writes it anew"
        );
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn look(document: &Value, value: &Value, seen: &mut usize) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    let pointer = reference.strip_prefix('#').expect("within the document");
                    assert!(document.pointer(pointer).is_some(), "{reference}");
                    *seen += 1;
                }
                fields.values().for_each(|value| look(document, value, seen));
            }
            Value::Array(values) => values.iter().for_each(|value| look(document, value, seen)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    for version in Version::ALL {
        let document = document(version, &[Part::Calls, Part::Subscriptions]);
        let mut seen = 0;
        look(&document, &document, &mut seen);
        assert!(100 < seen, "{seen} references are few");
    }
}

#[test]
fn every_error_of_the_table_is_described() {
    let all = Described::all();
    let codes: BTreeSet<_> = all.iter().map(|described| described.error.code()).collect();
    assert_eq!(codes.len(), all.len(), "a code is described twice");
    let used: BTreeSet<_> = METHODS.iter().flat_map(|method| method.errors).copied().collect();
    assert_eq!(codes, used);
    for described in all {
        assert_eq!(
            described.data.is_some(),
            described.error.data().is_some(),
            "{}",
            described.name
        );
    }
}

#[test]
fn those_who_ask_over_a_socket_are_told_of_subscriptions() {
    for version in Version::ALL {
        let count = |is_socket| {
            let text = discover(version, is_socket);
            let document: Value = serde_json::from_str(text.get()).expect("JSON");
            assert_eq!(document["info"]["version"], version.spec());
            document["methods"].as_array().expect("a list").len()
        };
        let subscriptions = METHODS.iter().filter(|method| Part::of(method) == Part::Subscriptions);
        let notices = Kind::ALL.len();
        assert_eq!(count(true), METHODS.len() + notices);
        assert_eq!(count(false), METHODS.len() - subscriptions.count());
    }
}
