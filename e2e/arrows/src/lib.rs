//! The arrows of the workspace, as ARCHITECTURE.md lists them and as the code has them. It reads text and compiles nothing.
//!
//! - [`page`]: the lists of ARCHITECTURE.md
//! - [`code`]: which module of a folder names which; [`paths`]: the names in a piece of Rust
//! - [`packages`]: which package of the workspace depends on which
//! - [`circle`]: a way back to where one began

pub mod circle;
pub mod code;
pub mod packages;
pub mod page;
pub mod paths;

use std::collections::BTreeSet;

/// From what to what.
pub type Arrows = BTreeSet<(String, String)>;
