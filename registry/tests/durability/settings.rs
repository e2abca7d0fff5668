//! How much, and from which seed.

/// A number from the environment, else the small size of everyday tests.
pub(crate) fn number(name: &str, usual: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name}={text} is not a number")),
        Err(_) => usual,
    }
}

/// A source of chance whose seed is printed, so that a failure can be tried again. What several clients do at the same
/// time still depends on the machine.
pub(crate) fn chance() -> (u64, fastrand::Rng) {
    let seed = number("ROADSTEAD_SEED", fastrand::u64(..1 << 32));
    (seed, fastrand::Rng::with_seed(seed))
}
