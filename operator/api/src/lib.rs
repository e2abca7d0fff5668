//! The custom resources of Roadstead.
