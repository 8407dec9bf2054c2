//! The whole primary, and committees of them.

mod committee;
mod net;
