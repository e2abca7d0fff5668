//! A private container registry, drop-in for registry:2.
