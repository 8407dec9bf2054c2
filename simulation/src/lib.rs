//! Committees of simulated validators, thousands at a time.

pub mod sin;
