//! The power is cut at every moment: what a disk would hold then is made from a record of what it was asked to do.
//!
//! ```text
//! server ─► recorder (a filesystem in memory, mounted) ─► log of changes and flushes
//!                                                          │ a prefix, minus some of what was not flushed
//!                                          check ◄── disk ◄┘
//! ```

mod before_us;
mod disk;
mod omission;
mod omissions;
mod power_cut;
mod recorder;
mod reopened;
mod replay;
mod whole;
