//! `kraken compile-class`: one class, compiled in a process that its node can do without.
//!
//! It is started by a node, reads a task from the standard input, writes the verdict to the standard
//! output, and ends. It has the limits that it gives itself at its start, no environment, and no
//! open file but the three of every process; it ends with the node, whose end of the pipe it watches.

use std::{
    io::{self, BufRead, BufReader, BufWriter, Read},
    process, thread,
};

use kraken_execution::answer_compilation;
use rlimit::Resource;

use crate::{args::compile_class::CompileClassArgs, failure::Failure};

/// What to do about anything that goes wrong here.
const REMEDY: &str = "this command is for nodes; see `kraken --help` for those that are for you";

/// The exit code of a process whose node is gone.
const ORPHANED: i32 = 3;

/// Reads one task, and answers it.
///
/// # Errors
/// If it cannot limit itself, or there is no task.
pub(crate) fn run(args: &CompileClassArgs) -> Result<(), Failure> {
    limit(args).map_err(|error| Failure::because("cannot set limits", &error, REMEDY))?;
    let answer = || -> io::Result<()> {
        let mut input = BufReader::new(io::stdin());
        let mut task = Vec::new();
        input.read_until(b'\n', &mut task)?;
        thread::spawn(move || end_with(input));
        answer_compilation(&task, &mut BufWriter::new(io::stdout()))
    };
    answer().map_err(|error| Failure::because("cannot answer", &error, REMEDY))
}

fn limit(args: &CompileClassArgs) -> io::Result<()> {
    // A second more ends it for good, should it ignore the signal of the first limit.
    let seconds = args.processor_seconds;
    Resource::CPU.set(seconds, seconds.saturating_add(1))?;
    Resource::AS.set(args.memory_bytes, args.memory_bytes)?;
    // What a hostile class makes of a process is not worth keeping.
    Resource::CORE.set(0, 0)
}

/// Ends this process as soon as the one at the other end of the pipe is gone.
fn end_with(mut node: impl Read) {
    let mut buffer = [0; 64];
    // Nothing more is said; an error is as good as an end.
    while node.read(&mut buffer).is_ok_and(|read| read != 0) {}
    process::exit(ORPHANED);
}
