//! Bytes to validators and back: libp2p.
