//! Makes headers: once per round, each behind the ones before.
