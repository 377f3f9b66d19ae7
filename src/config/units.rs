//! Durations and sizes as people write them.

use std::time::Duration;

/// What a duration looks like, for messages.
pub const DURATION_EXAMPLES: &str =
    "seconds as a number, or a string like \"500ms\", \"30s\", \"10m\" or \"2h\"";

/// What a size looks like, for messages.
pub const SIZE_EXAMPLES: &str =
    "bytes as a number, or a string like \"16MiB\", \"1 KiB\" or \"10MB\"";

/// Reads `500ms`, `30s`, `1.5m`, `2h`, or seconds without a unit. `None`: it is none of these.
pub fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = number_and_unit(text)?;
    let seconds = match unit {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    Duration::try_from_secs_f64(number * seconds).ok()
}

/// Reads `16MiB`, `1 KiB`, `10MB`, `512B`, or bytes without a unit, in any case of letters.
/// `None`: it is none of these, or more than 64 bits.
pub fn size(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let bytes = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(bytes)
}

/// A duration as a person would write it, for messages.
pub fn duration_text(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    match milliseconds {
        _ if milliseconds.is_multiple_of(3_600_000) => format!("{}h", milliseconds / 3_600_000),
        _ if milliseconds.is_multiple_of(1000) => format!("{}s", milliseconds / 1000),
        _ => format!("{milliseconds}ms"),
    }
}

fn number_and_unit(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let end = text
        .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (!number.is_empty()).then_some((number, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let cases = [
            ("500ms", 500),
            ("30s", 30_000),
            ("30", 30_000),
            (" 1.5 m ", 90_000),
            ("10min", 600_000),
            ("2h", 7_200_000),
            ("0s", 0),
        ];
        for (text, milliseconds) in cases {
            assert_eq!(
                duration(text),
                Some(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for wrong in [
            "",
            "s",
            "-1s",
            "1e3",
            "1.2.3s",
            "5 parsecs",
            "inf",
            "nan",
            "1s2",
            "1M",
            &"9".repeat(400),
        ] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes() {
        let cases = [
            ("16MiB", 16_777_216),
            ("1 KiB", 1024),
            ("10MB", 10_000_000),
            ("512", 512),
            ("512 b", 512),
            ("2gib", 2_147_483_648),
            ("3kB", 3000),
        ];
        for (text, bytes) in cases {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for wrong in [
            "",
            "MiB",
            "-1",
            "1.5MiB",
            "1M",
            "99999999999999999999",
            "18446744073709551615KiB",
        ] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn durations_are_shown_in_their_largest_whole_unit() {
        assert_eq!(duration_text(Duration::from_millis(1)), "1ms");
        assert_eq!(duration_text(Duration::from_millis(30_000)), "30s");
        assert_eq!(duration_text(Duration::from_secs(86_400)), "24h");
    }
}
