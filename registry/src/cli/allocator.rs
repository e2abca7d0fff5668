//! The allocator's settings.
//!
//! glibc gives threads arenas of their own, eight for each core, and keeps large pieces within them once it has seen
//! one freed. With many threads that wait for the disk, and buffers of changing sizes, most of each arena is then
//! holes: at 600 transfers twice the memory that is in use.

/// Two arenas, about as many as threads that allocate much; what is large comes from the system and goes back to it.
/// Called before there are threads.
#[cfg(target_env = "gnu")]
pub(super) fn keep_little() {
    /// Half of what glibc begins with. Set by hand it stays, else it grows to 32 MiB.
    const LARGE: libc::c_int = 64 << 10;
    for (parameter, value) in [
        (libc::M_ARENA_MAX, 2),
        (libc::M_MMAP_THRESHOLD, LARGE),
        (libc::M_TRIM_THRESHOLD, LARGE),
    ] {
        // SAFETY: takes two numbers and touches the allocator's settings alone, of which no other thread reads yet.
        // What it does not know it refuses, and then things are as before.
        #[allow(unsafe_code)]
        unsafe {
            libc::mallopt(parameter, value)
        };
    }
}

/// Only glibc needs it.
#[cfg(not(target_env = "gnu"))]
pub(super) fn keep_little() {}
