//! One page of a longer list.

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// There is more: the `last=` that asks for the next page.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page of at most `n` items, to be filled in order.
    pub(super) fn of(n: Option<usize>) -> Filling<T> {
        Filling {
            limit: n.unwrap_or(usize::MAX),
            items: Vec::new(),
            has_more: false,
        }
    }
}

pub(super) struct Filling<T> {
    limit: usize,
    items: Vec<T>,
    has_more: bool,
}

impl<T> Filling<T> {
    /// Until one item more than fits has been seen, so that the last page says that it is the last.
    pub(super) fn wants_more(&self) -> bool {
        !self.has_more && self.limit > 0
    }

    pub(super) fn add(&mut self, item: T) {
        if self.items.len() < self.limit {
            self.items.push(item);
        } else {
            self.has_more = true;
        }
    }

    /// There is more, but no room for it.
    pub(super) fn close(&mut self) {
        self.has_more = true;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// `name`: what `last=` is for an item.
    pub(super) fn finish(self, name: impl Fn(&T) -> String) -> Page<T> {
        let next = self.items.last().filter(|_| self.has_more).map(name);
        Page {
            items: self.items,
            next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(n: Option<usize>, available: u32) -> Page<u32> {
        let mut page = Page::of(n);
        let mut available = 0..available;
        while page.wants_more() {
            let Some(item) = available.next() else { break };
            page.add(item);
        }
        page.finish(u32::to_string)
    }

    #[test]
    fn only_a_page_with_more_behind_it_names_a_next_one() {
        assert_eq!(
            page(Some(2), 3),
            Page {
                items: vec![0, 1],
                next: Some("1".to_owned())
            }
        );
        assert_eq!(
            page(Some(2), 2),
            Page {
                items: vec![0, 1],
                next: None
            }
        );
        assert_eq!(
            page(None, 3),
            Page {
                items: vec![0, 1, 2],
                next: None
            }
        );
        assert_eq!(
            page(Some(0), 3),
            Page {
                items: vec![],
                next: None
            }
        );
    }
}
