//! What every engine promises, once for each of them.

use std::collections::BTreeMap;

use tempfile::TempDir;

use super::{Batch, Engine, Fjall, Memory};
use crate::{tables::Table, testing::Random};

/// An engine, and what to do to close and open it again.
struct Bench {
    engine: Box<dyn Engine>,
    directory: Option<TempDir>,
}

impl Bench {
    fn all() -> [Self; 2] {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let disk = Box::new(Fjall::open(directory.path()).expect("the engine opens"));
        [
            Self { engine: Box::new(Memory::new()), directory: None },
            Self { engine: disk, directory: Some(directory) },
        ]
    }

    /// Closes and opens the engine, if it can be opened again.
    fn reopen(self) -> Self {
        let Some(directory) = self.directory else { return self };
        drop(self.engine);
        let engine = Box::new(Fjall::open(directory.path()).expect("the engine opens again"));
        Self { engine, directory: Some(directory) }
    }

    fn put(&self, table: Table, entries: &[(&[u8], &[u8])]) {
        let mut batch = Batch::default();
        for &(key, value) in entries {
            batch.put(table, key, value);
        }
        self.engine.write(batch).expect("the engine writes");
    }

    fn get(&self, table: Table, key: &[u8]) -> Option<Vec<u8>> {
        self.engine.get(table, key).expect("the engine reads").map(Vec::from)
    }

    fn first(&self, table: Table, from: &[u8], to: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        let first = self.engine.first(table, from..=to).expect("the engine reads");
        first.map(|(key, value)| (Vec::from(key), Vec::from(value)))
    }
}

#[test]
fn what_was_written_is_read_and_what_was_removed_is_not() {
    for bench in Bench::all() {
        assert_eq!(bench.get(Table::Meta, b"a"), None);
        bench.put(Table::Meta, &[(b"a", b"1"), (b"b", b""), (b"c", b"3")]);
        bench.put(Table::Meta, &[(b"a", b"2")]);
        let mut batch = Batch::default();
        batch.remove(Table::Meta, &b"c"[..]);
        batch.remove(Table::Meta, &b"never there"[..]);
        bench.engine.write(batch).expect("the engine writes");

        let bench = bench.reopen();
        assert_eq!(bench.get(Table::Meta, b"a"), Some(b"2".to_vec()));
        assert_eq!(bench.get(Table::Meta, b"b"), Some(Vec::new()));
        assert_eq!(bench.get(Table::Meta, b"c"), None);
    }
}

#[test]
fn tables_are_apart_and_one_batch_is_for_all_of_them() {
    for bench in Bench::all() {
        let mut batch = Batch::default();
        for table in Table::ALL {
            batch.put(table, &b"key"[..], table.name().as_bytes());
        }
        bench.engine.write(batch).expect("the engine writes");
        let bench = bench.reopen();
        for table in Table::ALL {
            assert_eq!(bench.get(table, b"key"), Some(table.name().as_bytes().to_vec()));
        }
    }
}

#[test]
fn later_changes_of_a_batch_win() {
    for bench in Bench::all() {
        let mut batch = Batch::default();
        batch.put(Table::Meta, &b"a"[..], &b"1"[..]);
        batch.put(Table::Meta, &b"a"[..], &b"2"[..]);
        bench.engine.write(batch).expect("the engine writes");
        let bench = bench.reopen();
        assert_eq!(bench.get(Table::Meta, b"a"), Some(b"2".to_vec()));
    }
}

#[test]
fn the_first_key_of_a_range_is_found() {
    let table = Table::StorageHistory;
    for bench in Bench::all() {
        bench.put(table, &[(b"aa5", b"1"), (b"aa7", b"2"), (b"ab1", b"3"), (b"a", b"4")]);
        let bench = bench.reopen();
        let found = |key: &[u8], value: &[u8]| Some((key.to_vec(), value.to_vec()));
        assert_eq!(bench.first(table, b"aa0", b"aa9"), found(b"aa5", b"1"));
        assert_eq!(bench.first(table, b"aa5", b"aa9"), found(b"aa5", b"1"));
        assert_eq!(bench.first(table, b"aa6", b"aa9"), found(b"aa7", b"2"));
        assert_eq!(bench.first(table, b"aa7", b"aa7"), found(b"aa7", b"2"));
        assert_eq!(bench.first(table, b"aa8", b"aa9"), None);
        assert_eq!(bench.first(table, b"", b"zz"), found(b"a", b"4"));
        assert_eq!(bench.first(table, b"b", b"a"), None);
        assert_eq!(bench.first(Table::NonceHistory, b"", b"zz"), None);
    }
}

/// The same random changes, in all engines and in a map; with pauses to open them again.
#[test]
fn engines_agree_with_a_map() {
    let table = Table::TrieNodes;
    let mut random = Random::new(7);
    let mut benches = Bench::all();
    let mut model = BTreeMap::new();
    for round in 0..30 {
        let changes: Vec<(Vec<u8>, Option<Vec<u8>>)> = (0..random.below(200))
            .map(|_| {
                let key = random.bytes(2).iter().map(|byte| byte % 16).collect();
                (key, (random.below(4) != 0).then(|| random.bytes(40)))
            })
            .collect();
        for bench in &benches {
            let mut batch = Batch::default();
            for (key, value) in &changes {
                match value {
                    Some(value) => batch.put(table, key.as_slice(), value.as_slice()),
                    None => batch.remove(table, key.as_slice()),
                }
            }
            bench.engine.write(batch).expect("the engine writes");
        }
        for (key, value) in changes {
            match value {
                Some(value) => drop(model.insert(key, value)),
                None => drop(model.remove(&key)),
            }
        }
        if round % 10 == 9 {
            benches = benches.map(Bench::reopen);
        }
    }
    for key in (0..16_u8).flat_map(|high| (0..16).map(move |low| vec![high, low])) {
        let next = model.range(key.clone()..=vec![15, 15]).next();
        let next = next.map(|(key, value)| (key.clone(), value.clone()));
        for bench in &benches {
            assert_eq!(bench.get(table, &key).as_ref(), model.get(&key));
            assert_eq!(bench.first(table, &key, &[15, 15]), next);
        }
    }
}
