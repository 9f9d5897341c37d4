//! Floats by the power of two: `%x` and `%b`.

const FRACTION_BITS: u32 = 52;

/// The digits and the exponent of a number that is finite, without its sign.
fn parts(number: f64) -> (u64, i64) {
    let bits = number.to_bits();
    let fraction = bits & ((1 << FRACTION_BITS) - 1);
    match (bits >> FRACTION_BITS) & 0x7ff {
        0 => (fraction, -1_022),
        // Eleven bits fit.
        power => (
            fraction | (1 << FRACTION_BITS),
            i64::try_from(power).unwrap_or(0) - 1_023,
        ),
    }
}

fn sign(number: f64) -> &'static str {
    if number.is_sign_negative() { "-" } else { "" }
}

/// `4503599627370496p-53`
pub(super) fn whole(number: f64) -> String {
    let (digits, power) = parts(number);
    let power = power - i64::from(FRACTION_BITS);
    format!("{}{digits}p{power:+}", sign(number))
}

/// `0x1.8p+01`
pub(super) fn hex(number: f64, precision: Option<usize>) -> String {
    let (digits, mut power) = parts(number);
    if digits == 0 {
        power = 0;
    }
    // The point is after bit 60.
    let mut digits = digits << (60 - FRACTION_BITS);
    while digits != 0 && digits & (1 << 60) == 0 {
        digits <<= 1;
        power -= 1;
    }
    if let Some(kept) = precision.filter(|kept| *kept < 15) {
        let dropped = 60 - 4 * kept;
        let extra = digits & ((1 << dropped) - 1);
        digits >>= dropped;
        let half = 1 << (dropped - 1);
        digits += u64::from(extra > half || (extra == half && digits & 1 == 1));
        digits <<= dropped;
        if digits & (1 << 61) != 0 {
            digits >>= 1;
            power += 1;
        }
    }
    let fraction = format!("{:015x}", digits & ((1 << 60) - 1));
    let fraction = match precision {
        None => fraction.trim_end_matches('0').to_owned(),
        Some(kept) => format!("{fraction:0<kept$.kept$}"),
    };
    let point = if fraction.is_empty() { "" } else { "." };
    let power_sign = if power < 0 { '-' } else { '+' };
    format!(
        "{}0x{}{point}{fraction}p{power_sign}{:02}",
        sign(number),
        digits >> 60,
        power.unsigned_abs()
    )
}
