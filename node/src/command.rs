//! One file per command.

pub(crate) mod bench;
pub(crate) mod compile_class;
pub(crate) mod dev;
pub(crate) mod genesis;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod key;
pub(crate) mod run;
pub(crate) mod testnet;
pub(crate) mod worker;
