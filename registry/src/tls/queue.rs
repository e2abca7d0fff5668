//! Bytes that wait for the next call.

/// Filled at the end, emptied from the front. Empty, it holds no memory: most of the time there is nothing to wait for.
#[derive(Debug, Default)]
pub(super) struct Queue {
    bytes: Vec<u8>,
    start: usize,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(super) fn front(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.bytes.len(), "more than there is");
        if self.start >= self.bytes.len() {
            *self = Queue::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_first_goes_first_and_nothing_is_held_when_it_is_empty() {
        let mut queue = Queue::default();
        queue.push(b"abc");
        queue.push(b"def");
        queue.consume(4);
        assert_eq!((queue.front(), queue.len()), (&b"ef"[..], 2));
        queue.push(b"g");
        assert_eq!(queue.front(), b"efg");
        queue.consume(3);
        assert!(queue.is_empty() && queue.bytes.capacity() == 0);
    }
}
