//! Narwhal: batches, headers, certificates.
//!
//! Transactions are bytes here. A [`worker`] packs them into batches, which become durable before
//! anything refers to them; a [`primary`] names batches in headers and gathers the votes that make
//! a header a certificate. Both are functions of their inputs; `sequencer` drives them.
//!
//! Source: Danezis et al., *Narwhal and Tusk*, arXiv:2105.11827, section 4. A committee of one is a
//! quorum by itself and needs neither messages nor time.

#[cfg(test)]
mod golden;
pub mod primary;
pub mod worker;
