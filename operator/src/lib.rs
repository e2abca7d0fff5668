//! The controller that makes Registry objects so.
