//! What a compiling process is told by the node that starts it.

/// `kraken compile-class`.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct CompileClassArgs {
    /// Processor time that it may use
    #[arg(long, value_name = "SECONDS")]
    pub(crate) processor_seconds: u64,

    /// Address space that it may have
    #[arg(long, value_name = "BYTES")]
    pub(crate) memory_bytes: u64,
}
