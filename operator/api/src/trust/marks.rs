//! Hosts by their place in a set: a bit for each, so that a node can name thousands in a few hundred bytes.

/// The places of `positions`, four in a hexadecimal digit, the lowest first.
pub fn marks(positions: impl IntoIterator<Item = usize>) -> String {
    let mut digits: Vec<u32> = Vec::new();
    for position in positions {
        let digit = position / 4;
        if digits.len() <= digit {
            digits.resize(digit + 1, 0);
        }
        digits[digit] |= 1 << (position % 4);
    }
    digits
        .into_iter()
        .filter_map(|digit| char::from_digit(digit, 16))
        .collect()
}

/// Whether `position` is marked. What is not a digit marks nothing.
pub fn is_marked(marks: &str, position: usize) -> bool {
    let digit = marks.as_bytes().get(position / 4);
    let digit = digit.and_then(|digit| char::from(*digit).to_digit(16));
    digit.is_some_and(|digit| digit & (1 << (position % 4)) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_marked_is_marked_and_nothing_else() {
        for positions in [
            vec![],
            vec![0],
            vec![3, 4],
            vec![0, 5, 17, 1999],
            (0..64).collect(),
        ] {
            let text = marks(positions.iter().copied());
            for position in 0..2048 {
                assert_eq!(
                    is_marked(&text, position),
                    positions.contains(&position),
                    "{position} in {text}"
                );
            }
        }
    }

    #[test]
    fn two_thousand_hosts_take_five_hundred_digits() {
        assert_eq!(marks(0..2000).len(), 500);
        assert_eq!(marks([0, 2]), "5");
    }

    #[test]
    fn what_is_no_digit_marks_nothing() {
        assert!(!is_marked("zz", 0) && !is_marked("é", 1) && !is_marked("", 7));
    }
}
