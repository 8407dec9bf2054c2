//! What a run came to, for people.

use std::time::Duration;

use kraken_tests::{committee::Agreed, load::Record};

use super::Fault;

/// What a run came to.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Validators that were killed.
    pub(super) kills: usize,
    /// How many of them lost their disk.
    pub(super) wipes: usize,
    /// Validators that were frozen.
    pub(super) freezes: usize,
    /// How long each validator needed to be where the others are.
    pub(super) recoveries: Vec<(Fault, Duration)>,
    /// The longest time without a new block.
    pub(super) longest_stall: Duration,
    /// How long after the end all had the same tip.
    pub(super) same_tip: Duration,
}

/// Says how to see this run again.
#[expect(clippy::print_stderr, reason = "the seed is needed to see a failure again")]
pub(super) fn begin(minutes: u64, protocol: &str, seed: u64) {
    eprintln!("KRAKEN_SEED={seed} KRAKEN_CHAOS_MINUTES={minutes} KRAKEN_CHAOS_PROTOCOL={protocol}");
}

/// Tells of one fault while the run goes on.
#[expect(clippy::print_stderr, reason = "a long run shows that it goes on")]
pub(super) fn tell(at: Duration, id: usize, fault: Fault, took: Option<Duration>) {
    let back = took.map_or("not back at the end".to_owned(), |took| format!("back in {took:.1?}"));
    eprintln!("{:>4} s  validator {id}: {fault:?}, {back}", at.as_secs());
}

impl Report {
    /// Prints the table.
    #[expect(clippy::print_stderr, reason = "it is what a long run is for")]
    pub(super) fn print(&self, record: &Record, agreed: &Agreed) {
        let faults = format!("{}, {}, {}", self.kills, self.wipes, self.freezes);
        let sent = format!("{}, {}", record.sent.len(), record.accepted);
        let rows = [
            ("kills, of them with a wiped disk, freezes", faults),
            ("transfers signed, accepted", sent),
            ("transfers with a receipt, in blocks", {
                format!("{}, {}", record.receipts.len(), agreed.transactions.len())
            }),
            ("refusals, transfers sent again", {
                format!("{}, {}", record.refused, record.sent_again)
            }),
            ("blocks", agreed.blocks.to_string()),
            ("longest time without a block", format!("{:.1?}", self.longest_stall)),
            ("back after a kill, median and longest", self.times(Fault::is_kill)),
            ("back after the lost disk", self.times(|fault| fault == Fault::Wipe)),
            ("back after the freeze", self.times(Fault::is_freeze)),
            ("same tip after the end", format!("{:.1?}", self.same_tip)),
        ];
        for (name, value) in rows {
            eprintln!("| {name:<41} | {value:>20} |");
        }
    }

    /// The median and the longest time of these recoveries.
    fn times(&self, is_meant: impl Fn(Fault) -> bool) -> String {
        let meant = self.recoveries.iter().filter(|(fault, _)| is_meant(*fault));
        let mut times: Vec<_> = meant.map(|(_, took)| *took).collect();
        times.sort();
        match (times.get(times.len() / 2), times.last()) {
            (Some(median), Some(longest)) if 1 < times.len() => {
                format!("{median:.1?}, {longest:.1?}")
            }
            (Some(only), _) => format!("{only:.1?}"),
            (None, _) => "–".to_owned(),
        }
    }
}

impl Fault {
    fn is_kill(self) -> bool {
        self == Self::Kill
    }

    fn is_freeze(self) -> bool {
        matches!(self, Self::Freeze(_))
    }
}
