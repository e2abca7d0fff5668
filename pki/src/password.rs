//! Passwords nobody has to think of.

use aws_lc_rs::rand;

/// A new password: 128 random bits as 32 hexadecimal digits, so it needs no quoting anywhere.
pub fn generate() -> String {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).expect("the kernel's random source answers once the machine has booted");
    base16ct::lower::encode_string(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_have_128_bits_and_differ() {
        let (one, other) = (generate(), generate());
        assert_eq!(one.len(), 32);
        assert!(one.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(one, other);
    }
}
