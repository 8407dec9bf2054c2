//! A process that compiles one class, and what its end means.

use std::{
    io::{self, Read, Write},
    os::unix::process::ExitStatusExt,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use cairo_lang_starknet_classes::casm_contract_class::CasmContractClass;
use starknet_api::state::SierraContractClass;

use super::{
    Sandbox, Uncompiled, Unfinished,
    answer::{Task, Verdict},
};
use crate::class;

/// The largest verdict: CASM of the largest bytecode is some 20 MB.
const VERDICT_BYTES_MAX: u64 = 256 << 20;

/// The most that is kept of what the process complains about.
const COMPLAINT_BYTES_MAX: u64 = 4 << 10;

/// What Rust says when there is no memory left, before it ends the process.
const OUT_OF_MEMORY: &str = "memory allocation of";

/// What it says when a thread has no room for another call.
const OUT_OF_STACK: &str = "has overflowed its stack";

/// The signal of a process that has used up its processor time.
const SIGXCPU: i32 = 24;

/// What a process left behind.
struct Remains {
    status: ExitStatus,
    verdict: Vec<u8>,
    complaint: String,
    /// It was still there when its time was up.
    is_overdue: bool,
}

/// Compiles in a process of its own, and waits for its end.
///
/// # Errors
/// What the process found out about the class, or [`Unfinished`].
pub(super) fn to_casm(
    sandbox: &Sandbox,
    sierra: &SierraContractClass,
    bytecode_felts_max: usize,
) -> Result<CasmContractClass, Uncompiled> {
    let task = Task { bytecode_felts_max, class: std::borrow::Cow::Borrowed(sierra) };
    let mut task = serde_json::to_vec(&task).expect("a class has a form in JSON");
    task.push(b'\n');
    let remains = run(sandbox, &task)
        .map_err(|error| Unfinished::Ended { reason: format!("cannot run it: {error}") })?;
    if remains.status.success()
        && let Ok(verdict) = serde_json::from_slice::<Verdict>(&remains.verdict)
    {
        return Ok(verdict.into_result()?);
    }
    Err(remains.cause(sandbox).into())
}

impl Remains {
    /// Why there is no verdict.
    fn cause(&self, sandbox: &Sandbox) -> Unfinished {
        if self.is_overdue {
            return Unfinished::TimeUp { seconds: sandbox.wall_time.as_secs() };
        }
        if self.status.signal() == Some(SIGXCPU) {
            return Unfinished::TimeUp { seconds: sandbox.processor_time.as_secs() };
        }
        if self.complaint.contains(OUT_OF_MEMORY) {
            return Unfinished::OutOfMemory { mebibytes: sandbox.memory_bytes >> 20 };
        }
        if self.complaint.contains(OUT_OF_STACK) {
            return Unfinished::OutOfStack { mebibytes: class::STACK_BYTES >> 20 };
        }
        let complaint = self.complaint.lines().map(str::trim).find(|line| !line.is_empty());
        let reason = format!("{}, {}", self.status, complaint.unwrap_or("without a word"));
        Unfinished::Ended { reason }
    }
}

fn run(sandbox: &Sandbox, task: &[u8]) -> io::Result<Remains> {
    let mut child = start(sandbox)?;
    let (mut input, output, errors) = pipes(&mut child);
    thread::scope(|scope| {
        let (told, finished) = mpsc::channel();
        let verdict = scope.spawn(move || {
            let verdict = read(output, VERDICT_BYTES_MAX);
            // Whoever waits may have given up.
            let _ = told.send(());
            verdict
        });
        let complaint = scope.spawn(move || read(errors, COMPLAINT_BYTES_MAX));
        let writer = scope.spawn(move || {
            // A process that ended says why in other ways. The pipe stays open: it lives as long.
            let _ = input.write_all(task).and_then(|()| input.flush());
            input
        });
        let waited = finished.recv_timeout(sandbox.wall_time);
        let is_overdue = waited == Err(RecvTimeoutError::Timeout);
        // One that has said its word ends by itself, and one whose word is too long, now.
        let status = if is_overdue { end(&mut child)? } else { ended(&mut child)? };
        let input = writer.join();
        drop(input);
        let verdict = verdict.join().unwrap_or_default();
        let complaint = complaint.join().unwrap_or_default();
        let complaint = String::from_utf8_lossy(&complaint).into_owned();
        Ok(Remains { status, verdict, complaint, is_overdue })
    })
}

fn start(sandbox: &Sandbox) -> io::Result<Child> {
    Command::new(&sandbox.program)
        .arg("compile-class")
        .args(["--processor-seconds", &sandbox.processor_time.as_secs().to_string()])
        .args(["--memory-bytes", &sandbox.memory_bytes.to_string()])
        // It needs nothing of what this process has, and open files are closed anyway.
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

fn pipes(
    child: &mut Child,
) -> (std::process::ChildStdin, std::process::ChildStdout, std::process::ChildStderr) {
    let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    const PIPED: &str = "it was started with this pipe";
    (input.expect(PIPED), output.expect(PIPED), errors.expect(PIPED))
}

/// How long a process may take to end once it has closed its output.
const END_WITHIN: Duration = Duration::from_secs(5);

/// Waits for a process that is about to end.
fn ended(child: &mut Child) -> io::Result<ExitStatus> {
    const LOOK_AGAIN: Duration = Duration::from_millis(2);
    let mut looks = END_WITHIN.as_millis() / LOOK_AGAIN.as_millis();
    while 0 < looks {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        looks -= 1;
        thread::sleep(LOOK_AGAIN);
    }
    end(child)
}

/// Ends a process on the spot.
fn end(child: &mut Child) -> io::Result<ExitStatus> {
    child.kill()?;
    child.wait()
}

/// Reads to the end or to a limit, whichever comes first; what cannot be read is not there.
fn read(from: impl Read, bytes_max: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // An error leaves what was read so far, and nobody takes half a verdict for a whole one.
    let _ = from.take(bytes_max).read_to_end(&mut bytes);
    bytes
}
