//! JSON-RPC over HTTP and WebSocket: the Starknet API, version 0.10.2 and a view of it in 0.9.0, and
//! the essentials of starknet-devnet's.
//!
//! A request goes down through `http`, `jsonrpc`, `dispatch` and `methods` to one file of `method`,
//! and its answer comes back up in the shapes of `dto`. This room holds no judgement about
//! transactions and state: it translates.

mod blocking;
mod caller;
mod connection;
mod dispatch;
mod dto;
mod error;
#[cfg(test)]
mod fixture;
mod http;
mod in_place;
mod jsonrpc;
mod method;
mod methods;
mod metrics;
mod monitoring;
mod openrpc;
mod params;
mod recorder;
mod schema;
mod server;
mod socket;
mod subscription;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod version;
mod yardstick;

pub use metrics::Metrics;
pub use monitoring::{Ready, serve_metrics};
pub use server::{
    BlockGeneration, Config, DevnetSettings, Dump, DumpOn, Error, Limits, Server, StateArchive,
    has_method, serve,
};
pub use yardstick::serve_yardstick;
