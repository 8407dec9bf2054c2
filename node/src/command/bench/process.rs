//! What processes use of the machine.

use std::{
    fmt::{self, Display},
    fs,
    time::Duration,
};

/// Ticks of a second in what the system tells of processes; the same on all of Linux.
const TICKS: u32 = 100;

/// What validators and their clients have used; what the system does not say is zero.
#[derive(Clone, Debug, Default)]
pub(super) struct Usage {
    /// CPU time of all validators.
    pub(super) validators: Duration,
    /// CPU time of this process.
    pub(super) clients: Duration,
    /// Bytes of memory of the largest validator.
    pub(super) memory: u64,
}

impl Usage {
    /// Of these processes and this one, up to now.
    pub(super) fn of(validators: &[u32]) -> Self {
        Self {
            validators: validators.iter().map(|id| cpu(&id.to_string())).sum(),
            clients: cpu("self"),
            memory: validators.iter().filter_map(|id| memory(*id)).max().unwrap_or_default(),
        }
    }

    /// What was used since then; memory is that of now.
    pub(super) fn since(self, before: &Self) -> Self {
        Self {
            validators: self.validators.saturating_sub(before.validators),
            clients: self.clients.saturating_sub(before.clients),
            memory: self.memory,
        }
    }
}

/// CPU time of a process up to now, by its id or as `self`; zero where the system does not say.
pub(super) fn cpu(process: &str) -> Duration {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    Duration::from_secs(1) * ticks(&text).unwrap_or_default() / TICKS
}

/// User and system time. The name of the program, in brackets, may hold anything.
fn ticks(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// Bytes of memory that a process holds; `None` where the system does not say.
pub(super) fn memory(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1_024)
}

/// Bytes of memory, for people; `None` where the system does not say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory(pub(super) Option<u64>);

impl Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(bytes) => write!(f, "{} MB", bytes / 1_000_000),
            None => f.write_str("unknown on this system"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194304 1 0 0 0 250 50 0 0 20 0 1 0 5 6 7";
        assert_eq!(ticks(stat), Some(300));
        assert_eq!(ticks("42 (a"), None);
    }

    #[test]
    fn a_process_uses_memory() {
        assert!(0 < Usage::of(&[std::process::id()]).memory);
    }
}
