use std::{io, path::PathBuf};

/// Why a folder of documents is of no use.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum LoadError {
    /// The folder or a file in it cannot be read.
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },

    /// A file is not JSON.
    #[error("{} is not JSON", path.display())]
    Parse { path: PathBuf, source: serde_json::Error },

    /// There is not one method in the documents.
    #[error("the documents describe no method")]
    Empty,

    /// A document does not have the shape of an OpenRPC document.
    #[error("{document} has no usable {part}")]
    Shape { document: String, part: String },

    /// A reference leads nowhere.
    #[error("reference {reference} leads nowhere")]
    Dangling { reference: String },

    /// A schema cannot be compiled.
    #[error("a schema of {method} does not compile: {reason}")]
    Schema { method: String, reason: String },
}
