//! Protocol vocabulary of the OCI distribution specification: what names, digests, tags and manifests are.
//!
//! Every type is parsed once, at the edge, and trusted from there on. Nothing here does I/O, hashes bytes, or
//! knows a web framework or a store.
//!
//! ```text
//! RepositoryName ─┐
//! Tag ────────────┼─ Reference        Manifest ─ Descriptor ─ Digest ─ Algorithm
//! Digest ─────────┘                   MediaType            ErrorCode
//! ```

mod descriptor;
mod digest;
mod error_code;
mod manifest;
pub mod media_type;
mod reference;
mod repository_name;
mod stored_media_type;
mod strict_json;
mod tag;

pub use descriptor::{Annotations, Descriptor};
pub use digest::{Algorithm, Digest, DigestError};
pub use error_code::ErrorCode;
pub use manifest::{Manifest, ManifestContent, ManifestError};
pub use media_type::MediaType;
pub use reference::{Reference, ReferenceError};
pub use repository_name::{RepositoryName, RepositoryNameError};
pub use stored_media_type::stored_media_type;
pub use tag::{Tag, TagError};
