//! One page of a longer list.

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// There is more: the `last=` that asks for the next page.
    pub next: Option<String>,
}
