//! Committees of simulated validators, thousands at a time.

pub mod byzantine;
pub mod sin;
