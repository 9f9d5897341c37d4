//! Reckoning in decimals, as people expect it of what they see: 0.1 + 0.2 is 0.3.
//!
//! A number is an integer and a count of decimals. What does not fit is reckoned in binary.

/// `digits / 10^places`.
#[derive(Clone, Copy)]
struct Decimal {
    digits: i128,
    places: u32,
}

/// How many decimals a quotient has.
const QUOTIENT_PLACES: u32 = 16;

pub(super) fn add(a: f64, b: f64) -> f64 {
    both(a, b)
        .and_then(|(a, b)| {
            let places = a.places.max(b.places);
            let digits = a.at(places)?.checked_add(b.at(places)?)?;
            Decimal { digits, places }.value()
        })
        .unwrap_or(a + b)
}

pub(super) fn multiply(a: f64, b: f64) -> f64 {
    both(a, b)
        .and_then(|(a, b)| {
            let digits = a.digits.checked_mul(b.digits)?;
            let places = a.places + b.places;
            Decimal { digits, places }.value()
        })
        .unwrap_or(a * b)
}

pub(super) fn divide(a: f64, b: f64) -> f64 {
    both(a, b)
        .and_then(|(a, b)| {
            let places = a.places.max(b.places);
            let above = a
                .at(places)?
                .checked_mul(10i128.checked_pow(QUOTIENT_PLACES)?)?;
            let below = b.at(places).filter(|below| *below != 0)?;
            let (whole, rest) = (above / below, above % below);
            let is_up = rest.unsigned_abs() >= below.unsigned_abs().div_ceil(2);
            let sign = above.signum() * below.signum();
            Decimal {
                digits: whole + if is_up { sign } else { 0 },
                places: QUOTIENT_PLACES,
            }
            .value()
        })
        .unwrap_or(a / b)
}

fn both(a: f64, b: f64) -> Option<(Decimal, Decimal)> {
    Some((Decimal::new(a)?, Decimal::new(b)?))
}

impl Decimal {
    /// The shortest decimals that are this number.
    fn new(value: f64) -> Option<Self> {
        if !value.is_finite() || value.abs() >= 1e18 || (value != 0.0 && value.abs() < 1e-18) {
            return None;
        }
        let text = value.to_string();
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        Some(Self {
            digits: format!("{whole}{fraction}").parse().ok()?,
            places: u32::try_from(fraction.len()).ok()?,
        })
    }

    fn at(self, places: u32) -> Option<i128> {
        self.digits
            .checked_mul(10i128.checked_pow(places.checked_sub(self.places)?)?)
    }

    fn value(self) -> Option<f64> {
        format!("{}e-{}", self.digits, self.places).parse().ok()
    }
}
