//! Lower-case hexadecimal, and no other: a text has one meaning and a meaning one text.

pub(crate) fn write(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn read<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(out)
}

fn digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_meaning_has_one_text() {
        assert_eq!(read::<2>("0aff"), Some([10, 255]));
        assert_eq!(write(&[10, 255]), "0aff");
        for bad in ["", "0a", "0aff0", "0AFF", "0ag0", "+1+1"] {
            assert_eq!(read::<2>(bad), None, "{bad}");
        }
    }
}
