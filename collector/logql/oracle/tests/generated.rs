//! What is generated: everything the language has, and as text that looks like it.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sonde_logql_oracle::{World, query, text};

/// Hundreds of queries for lines and for numbers, as text and as the tree.
fn generated() -> String {
    let mut all = String::new();
    for seed in 0..600 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let world = World::random(&mut rng);
        let log = query::log(&mut rng, &world);
        let metric = query::metric(&mut rng, &world, true);
        all.push_str(&format!("{log:?} {metric:?}\n"));
        all.push_str(&text::log(&mut rng, &log));
        all.push_str(&text::metric(&mut rng, &metric));
    }
    all
}

#[test]
fn every_stage_and_every_operation_is_asked() {
    let all = generated();
    let words = "\
        |= != |~ !~ |> !> ip( json logfmt --strict --keep-empty regexp pattern unpack decolorize \
        line_format label_format drop keep distinct unwrap duration( duration_seconds( bytes( \
        count_over_time rate( rate_counter bytes_over_time bytes_rate avg_over_time \
        sum_over_time min_over_time max_over_time stddev_over_time stdvar_over_time \
        quantile_over_time first_over_time last_over_time absent_over_time offset by without \
        sum avg min max count stddev stdvar topk bottomk approx_topk sort sort_desc \
        label_replace vector( bool on ignoring group_left group_right and or unless + - * / % ^ \
        == >= <= Number( Duration( Bytes( Ip And( Or( Rename Template NotRegex NotEqual Regex";
    for word in words.split_whitespace() {
        assert!(all.contains(word), "{word} is never asked");
    }
}

#[test]
fn a_seed_gives_the_same_world_and_query_always() {
    let both = || {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let world = World::random(&mut rng);
        let expr = query::metric(&mut rng, &world, false);
        (format!("{world:?}"), text::metric(&mut rng, &expr))
    };
    assert_eq!(both(), both());
}
