//! Functions against their definitions, on random numbers.

use super::calendar::Moment;
use super::histogram;
use super::over_time::{mean, quantile};
use super::{Function, Sum};
use proptest::prelude::*;

/// Every function of the language, and how many arguments it takes.
#[test]
fn every_function_is_found_by_its_name() {
    let names = "abs absent absent_over_time acos acosh asin asinh atan atanh avg_over_time ceil changes clamp clamp_max clamp_min cos cosh count_over_time day_of_month day_of_week day_of_year days_in_month deg delta deriv double_exponential_smoothing exp first_over_time floor histogram_avg histogram_count histogram_fraction histogram_quantile histogram_quantiles histogram_stddev histogram_stdvar histogram_sum hour idelta increase irate label_join label_replace last_over_time ln log10 log2 mad_over_time max_over_time min_over_time minute month pi predict_linear present_over_time quantile_over_time rad rate resets round scalar sgn sin sinh sort sort_by_label sort_by_label_desc sort_desc sqrt stddev_over_time stdvar_over_time sum_over_time tan tanh time timestamp vector year";
    for name in names.split(' ') {
        let function = Function::named(name).unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(function.name, name);
        let (least, most) = function.arg_counts();
        assert!(least <= most, "{name}");
    }
    assert!(Function::named("RATE").is_none());
    assert!(Function::named("").is_none());
}

fn numbers() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(-1e6f64..1e6, 1..60)
}

/// Days since 1970 of a date, counted year by year and month by month.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let leap = |y: i64| y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    let of_year = |y: i64| if leap(y) { 366 } else { 365 };
    let of_month = |m: i64| match m {
        2 => 28 + i64::from(leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let years: i64 = if year >= 1970 {
        (1970..year).map(of_year).sum()
    } else {
        -(year..1970).map(of_year).sum::<i64>()
    };
    years + (1..month).map(of_month).sum::<i64>() + day - 1
}

#[test]
fn moments_at_the_ends_of_time_do_not_overflow() {
    for seconds in [
        f64::MAX,
        f64::MIN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        0.0,
        -0.5,
    ] {
        let _ = Moment::at(seconds);
    }
}

proptest! {
    #[test]
    fn a_date_is_taken_apart_as_it_was_counted(year in 1i64..4000, month in 1i64..13, day in 1i64..29, second in 0i64..86_400) {
        let at = (days(year, month, day) * 86_400 + second) as f64;
        let part = |name: &str| {
            let super::Kind::Calendar(apply) = Function::named(name).unwrap().kind else { panic!("{name}") };
            apply(&Moment::at(at)) as i64
        };
        prop_assert_eq!((part("year"), part("month"), part("day_of_month")), (year, month, day));
        prop_assert_eq!((part("hour"), part("minute")), (second / 3600, second / 60 % 60));
        prop_assert_eq!(part("day_of_week"), (days(year, month, day) + 4).rem_euclid(7));
        prop_assert_eq!(part("day_of_year"), days(year, month, day) - days(year, 1, 1) + 1);
        let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        prop_assert_eq!(part("days_in_month"), days(next.0, next.1, 1) - days(year, month, 1));
    }

    #[test]
    fn a_quantile_lies_between_its_neighbours(mut values in numbers(), q in 0.0f64..=1.0) {
        let found = quantile(q, &mut values);
        let (n, rank) = (values.len() - 1, q * (values.len() - 1) as f64);
        let close = |a: f64| 1e-6 * a.abs().max(1.0);
        let (below, above) = (values[rank.floor() as usize], values[(rank.ceil() as usize).min(n)]);
        prop_assert!(found >= below - close(below) && found <= above + close(above));
        prop_assert!(values.is_sorted());
    }

    #[test]
    fn a_sum_is_exact_to_the_last_bits_in_any_order(mut values in numbers()) {
        // Quarters of whole numbers: their sum is exact in any order.
        values.iter_mut().for_each(|v| *v = (*v * 4.0).round() / 4.0);
        let exact: f64 = values.iter().map(|v| (*v * 4.0) as i64).sum::<i64>() as f64 / 4.0;
        let mut sum = Sum::default();
        values.iter().rev().for_each(|v| sum.add(*v));
        prop_assert_eq!(sum.value(), exact);
        let wanted = exact / values.len() as f64;
        prop_assert!((mean(&values) - wanted).abs() <= 1e-9 * wanted.abs().max(1e-9));
    }

    #[test]
    fn a_histograms_quantile_lies_in_the_bucket_of_its_rank(
        counts in prop::collection::vec(0u32..50, 2..20),
        q in 0.0f64..=1.0,
    ) {
        let mut below = 0.0;
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for (at, count) in counts.iter().enumerate() {
            below += f64::from(*count);
            let bound = if at + 1 == counts.len() { f64::INFINITY } else { at as f64 + 1.0 };
            buckets.push((bound, below));
        }
        let (total, finite) = (below, buckets.clone());
        let found = histogram::quantile(q, &mut buckets).0;
        if total == 0.0 {
            prop_assert!(found.is_nan());
            return Ok(());
        }
        let rank = q * total;
        let at = finite.iter().position(|(_, count)| *count >= rank).unwrap();
        let last = finite.len() - 1;
        if at == last {
            prop_assert_eq!(found, finite[last - 1].0);
        } else if finite[at].1 > 0.0 {
            prop_assert!(found >= finite[at].0 - 1.0 - 1e-9 && found <= finite[at].0 + 1e-9);
        }
    }
}
