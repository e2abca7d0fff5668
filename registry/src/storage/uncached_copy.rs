//! A copy whose target is read by a device, not soon by this core.

/// Copies without bringing the target into this core's cache, where what others need would make room for it, and
/// from where the disk would have to get it back: of receiving a layer, that costs as much as decrypting it.
///
/// # Panics
/// When the lengths differ.
#[cfg(target_arch = "x86_64")]
pub(super) fn copy(to: &mut [u8], from: &[u8]) {
    use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_sfence, _mm_stream_si128};

    const LANE: usize = size_of::<__m128i>();

    assert_eq!(to.len(), from.len());
    let head = to.as_ptr().align_offset(LANE).min(to.len());
    let (to_head, to) = to.split_at_mut(head);
    let (from_head, from) = from.split_at(head);
    let body = to.len() / LANE * LANE;
    let (to_body, to_tail) = to.split_at_mut(body);
    let (from_body, from_tail) = from.split_at(body);
    to_head.copy_from_slice(from_head);
    for (to, from) in to_body.chunks_exact_mut(LANE).zip(from_body.chunks_exact(LANE)) {
        // SAFETY: SSE2 is part of every x86-64. Both pieces have the length of a lane, and `to` is aligned to it: the
        // body begins where `align_offset` said.
        #[allow(unsafe_code)]
        unsafe {
            _mm_stream_si128(to.as_mut_ptr().cast(), _mm_loadu_si128(from.as_ptr().cast()))
        };
    }
    to_tail.copy_from_slice(from_tail);
    // SAFETY: only orders the stores above before whatever follows, as threads that are handed the buffer expect.
    #[allow(unsafe_code)]
    unsafe {
        _mm_sfence()
    };
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn copy(to: &mut [u8], from: &[u8]) {
    to.copy_from_slice(from);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_exactly_wherever_it_begins_and_ends() {
        let from: Vec<u8> = (0..=255).cycle().take(200).collect();
        for begin in 0..20 {
            for length in 0..100 {
                let mut to = [7; 200];
                copy(&mut to[begin..begin + length], &from[3..3 + length]);
                assert_eq!(to[begin..begin + length], from[3..3 + length]);
                assert!(
                    to[..begin]
                        .iter()
                        .chain(&to[begin + length..])
                        .all(|byte| *byte == 7)
                );
            }
        }
    }
}
