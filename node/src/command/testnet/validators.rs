//! The processes of a testnet.
//!
//! Each holds one end of a pipe that ends with us, and stops when it does: so none outlives the
//! testnet, whatever becomes of it. They are in process groups of their own, because Ctrl-C is for
//! us, who then stop them in order.

use std::{
    env,
    fs::{self, OpenOptions},
    io,
    net::SocketAddr,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::time;

use super::{
    layout::{Layout, Place},
    log_file,
};
use crate::{
    args::{
        committee::TestnetArgs,
        value::{LogFilter, Transport},
    },
    banner::testnet::Running,
    failure::Failure,
    service::Endings,
    settings,
};

/// How often processes are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long an answer may take while validators start.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How long all of them may take to serve: there may be a long chain to read.
const START_MAX: Duration = Duration::from_secs(300);
/// How long a validator may take to end, beyond what it allows itself.
const STOP_MAX: Duration = settings::SHUTDOWN_MAX.saturating_add(Duration::from_secs(5));
/// How long to wait before a validator is started again.
const RESTART_AFTER: Duration = Duration::from_secs(1);
/// How much of the end of a log is read for its last line.
const TAIL_BYTES: usize = 4 * 1024;

/// The processes of a testnet. Dropping them kills them.
#[derive(Debug)]
pub(super) struct Validators {
    processes: Vec<Process>,
    restart: bool,
    client: reqwest::Client,
}

/// One validator.
#[derive(Debug)]
struct Process {
    id: usize,
    place: Place,
    transport: Option<Transport>,
    log: Option<LogFilter>,
    /// `None` once it has ended.
    child: Option<Child>,
    /// When it is started again.
    restart_at: Option<Instant>,
}

impl Validators {
    /// Starts a process for each validator.
    ///
    /// # Errors
    /// If one cannot be started.
    pub(super) fn start(
        layout: &Layout,
        args: &TestnetArgs,
        log: Option<&LogFilter>,
    ) -> Result<Self, Failure> {
        let mut processes = Vec::new();
        for (id, place) in layout.places.iter().enumerate() {
            let mut process = Process {
                id,
                place: place.clone(),
                transport: args.transport,
                log: log.cloned(),
                child: None,
                restart_at: None,
            };
            process.start()?;
            processes.push(process);
        }
        Ok(Self { processes, restart: args.restart, client: reqwest::Client::new() })
    }

    /// Waits until all of them serve.
    ///
    /// # Errors
    /// If one ends instead, or they take too long.
    pub(super) async fn answer(&mut self) -> Result<(), Failure> {
        let began = Instant::now();
        for process in &mut self.processes {
            while !answers(&self.client, process.place.rpc).await {
                if let Some(status) = process.look()? {
                    return Err(process.not_started(status));
                }
                if START_MAX < began.elapsed() {
                    return Err(Failure::new(
                        format!("validator {} does not serve", process.id),
                        format!("see {}", log_file(&process.place.folder).display()),
                    ));
                }
                time::sleep(LOOK_EVERY).await;
            }
        }
        Ok(())
    }

    /// Who runs, and where.
    pub(super) fn running(&self) -> Vec<Running> {
        let running = |process: &Process| Running {
            process: process.child.as_ref().map_or(0, Child::id),
            rpc: process.place.rpc,
            metrics: process.place.metrics,
            folder: process.place.folder.clone(),
        };
        self.processes.iter().map(running).collect()
    }

    /// Names each that ends, and starts it again if that is wanted. Returns once none is left.
    pub(super) async fn watch(&mut self) -> Failure {
        loop {
            for process in &mut self.processes {
                if let Err(failure) = process.tend(self.restart) {
                    return failure;
                }
            }
            if self.processes.iter().all(Process::is_over) {
                return Failure::new(
                    "all validators have ended",
                    "see their logs; --restart starts validators again",
                );
            }
            time::sleep(LOOK_EVERY).await;
        }
    }

    /// Asks all of them to end, waits for it, and kills those that do not, or all of them if
    /// somebody insists.
    pub(super) async fn stop(mut self, endings: &mut Endings) {
        for process in &mut self.processes {
            process.restart_at = None;
            if let Some(child) = &mut process.child {
                drop(child.stdin.take());
            }
        }
        tokio::select! {
            biased;
            () = ended(&mut self.processes) => {}
            () = endings.any() => tracing::warn!("killing all validators; nothing durable is lost"),
            () = time::sleep(STOP_MAX) => tracing::warn!("killing validators that do not end"),
        }
    }
}

/// Resolves once no process is left.
async fn ended(processes: &mut [Process]) {
    loop {
        for process in &mut *processes {
            // A process that cannot be looked at is killed in the end.
            if let Err(failure) = process.look() {
                tracing::warn!("{failure}");
            }
        }
        if processes.iter().all(Process::is_over) {
            return;
        }
        time::sleep(LOOK_EVERY).await;
    }
}

impl Process {
    fn start(&mut self) -> Result<(), Failure> {
        let child = self.spawn().map_err(|error| {
            Failure::because(
                format!("cannot start validator {}", self.id),
                &error,
                "allow more processes, and see that the folder can be written to",
            )
        })?;
        self.child = Some(child);
        Ok(())
    }

    fn spawn(&self) -> io::Result<Child> {
        let log = log_file(&self.place.folder);
        let output = OpenOptions::new().create(true).append(true).open(log)?;
        let mut command = Command::new(env::current_exe()?);
        command
            .args(["run", "--until-stdin-closes", "--config"])
            .arg(self.place.folder.join(settings::CONFIG_FILE))
            .args(["--rpc.host", &self.place.rpc.ip().to_string()])
            .args(["--rpc.port", &self.place.rpc.port().to_string()]);
        if let Some(transport) = self.transport {
            command.args(["--network.transport", &transport.to_string()]);
        }
        if let Some(log) = &self.log {
            command.args(["--log", &log.to_string()]);
        }
        // What the environment says of this command is not meant for every validator.
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("KRAKEN_") {
                command.env_remove(name);
            }
        }
        command.process_group(0);
        command.stdin(Stdio::piped()).stdout(output.try_clone()?).stderr(output).spawn()
    }

    /// How the process ended, if it has just been found out.
    fn look(&mut self) -> Result<Option<ExitStatus>, Failure> {
        let Some(child) = &mut self.child else {
            return Ok(None);
        };
        let status = child.try_wait().map_err(|error| {
            Failure::because(format!("cannot watch validator {}", self.id), &error, "start again")
        })?;
        if status.is_some() {
            self.child = None;
        }
        Ok(status)
    }

    /// Names an end, and starts again when it is time.
    fn tend(&mut self, restart: bool) -> Result<(), Failure> {
        if let Some(status) = self.look()? {
            let config = self.place.folder.join(settings::CONFIG_FILE);
            let (id, port) = (self.id, self.place.rpc.port());
            let config = config.display();
            if restart {
                tracing::warn!("validator {id} ended ({status}) and is started again");
                self.restart_at = Some(Instant::now() + RESTART_AFTER);
            } else {
                tracing::warn!(
                    "validator {id} ended ({status}); `kraken run --config {config} --rpc.port \
                     {port}` brings it back"
                );
            }
        }
        if self.restart_at.is_some_and(|at| at <= Instant::now()) {
            self.restart_at = None;
            self.start()?;
        }
        Ok(())
    }

    const fn is_over(&self) -> bool {
        self.child.is_none() && self.restart_at.is_none()
    }

    /// Why it does not serve, in its own words.
    fn not_started(&self, status: ExitStatus) -> Failure {
        let log = log_file(&self.place.folder);
        let line = last_line(&log).unwrap_or_else(|| status.to_string());
        let line = line.strip_prefix("error: ").unwrap_or(&line);
        let (problem, remedy) = line.split_once(" — ").unwrap_or((line, "see its log"));
        Failure::new(
            format!("validator {} did not start: {problem}", self.id),
            format!("{remedy}; its log is {}", log.display()),
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may end at this moment; either way it is gone and reaped afterwards.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The last line of a log that says anything.
fn last_line(log: &Path) -> Option<String> {
    let bytes = fs::read(log).ok()?;
    let tail = &bytes[bytes.len().saturating_sub(TAIL_BYTES)..];
    let text = String::from_utf8_lossy(tail);
    text.lines().rfind(|line| !line.trim().is_empty()).map(ToOwned::to_owned)
}

/// Whether JSON-RPC is served at an address.
async fn answers(client: &reqwest::Client, mut address: SocketAddr) -> bool {
    if address.ip().is_unspecified() {
        address.set_ip(settings::HOST);
    }
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "starknet_chainId"});
    let ask = async {
        let url = format!("http://{address}");
        let response = client.post(url).timeout(ANSWER_WITHIN).json(&request).send().await?;
        response.json::<Value>().await
    };
    ask.await.is_ok_and(|answer| answer["result"].is_string())
}
