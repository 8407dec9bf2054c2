//! The processes of a committee that only orders.

use std::{
    env,
    io::{self, BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::SystemTime,
};

use tempfile::TempDir;

use crate::{
    args::{
        bench::Disk,
        value::{LogFilter, Protocol, Transport},
    },
    command::bench::process::Usage,
    failure::Failure,
    folder::Folder,
    genesis::committee,
    keys::Keys,
    ports,
    settings::CommitteeSettings,
    wiring,
};

/// Ports of a validator: primary, sync, worker.
pub(super) const PORTS: usize = 3;

/// What validators log if nothing is asked for: that plaintext is no encryption is known.
const QUIET: &str = "error";

/// Which committee.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) protocol: Protocol,
    pub(super) validators: u16,
    /// The last so many of them are not started.
    pub(super) dead: u16,
    pub(super) disk: Disk,
    pub(super) transport: Transport,
}

impl Plan {
    /// Makes sure that enough validators live to order anything.
    ///
    /// # Errors
    /// If not.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.quorum() <= self.alive() {
            return Ok(());
        }
        Err(Failure::new(
            format!("{} of {} validators order nothing", self.alive(), self.validators),
            format!("leave {} of them alive", self.quorum()),
        ))
    }

    /// How many validators are started.
    fn alive(&self) -> usize {
        usize::from(self.validators.saturating_sub(self.dead))
    }

    /// How many validators decide.
    pub(super) fn quorum(&self) -> usize {
        let validators = usize::from(self.validators);
        validators - (validators - 1) / 3
    }
}

/// Running validators in a temporary folder. Dropping them ends them and removes the folder.
#[derive(Debug)]
pub(super) struct Committee {
    validators: Vec<Validator>,
    _folder: TempDir,
}

#[derive(Debug)]
struct Validator {
    process: Child,
    /// Where it takes transactions.
    address: SocketAddr,
}

impl Committee {
    /// Starts a process for each validator that lives.
    ///
    /// # Errors
    /// If one does not start; its own error is on the error stream then.
    pub(super) fn start(plan: &Plan, log: Option<&LogFilter>) -> Result<Self, Failure> {
        let folder = tempfile::Builder::new().prefix("kraken-bench-").tempdir();
        let folder = folder.map_err(|error| not_started(&error))?;
        write_files(plan, &folder)?;
        let count = usize::from(plan.validators);
        let ports = ports::free(count * PORTS).map_err(|error| not_started(&error))?;
        let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
        let start = |id| Validator::start(plan, &folder, id, &ports.join(","), log);
        let validators = (0..plan.alive()).map(start).collect::<io::Result<_>>();
        let validators = validators.map_err(|error| not_started(&error))?;
        Ok(Self { validators, _folder: folder })
    }

    /// Where transactions are taken.
    pub(super) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.validators.iter().map(|validator| validator.address)
    }

    /// What they and their clients have used.
    pub(super) fn usage(&self) -> Usage {
        let ids: Vec<_> = self.validators.iter().map(|it| it.process.id()).collect();
        Usage::of(&ids)
    }
}

/// Writes the genesis and a key for each validator.
fn write_files(plan: &Plan, folder: &TempDir) -> Result<(), Failure> {
    // First the genesis, because it goes into an empty folder only.
    let keys: Vec<_> = (0..plan.validators).map(|_| Keys::random(1)).collect();
    let members = keys.iter().map(|keys| keys.member(1)).collect();
    let settings =
        CommitteeSettings { protocol: Some(plan.protocol), ..CommitteeSettings::default() };
    let now = wiring::seconds_since_epoch(SystemTime::now());
    let genesis = committee::create(&settings, members, now);
    Folder::claim(folder.path())?.adopt(&genesis)?;
    for (id, keys) in keys.iter().enumerate() {
        keys.write(&folder.path().join(format!("key-{id}.toml")))?;
    }
    Ok(())
}

impl Validator {
    /// Starts this very program and waits until it takes transactions.
    fn start(
        plan: &Plan,
        folder: &TempDir,
        id: usize,
        ports: &str,
        log: Option<&LogFilter>,
    ) -> io::Result<Self> {
        let mut process = Command::new(env::current_exe()?)
            .args(["bench", "order-validator", "--ports", ports])
            .args(["--id", &id.to_string(), "--disk", &plan.disk.to_string()])
            .args(["--transport", &plan.transport.to_string(), "--folder"])
            .arg(folder.path())
            .env("RUST_LOG", log.map_or_else(|| QUIET.to_owned(), LogFilter::to_string))
            // It ends when the other end of this pipe is gone.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = process.stdout.take().expect("the output is piped");
        let mut line = String::new();
        let read = BufReader::new(output).read_line(&mut line);
        // Dropped from here on, it is ended.
        let mut validator = Self { process, address: SocketAddr::from(([0; 4], 0)) };
        read?;
        let address = line.trim().parse();
        validator.address = address.map_err(|_| io::Error::other("it ended before it served"))?;
        Ok(validator)
    }
}

impl Drop for Validator {
    fn drop(&mut self) {
        // Its folder is thrown away, so it need not be closed in order.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn not_started(error: &io::Error) -> Failure {
    Failure::because("cannot start validators to measure", error, "see above for what they say")
}
