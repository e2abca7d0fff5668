//! Protocol vocabulary of the OCI distribution specification.
