//! `kraken testnet`: a whole committee on this machine, a process for each validator.

mod layout;
mod validators;

use std::path::Path;

use kraken_execution::genesis::Extras;
use tokio::runtime;

use self::{layout::Layout, validators::Validators};
use crate::{
    args::{committee::TestnetArgs, value::LogFilter},
    banner::{self, testnet::Banner},
    failure::Failure,
    service::{self, Endings, Parent},
    settings, wiring,
};

/// Runs until a signal asks for the end, and leaves no process behind.
///
/// # Errors
/// If the committee in the folder is another one, a validator does not start, or all of them ended.
pub(crate) fn run(args: &TestnetArgs, log: Option<&LogFilter>) -> Result<(), Failure> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .thread_stack_size(settings::THREAD_STACK_BYTES)
        .build()
        .map_err(|error| service::threads_failure(&error))?;
    let done = runtime.block_on(serve(args, log));
    runtime.shutdown_background();
    done
}

async fn serve(args: &TestnetArgs, log: Option<&LogFilter>) -> Result<(), Failure> {
    let parent = Parent::watched_if(args.until_stdin_closes);
    let mut endings = Endings::new(parent)?;
    let layout = Layout::prepare(args)?;
    // Once here instead of at the same time in every validator.
    tokio::select! {
        biased;
        () = endings.any() => return Ok(()),
        compiled = compile(&layout) => compiled?,
    }
    let mut validators = Validators::start(&layout, args, log)?;
    let done = tokio::select! {
        biased;
        () = endings.any() => Ok(()),
        failure = tell_and_watch(&mut validators, &layout) => Err(failure),
    };
    tracing::info!("stopping all validators");
    validators.stop(&mut endings).await;
    done
}

/// Compiles the classes of block 0 into the cache that all validators read.
async fn compile(layout: &Layout) -> Result<(), Failure> {
    if wiring::block_0::cache_folder().is_some() {
        wiring::block_0::state(layout.genesis.clone(), Extras::default()).await?;
    }
    Ok(())
}

/// Waits until everybody serves, tells of it, and watches; returns why there is nothing left to do.
async fn tell_and_watch(validators: &mut Validators, layout: &Layout) -> Failure {
    if let Err(failure) = validators.answer().await {
        return failure;
    }
    banner::print(&Banner {
        genesis: &layout.genesis,
        validators: validators.running(),
        folder: layout.path(),
        is_temporary: layout.is_temporary(),
    });
    validators.watch().await
}

/// The file that a validator's output goes to.
fn log_file(folder: &Path) -> std::path::PathBuf {
    folder.join("log.txt")
}
