//! `kraken bench`.

use crate::process::{failure, run};

/// Numbers are for people; here it counts that all processes did their part.
#[test]
fn a_committee_of_processes_orders_what_it_is_sent() {
    let bench = ["bench", "order", "--log", "error", "--rate", "1000", "--seconds", "1"];
    let chosen = ["--disk", "buffered", "--transport", "plaintext"];
    let output = run(&[&bench[..], &chosen].concat());
    let (table, errors) =
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).expect("text")).into();
    assert!(output.status.success(), "{errors}");
    let row = table.lines().find(|line| line.starts_with("| buffered | plaintext | 1000 |"));
    let cells: Vec<_> = row.expect("a row").split('|').map(str::trim).collect();
    let ordered: u32 = cells[4].parse().expect("how many were ordered");
    assert!(0 < ordered, "{table}");
}

#[test]
fn a_committee_that_orders_nothing_is_not_started() {
    let line = failure(&["bench", "order", "--dead", "2"]);
    assert!(line.contains("2 of 4") && line.contains("3"), "{line}");
}
