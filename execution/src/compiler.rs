//! Where classes are compiled: here, or in processes of their own that have limits.
//!
//! The compiler is large, and the class may be made to hurt it. A process of its own can be given so
//! much time and memory and no more, and takes nothing with it when it dies. How far these limits go
//! is a matter of one machine, so they are never the verdict on a class ([`Unfinished`]); whoever
//! asks decides what that means. Where a class is refused for good is in [`CompileError`].

mod answer;
mod child;
mod queue;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use kraken_storage::{Class, SierraClass};
use kraken_types::genesis::Limits;
use starknet_api::{core::ClassHash, state::SierraContractClass};

pub use self::answer::answer;
use self::queue::Queue;
use crate::{CompileError, cache::Cache, class};

/// Felts of Sierra and bytecode that are remembered; a felt costs 32 to 60 bytes.
const FELTS_MAX: usize = 1_000_000;

/// Compiles classes, each of them once. Cheap to clone; clones share what they know.
#[derive(Clone, Debug)]
pub struct Compiler(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    place: Place,
    queue: Queue,
    /// What is being compiled, for those who want the same.
    under_way: Mutex<BTreeMap<ClassHash, Arc<OnceLock<Outcome>>>>,
    /// What was compiled last.
    compiled: Arc<Cache<Compiled>>,
}

#[derive(Debug)]
enum Place {
    Here,
    Child(Sandbox),
}

#[derive(Clone, Debug)]
struct Compiled {
    class: Arc<Class>,
    /// The limits that it was found to keep.
    limits: Arc<Limits>,
}

type Outcome = Result<Arc<Class>, Uncompiled>;

/// The compilers of a node. Both remember what either of them has compiled.
#[derive(Clone, Debug)]
pub struct Compilers {
    /// For what callers send. Its limits may be tight, because a refusal is the word of one node.
    pub submissions: Compiler,
    /// For what is in the order already. All validators must come to the same, so a limit of this
    /// one ends the node.
    pub order: Compiler,
}

/// A process for each class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// What to run: a program that does what `kraken compile-class` does.
    pub program: PathBuf,
    /// What it may use of processors, in whole seconds.
    pub processor_time: Duration,
    /// How long it may take, whatever it does meanwhile.
    pub wall_time: Duration,
    /// How much address space it may have, in bytes. Its own code and the stack of the compiler are
    /// some 400 MiB of it.
    pub memory_bytes: u64,
    /// How many may run at a time.
    pub at_once: usize,
    /// How many callers may wait for one of them, or for its result.
    pub waiting_max: usize,
    /// How often it is tried with one that somebody else ended.
    pub attempts: u32,
}

/// Why a class is not compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Uncompiled {
    /// By the class's own fault; so say all validators.
    #[error(transparent)]
    Refused(#[from] CompileError),
    /// For a reason that lies with this machine; another one may compile it.
    #[error(transparent)]
    Unfinished(#[from] Unfinished),
}

/// Why this machine has no verdict on a class.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum Unfinished {
    /// It took too long.
    #[error("compiling took more than the limit of {seconds} s")]
    TimeUp { seconds: u64 },
    /// It wanted too much.
    #[error("compiling took more than the limit of {mebibytes} MiB of memory")]
    OutOfMemory { mebibytes: u64 },
    /// It recursed too deep.
    #[error("compiling took more than the limit of {mebibytes} MiB of stack")]
    OutOfStack { mebibytes: usize },
    /// Nobody's fault: try again.
    #[error("busy, try again: {waiting} others wait for the compiler")]
    Busy { waiting: usize },
    /// Nobody's fault: the process was ended, or could not be started.
    #[error("the compiler ended early, try again: {reason}")]
    Ended { reason: String },
}

impl Unfinished {
    /// Whether the class is too much for this machine. If not, it may compile another time.
    pub fn is_limit(&self) -> bool {
        match self {
            Self::TimeUp { .. } | Self::OutOfMemory { .. } | Self::OutOfStack { .. } => true,
            Self::Busy { .. } | Self::Ended { .. } => false,
        }
    }
}

impl Compiler {
    /// Compiles in this process, without limits of time and memory: for classes that are trusted,
    /// and where there is no program to run.
    pub fn here() -> Self {
        Self::new(Place::Here, Queue::new(usize::MAX, 0), Arc::new(Cache::new(FELTS_MAX)))
    }

    fn child(sandbox: Sandbox, compiled: Arc<Cache<Compiled>>) -> Self {
        let queue = Queue::new(sandbox.at_once, sandbox.waiting_max);
        Self::new(Place::Child(sandbox), queue, compiled)
    }

    fn new(place: Place, queue: Queue, compiled: Arc<Cache<Compiled>>) -> Self {
        Self(Arc::new(Parts { place, queue, under_way: Mutex::default(), compiled }))
    }

    /// Compiles a class, or remembers what it compiled to. Whoever asks for one that is being
    /// compiled waits for it. Slow: never call it on an async thread.
    ///
    /// `class_hash` is that of the class, which nobody checks here.
    ///
    /// # Errors
    /// [`Uncompiled`].
    pub fn compile(
        &self,
        class_hash: ClassHash,
        sierra: &SierraContractClass,
        limits: &Limits,
    ) -> Result<Arc<Class>, Uncompiled> {
        if let Some(class) = self.remembered(class_hash, limits) {
            return Ok(class);
        }
        // What costs nothing comes first.
        class::check(sierra, limits)?;
        let _place_in_line = self.0.queue.enter()?;
        let under_way = Arc::clone(self.under_way().entry(class_hash).or_default());
        let outcome = under_way.get_or_init(|| {
            // It may have been finished between the look above and now.
            if let Some(class) = self.remembered(class_hash, limits) {
                return Ok(class);
            }
            let _turn = self.0.queue.turn();
            tracing::debug!(class_hash = format!("{:#x}", class_hash.0), "compiling");
            let class = self.0.place.compile(sierra.clone(), limits)?;
            Ok(self.remember(class_hash, class, limits))
        });
        let mut all = self.under_way();
        if all.get(&class_hash).is_some_and(|other| Arc::ptr_eq(other, &under_way)) {
            all.remove(&class_hash);
        }
        drop(all);
        outcome.clone()
    }

    fn remembered(&self, class_hash: ClassHash, limits: &Limits) -> Option<Arc<Class>> {
        let compiled = self.0.compiled.get(class_hash)?;
        (*compiled.limits == *limits).then_some(compiled.class)
    }

    fn remember(&self, hash: ClassHash, class: SierraClass, limits: &Limits) -> Arc<Class> {
        let felts = class.sierra.sierra_program.len() + class.casm.bytecode.len();
        let class = Arc::new(Class::Sierra(Box::new(class)));
        let entry = Compiled { class: Arc::clone(&class), limits: Arc::new(limits.clone()) };
        self.0.compiled.insert(hash, entry, felts);
        class
    }

    fn under_way(&self) -> MutexGuard<'_, BTreeMap<ClassHash, Arc<OnceLock<Outcome>>>> {
        // Whoever panicked held the lock between two whole steps.
        self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Compilers {
    /// Compiles everything in this process.
    pub fn here() -> Self {
        let compiler = Compiler::here();
        Self { submissions: compiler.clone(), order: compiler }
    }

    /// Compiles in processes.
    pub fn children(submissions: Sandbox, order: Sandbox) -> Self {
        let compiled = Arc::new(Cache::new(FELTS_MAX));
        Self {
            submissions: Compiler::child(submissions, Arc::clone(&compiled)),
            order: Compiler::child(order, compiled),
        }
    }
}

impl Place {
    fn compile(
        &self,
        sierra: SierraContractClass,
        limits: &Limits,
    ) -> Result<SierraClass, Uncompiled> {
        let bytecode_felts_max = class::widen(limits.bytecode_felts_max);
        let casm = match self {
            Self::Here => class::to_casm(&sierra, bytecode_felts_max)?,
            Self::Child(sandbox) => {
                let mut attempts = 1;
                loop {
                    match child::to_casm(sandbox, &sierra, bytecode_felts_max) {
                        Err(Uncompiled::Unfinished(Unfinished::Ended { reason }))
                            if attempts < sandbox.attempts =>
                        {
                            tracing::warn!(reason, attempts, "the compiler ended early");
                            attempts += 1;
                        }
                        casm => break casm?,
                    }
                }
            }
        };
        Ok(class::compiled(sierra, casm))
    }
}

#[cfg(test)]
mod tests;
