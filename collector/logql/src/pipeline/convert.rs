//! Numbers, durations and sizes in the texts of labels.

/// A number as Go's `strconv.ParseFloat` reads it: decimal, hexadecimal with a binary
/// exponent, `Inf` or `NaN` in any case.
pub(super) fn number(text: &str) -> Result<f64, String> {
    let refused = || format!("{text:?} is no number");
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned.starts_with("0x") || unsigned.starts_with("0X") {
        let magnitude = hexadecimal(&unsigned[2..]).ok_or_else(refused)?;
        return Ok(if text.starts_with('-') {
            -magnitude
        } else {
            magnitude
        });
    }
    let number: f64 = text.parse().map_err(|_| refused())?;
    let is_word = unsigned.starts_with(['i', 'I']);
    if number.is_infinite() && !is_word {
        return Err(format!("{text:?} is too large a number"));
    }
    Ok(number)
}

/// `1.8p3`: hexadecimal digits and a power of two, which must be there.
fn hexadecimal(text: &str) -> Option<f64> {
    let (digits, power) = text.split_once(['p', 'P'])?;
    let power: i32 = power.parse().ok()?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() + fraction.len() == 0 || whole.len() + fraction.len() > 13 {
        return None;
    }
    let all = format!("{whole}{fraction}");
    if !all.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mantissa = u64::from_str_radix(&all, 16).ok()?;
    let places = i32::try_from(fraction.len()).ok()?;
    #[expect(clippy::cast_precision_loss, reason = "13 digits are 52 bits")]
    let value = mantissa as f64 * 2f64.powi(power.checked_sub(4 * places)?);
    value.is_finite().then_some(value)
}

/// A duration as Go's `time.ParseDuration` reads it, in nanoseconds.
pub(super) fn nanos(text: &str) -> Result<f64, String> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned == "0" {
        return Ok(0.0);
    }
    match sonde_lex::go_duration(unsigned) {
        Some((end, Some(nanos))) if end == unsigned.len() => {
            #[expect(clippy::cast_precision_loss, reason = "nobody compares so exactly")]
            let nanos = nanos as f64;
            Ok(if text.starts_with('-') { -nanos } else { nanos })
        }
        _ => Err(format!("{text:?} is no duration such as 250ms or 1m30s")),
    }
}

/// A duration, in seconds.
pub(super) fn seconds(text: &str) -> Result<f64, String> {
    nanos(text).map(|nanos| nanos / 1e9)
}

/// Units of sizes, each with its bytes; the `b` may be missing.
const UNITS: [(&str, f64); 12] = [
    ("k", 1e3),
    ("ki", 1024.0),
    ("m", 1e6),
    ("mi", 1_048_576.0),
    ("g", 1e9),
    ("gi", 1_073_741_824.0),
    ("t", 1e12),
    ("ti", 1_099_511_627_776.0),
    ("p", 1e15),
    ("pi", 1_125_899_906_842_624.0),
    ("e", 1e18),
    ("ei", 1_152_921_504_606_846_976.0),
];

/// A number of bytes as `humanize.ParseBytes` reads it: `512`, `20 KB`, `5MiB`, `1,024k`.
pub(super) fn bytes(text: &str) -> Result<f64, String> {
    let refused = || format!("{text:?} is no number of bytes such as 512, 20KB or 5MiB");
    let is_number = |c: char| c.is_ascii_digit() || c == '.' || c == ',';
    let end = text.find(|c| !is_number(c)).unwrap_or(text.len());
    let digits = text[..end].replace(',', "");
    let number: f64 = digits.parse().map_err(|_| refused())?;
    let unit = text[end..].trim().to_ascii_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let size = match unit {
        "" => 1.0,
        unit => {
            let known = UNITS.iter().find(|(name, _)| *name == unit);
            known.ok_or_else(refused)?.1
        }
    };
    let bytes = (number * size).trunc();
    if bytes >= 18_446_744_073_709_551_615.0 {
        return Err(format!("{text:?} is too large a number of bytes"));
    }
    Ok(bytes)
}
