//! `cargo xtask bench`: the benches of the node, and those of single steps.

use std::process::Stdio;

use anyhow::{Context as _, Result, bail};

use crate::process;

/// What criterion is told: short, since the differences that matter are large.
const CRITERION: [&str; 7] =
    ["--noplot", "--warm-up-time", "0.3", "--measurement-time", "1", "--sample-size", "20"];

/// What one bench came to.
#[derive(Debug, PartialEq)]
struct Row {
    /// `module::operation`.
    operation: String,
    /// `key=value`.
    case: String,
    per_second: f64,
}

/// Runs one bench of the node in release mode, with whatever it is told.
///
/// # Errors
/// If it fails.
pub(crate) fn node(arguments: &[&str]) -> Result<()> {
    let mut command = process::cargo(["run", "--release", "-p", "kraken-node", "--", "bench"]);
    command.args(arguments);
    process::run(&mut command)
}

/// Measures the steps of the quiet rooms and prints them in one table.
///
/// # Errors
/// If a bench fails, or prints nothing that can be read.
pub(crate) fn steps() -> Result<()> {
    println!("measuring, which takes some three minutes …");
    let rows = measure(&["-p", "kraken-mempool", "-p", "kraken-consensus", "--bench", "steps"])?;
    table(&rows);
    let after = |rounds: &str| {
        let row = rows.iter().find(|row| row.case == rounds);
        row.map(|row| row.per_second)
    };
    if let (Some(short), Some(long)) = (after("round=100"), after("round=10000")) {
        println!(
            "\n  a certificate after 10,000 rounds costs {:.2} of one after 100",
            short / long
        );
    }
    Ok(())
}

/// Measures how many blocks a search for events passes over.
///
/// # Errors
/// As [`steps`].
pub(crate) fn events() -> Result<()> {
    println!("making 100,000 blocks and searching them, which takes some minutes …");
    let rows = measure(&["-p", "kraken-storage", "--features", "testing", "--bench", "events"])?;
    table(&rows);
    if let [all, filtered] = rows.as_slice() {
        println!(
            "\n  100,000 blocks take {:.1} ms with filters, {:.0} times as fast as one by one",
            1e8 / filtered.per_second,
            filtered.per_second / all.per_second,
        );
    }
    Ok(())
}

/// Runs benches of criterion.
fn measure(benches: &[&str]) -> Result<Vec<Row>> {
    let mut command = process::cargo(["bench"]);
    command.args(benches).arg("--").args(CRITERION).stderr(Stdio::inherit());
    let output = command.output().context("cannot start cargo bench")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("cargo bench failed with {}:\n{text}", output.status);
    }
    let rows = read(&text);
    if rows.is_empty() {
        bail!("cargo bench printed nothing that can be read:\n{text}");
    }
    Ok(rows)
}

/// Reads what criterion prints: a name, and below or beside it `thrpt: [low middle high]`.
fn read(text: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut name = None;
    let mut is_change = false;
    for line in text.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        match words.as_slice() {
            [id, ..] if id.contains("::") && id.contains('=') => {
                name = id.split_once('/');
                is_change = false;
            }
            ["change:", ..] => is_change = true,
            ["thrpt:", _, _, middle, unit, ..] if !is_change => {
                if let (Some((operation, case)), Some(per_second)) =
                    (name.take(), rate(middle, unit))
                {
                    let (operation, case) = (operation.to_owned(), case.to_owned());
                    rows.push(Row { operation, case, per_second });
                }
            }
            _ => {}
        }
    }
    rows
}

fn rate(number: &str, unit: &str) -> Option<f64> {
    let factor = match unit {
        "elem/s" => 1.0,
        "Kelem/s" => 1e3,
        "Melem/s" => 1e6,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * factor)
}

fn table(rows: &[Row]) {
    println!("\n  operation                case             per second per core");
    for Row { operation, case, per_second } in rows {
        println!("  {operation:<23}  {case:<15}  {:>19}", thousands(*per_second));
    }
}

/// A whole number for people.
fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if 0 < place && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_from_what_criterion_prints() {
        let text = "\
primary::vote/n=4       time:   [741.21 µs 884.61 µs 1.1493 ms]
                        thrpt:  [2.6102 Kelem/s 3.3913 Kelem/s 4.0475 Kelem/s]
                 change:
                        time:   [−23.315% +40.146% +177.65%] (p = 0.29 > 0.05)
                        thrpt:  [−63.984% −28.646% +30.404%]
                        No change in performance detected.
bullshark::certificate/round=100
                        time:   [530.67 µs 785.29 µs 1.0396 ms]
                        thrpt:  [101.31  elem/s 152.10  elem/s 302.55  elem/s]
";
        let row = |operation: &str, case: &str, per_second| Row {
            operation: operation.to_owned(),
            case: case.to_owned(),
            per_second,
        };
        let expected = [
            row("primary::vote", "n=4", 3_391.3),
            row("bullshark::certificate", "round=100", 152.1),
        ];
        assert_eq!(read(text), expected);
    }

    #[test]
    fn large_numbers_can_be_read() {
        assert_eq!(thousands(999.6), "1,000");
        assert_eq!(thousands(12.2), "12");
        assert_eq!(thousands(1_234_567.0), "1,234,567");
    }
}
