//! The certificates that may still be ordered, by round and author.
