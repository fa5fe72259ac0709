//! Values as Java reads them: what `Integer.parseInt`, `Integer.decode` and their kin take.

/// `Integer.parseInt` and `Long.parseLong`: decimal, with an optional sign.
pub(super) fn parse_integer(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// `Integer.decode` and `Long.decode`, which `Integer.getInteger` uses: `0x`, `0X` and `#` begin hexadecimal
/// numbers, a leading zero octal ones. The sign comes first.
pub(super) fn decode_integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) =
        if let Some(digits) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
            (16, digits)
        } else if let Some(digits) = digits.strip_prefix('#') {
            (16, digits)
        } else if digits.len() > 1 && digits.starts_with('0') {
            (8, &digits[1..])
        } else {
            (10, digits)
        };
    // Only one sign, and it was in front.
    if !digits.starts_with(|c: char| c.is_digit(radix)) {
        return None;
    }
    let magnitude = i128::from_str_radix(digits, radix).ok()?;
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

/// `Double.parseDouble` for the numbers that make sense in a configuration: finite, decimal.
pub(super) fn parse_real(text: &str) -> Option<f64> {
    let digits = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    if digits.contains(|c: char| c.is_alphabetic() && !matches!(c, 'e' | 'E')) {
        return None;
    }
    digits.parse().ok().filter(|number: &f64| number.is_finite())
}

/// `true` or `false` in any case.
pub(super) fn parse_boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// `String.split` of one character: empty pieces at the end do not count, but there is always one piece.
pub(super) fn split(text: &str, separator: char) -> Vec<&str> {
    let mut pieces: Vec<_> = text.split(separator).collect();
    while pieces.len() > 1 && pieces.last().is_some_and(|piece| piece.is_empty()) {
        pieces.pop();
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        for (text, parsed, decoded) in [
            ("2000", Some(2000), Some(2000)),
            ("+5", Some(5), Some(5)),
            ("-1", Some(-1), Some(-1)),
            ("010", Some(10), Some(8)),
            ("0", Some(0), Some(0)),
            ("0x10", None, Some(16)),
            ("-0X10", None, Some(-16)),
            ("#ff", None, Some(255)),
            ("08", Some(8), None),
            ("", None, None),
            ("-", None, None),
            ("+-1", None, None),
            ("0x", None, None),
            ("0x-1", None, None),
            ("1_000", None, None),
            ("2s", None, None),
            (" 1", None, None),
            ("9223372036854775808", None, None),
            ("-9223372036854775808", Some(i64::MIN), Some(i64::MIN)),
        ] {
            assert_eq!(parse_integer(text), parsed, "parse {text:?}");
            assert_eq!(decode_integer(text), decoded, "decode {text:?}");
        }
    }

    #[test]
    fn reals() {
        for (text, number) in [
            ("0.33", Some(0.33)),
            ("-1", Some(-1.0)),
            (".5", Some(0.5)),
            ("2e-3", Some(0.002)),
            ("0.1f", Some(0.1)),
            ("NaN", None),
            ("inf", None),
            ("1,5", None),
            ("", None),
        ] {
            assert_eq!(parse_real(text), number, "{text:?}");
        }
    }

    #[test]
    fn splits() {
        assert_eq!(split("a:b::", ':'), ["a", "b"]);
        assert_eq!(split("", ':'), [""]);
        assert_eq!(split("::", ':'), [""]);
        assert_eq!(split(":a", ':'), ["", "a"]);
    }
}
