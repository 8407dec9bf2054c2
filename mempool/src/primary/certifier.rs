//! Gathers votes for our own header until they make a certificate.
