use std::sync::OnceLock;
pub(crate) fn off(i: usize) -> bool {
    static V: OnceLock<Vec<bool>> = OnceLock::new();
    V.get_or_init(|| ["R5_NOPOLL","R5_NOHUGE","R5_NOSTREAM","R5_NOLOWAT","R5_RING","R5_PLAIN","R5_H2BATCH","R5_DREAD","R5_GATHER","R5_NOLARGE"].iter().map(|n| std::env::var_os(n).is_some()).collect())[i]
}
pub(crate) fn num(name: &str, default: u32) -> u32 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}
