//! Expressions: a written list of the corners, and a seeded generator for what lies between.

use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// How many expressions are generated.
const GENERATED: usize = 1500;

pub(crate) fn all() -> Vec<String> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut all: Vec<String> = WRITTEN
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect();
    all.extend((0..GENERATED).map(|_| vector(&mut rng, 3, true)));
    all
}

/// What this older Prometheus answers otherwise than version 3, which we follow.
pub(crate) const EXPLAINED: &[(&str, &str)] = &[
    (
        r#"label_replace(temperature, "1.new", "x", "instance", ".*")"#,
        "any UTF-8 text is a label's name since version 3",
    ),
    (
        r#"label_join(temperature, "1.new", "-", "job")"#,
        "any UTF-8 text is a label's name since version 3",
    ),
    (
        r#"count_values("1.new", flag)"#,
        "any UTF-8 text is a label's name since version 3",
    ),
];

/// Whose answers have an order, without two equal values in a group.
pub(crate) const ORDERED: [&str; 6] = [
    "sort(temperature)",
    "sort_desc(rate(requests_total{job=\"api\"}[5m]))",
    "topk(4, temperature)",
    "bottomk(4, temperature)",
    "topk by (job) (2, temperature)",
    "bottomk by (instance) (2, temperature)",
];

/// Left out on purpose: `stddev` of one infinite value (0 before version 3, NaN since), and
/// remainders and texts of values that differ in their last bits.
/// (Before version 3 `atan2` forgets to drop the metric's name: `+ 0` does it for both.)
const WRITTEN: &str = r#"
1
-1 ^ 2
2 ^ 3 ^ 2
1 + 2 * 3 % 2 - 4 / 8
1 > bool 2
0x1f + 1e3 + .5
Inf - Inf
time()
vector(time() % 60)
pi()
temperature
{__name__=~"temp.*|flag", job="api"}
{__name__=~".+e", instance!~"a.*"}
temperature{job=~"api|nothing", instance!="b:2"}
temperature{missing=""}
temperature{missing!=""}
nothing
nothing{a="b", c=~"d"}
absent(nothing{a="b", c=~"d", e="f"})
absent(temperature)
absent(temperature{job="api", instance="a:1"})
absent_over_time(temperature{job="api", instance="a:1"}[2m])
absent_over_time(nothing{a="b"}[5m])
absent(sum(nothing))
temperature offset 5m
temperature offset -3m
temperature @ 1700001000.123
temperature @ start()
temperature @ end() offset 7m
rate(requests_total[5m] @ 1700001000.123)
rate(requests_total[5m] offset 4m)
sum by (job) (rate(requests_total[3m]))
sum without (instance) (rate(requests_total[3m]))
sum(requests_total) by (code, nothing)
topk(3, temperature)
bottomk by (job) (1, temperature)
topk(scalar(vector(2)), rate(requests_total[4m]))
topk(0, temperature)
quantile(0.3, temperature)
quantile by (job) (1.5, temperature)
quantile(-1, temperature)
count_values("value", flag)
count_values by (job) ("value", flag)
stddev(temperature)
stdvar by (job) (temperature)
group(temperature) by (job)
avg(odd)
min(odd)
max(odd)
sum(odd)
count(odd)
odd == odd
odd != odd
odd > 0
sgn(odd)
abs(odd)
round(odd)
round(odd, 0.5)
floor(odd) + ceil(odd)
sqrt(odd)
exp(odd)
ln(odd)
log2(odd)
log10(odd)
clamp(odd, -1, 2)
clamp(odd, 2, -1)
clamp_min(odd, 0)
clamp_max(odd, 0)
deg(rad(odd))
sin(odd) + cos(odd) * tan(odd)
asin(odd / 5)
atanh(odd / 5)
sinh(odd / 5) - cosh(odd / 5)
asinh(odd) + acosh(odd)
-odd
+odd
(odd atan2 2) + 0
odd % 2
odd ^ 2
2 ^ odd
min_over_time(odd[4m])
max_over_time(odd[4m])
avg_over_time(odd[4m])
sum_over_time(odd[4m])
stddev_over_time(odd[4m])
quantile_over_time(0.4, odd[4m])
count_over_time(odd[4m])
last_over_time(odd[4m])
present_over_time(odd[4m])
changes(odd[4m])
resets(odd[4m])
deriv(odd[4m])
changes(flag[10m])
resets(requests_total[20m])
irate(requests_total[5m])
idelta(temperature[5m])
increase(requests_total[10m])
delta(temperature[10m])
deriv(temperature[10m])
predict_linear(temperature[10m], 600)
predict_linear(temperature[10m] offset 3m, 600)
predict_linear(limit[10m], 60)
rate(requests_total[10s])
rate(requests_total[20s])
quantile_over_time(0.9, temperature[6m])
stdvar_over_time(temperature[6m])
max_over_time(rate(requests_total[2m])[10m:30s])
min_over_time(temperature[10m:20s])
avg_over_time(sum(flag)[7m:])
sum_over_time(temperature[10m:50s] offset 2m)
rate(requests_total[3m:10s])
max_over_time(max_over_time(flag[2m])[5m:30s])
avg_over_time(temperature[10m:1m] @ 1700001000.123)
histogram_quantile(0.9, latency_bucket)
histogram_quantile(0.5, rate(latency_bucket[5m]))
histogram_quantile(0.99, sum by (le) (rate(latency_bucket[5m])))
histogram_quantile(0.2, sum by (le, job) (increase(latency_bucket[3m])))
histogram_quantile(1, latency_bucket)
histogram_quantile(0, latency_bucket)
histogram_quantile(2, latency_bucket)
histogram_quantile(-1, latency_bucket)
histogram_quantile(0.5, {__name__=~"latency_bucket|flag"})
histogram_quantile(0.5, label_replace(latency_bucket, "__name__", "other", "job", "db"))
histogram_quantile(0.5, {__name__=~"latency_bucket"} or label_replace(latency_bucket, "__name__", "other", "job", ".*"))
label_replace(temperature, "x", "$1", "instance", "(\\D+):(\\d+)")
label_replace(temperature, "x", "$1", "instance", "(?x)(a):1")
topk by (job) (2, temperature)
bottomk by (instance) (2, temperature)
holt_winters(temperature[10m], 0.5, 1)
temperature + 017
temperature + 08
abs(temperature,)
bool
on
sum by (job) (group_left)
histogram_quantile(0.5, latency_bucket{le!="+Inf"})
histogram_quantile(0.5, latency_bucket{le="+Inf"})
label_replace(temperature, "host", "$1-x", "instance", "(.*):.*")
label_replace(temperature, "host", "${1}x", "instance", "(.*):.*")
label_replace(temperature, "host", "y", "instance", "nomatch")
label_replace(temperature, "instance", "", "instance", ".*")
label_join(temperature, "both", "/", "job", "instance", "nothing")
label_join(temperature, "job", "")
sort(temperature)
sort_desc(temperature)
scalar(temperature)
scalar(limit{job="api"})
temperature + scalar(limit{job="db"})
timestamp(temperature)
timestamp(temperature offset 2m)
timestamp(temperature + 0)
timestamp(sum(temperature))
minute()
hour(vector(1700000000))
day_of_week(timestamp(temperature))
day_of_month() + day_of_year() * 0
days_in_month(vector(1709164800))
month() * 100 + year()
year(vector(-1))
day_of_year(vector(1709251199))
temperature > 40
temperature > bool 40
40 < temperature
40 < bool temperature
temperature == temperature
temperature + flag
temperature * on (job, instance) flag
temperature / on (job) group_left limit
temperature / on (job) group_left (team) limit
limit * on (job) group_right (team) temperature
temperature > on (job) group_left limit
temperature > bool on (job) group_left limit
temperature / on (job) limit
temperature + ignoring (instance) limit
requests_total / ignoring (code) group_left sum without (code) (requests_total)
sum by (job, code) (requests_total) / ignoring (code) group_left sum by (job) (requests_total)
build_info * on (instance, job) group_left (version) temperature
temperature * on (instance, job) group_left (version) build_info
temperature and on (job) (limit > 50)
temperature unless on (job) (limit > 50)
temperature or limit
temperature or flag
(temperature > 45) or (temperature < 35)
temperature and flag > 1
temperature unless flag > 1
requests_total{code="500"} and ignoring (code) requests_total{code="404"}
vector(1) or temperature
sum(temperature) or vector(0)
(nothing or vector(3)) + 1
temperature - temperature offset 10m
sum by (job) (temperature) > 2 * sum by (job) (flag)
1 - avg by (job) (flag == bool 0)
sum(rate({__name__=~"requests_total|latency_bucket"}[5m]))
rate({__name__=~"requests_total|latency_bucket"}[5m])
{__name__=~"temperature|flag"} * 2
count({__name__!=""}) by (__name__)
sum by (__name__) ({__name__=~"t.*|f.*"})
count without () (temperature)
sum without (job, instance) (temperature)
max by (instance) (rate(requests_total{code=~"5.."}[5m]) / on (job, instance) group_left rate(requests_total{code="200"}[5m]))
avg_over_time((temperature > 40)[10m:30s])
count_over_time((flag == 1)[15m:1m])
temperature[5m]
(temperature)
((sum((temperature))))
temperature{job="api",}
SUM(temperature) BY (job)
temperature OFFSET 1m
temperature # a comment
sum(
rate()
rate(temperature)
sum(temperature, flag)
temperature[5m] + 1
temperature{job=}
{}
{job=~".*"}
1 and 2
1 == 2
"text"
temperature offset
foo bar
temperature[5m:
temperature{job="x"
topk("a", temperature)
unknown_function(temperature)
temperature + on (job
count_values(temperature)
"#;

const RANGES: [&str; 6] = ["40s", "1m", "2m", "5m", "11m", "20m"];
const BY: [&str; 8] = [
    "",
    "by (job) ",
    "by (instance) ",
    "by (job, instance) ",
    "without (instance) ",
    "without (job) ",
    "without (code, le) ",
    "by (nothing) ",
];

fn one<'a>(rng: &mut ChaCha8Rng, from: &[&'a str]) -> &'a str {
    from.choose(rng).copied().unwrap_or_default()
}

/// An expression that is a vector; with subqueries only where none is around it.
fn vector(rng: &mut ChaCha8Rng, depth: u32, subqueries: bool) -> String {
    if depth == 0 {
        return selector(rng);
    }
    match rng.random_range(0..14) {
        0 => selector(rng),
        1 | 2 => over_range(rng, depth, subqueries),
        3 | 4 => {
            let op = one(
                rng,
                &[
                    "sum", "avg", "min", "max", "count", "group", "stddev", "stdvar",
                ],
            );
            format!(
                "{op} {}({})",
                one(rng, &BY),
                vector(rng, depth - 1, subqueries)
            )
        }
        5 => {
            let op = one(rng, &["+", "-", "*", "/", "> bool", "<=", "!=", "=="]);
            format!(
                "({}) {op} {:.2}",
                vector(rng, depth - 1, subqueries),
                rng.random_range(-3.0..60.0)
            )
        }
        6 => {
            let op = one(
                rng,
                &["+", "-", "*", "/", ">", "< bool", "and", "or", "unless"],
            );
            let group = one(rng, &["job", "instance", "job, instance"]);
            let grouped = |inner: String| format!("sum by ({group}) ({inner})");
            let (lhs, rhs) = (
                vector(rng, depth - 1, subqueries),
                vector(rng, depth - 1, subqueries),
            );
            format!("{} {op} {}", grouped(lhs), grouped(rhs))
        }
        7 => {
            let function = one(
                rng,
                &[
                    "abs",
                    "ceil",
                    "floor",
                    "sgn",
                    "sqrt",
                    "ln",
                    "exp",
                    "round",
                    "sort",
                    "timestamp",
                ],
            );
            format!("{function}({})", vector(rng, depth - 1, subqueries))
        }
        8 => shaped(rng, depth, subqueries),
        9 => chosen(rng),
        10 => {
            let (inner, group) = (
                vector(rng, depth - 1, subqueries),
                one(rng, &["", "by (job) ", "without (instance) "]),
            );
            match rng.random_range(0..2) {
                0 => format!(
                    "quantile {group}({:.2}, {inner})",
                    rng.random_range(0.0..1.0)
                ),
                _ => format!("count_values {group}(\"v\", round({inner}, 0.5))"),
            }
        }
        11 => {
            let op = one(rng, &["*", "-", ">", "<= bool", "/", "=="]);
            let (many, label) = (
                vector(rng, depth - 1, subqueries),
                one(rng, &["", "(team)", "(nothing)"]),
            );
            format!(
                "({many}) {op} on (job) group_left {label} limit{}",
                offset(rng)
            )
        }
        _ => {
            let op = one(rng, &["+", "and", "or", "unless", "*", "=="]);
            let on = one(
                rng,
                &["", "on (job, instance) ", "ignoring (code, le, version) "],
            );
            format!(
                "({}) {op} {on}({})",
                vector(rng, depth - 1, subqueries),
                vector(rng, depth - 1, subqueries)
            )
        }
    }
}

/// Functions of the vector as a whole, of labels, and operators of one vector.
fn shaped(rng: &mut ChaCha8Rng, depth: u32, subqueries: bool) -> String {
    let inner = vector(rng, depth - 1, subqueries);
    match rng.random_range(0..9) {
        0 => format!("-({inner})"),
        1 => format!("({inner}) ^ 2 / 7"),
        2 => format!("absent({inner})"),
        3 => format!("clamp({inner}, 1, {:.1})", rng.random_range(0.0..60.0)),
        4 => format!("vector(scalar({inner}))"),
        5 => format!("label_replace({inner}, \"job\", \"$1.$2\", \"instance\", \"(.):(.)\")"),
        6 => format!("label_join({inner}, \"both\", \"-\", \"job\", \"code\", \"le\")"),
        7 => format!("hour({inner}) + day_of_year({inner}) * 100"),
        _ => format!("clamp_min(clamp_max({inner}, 50), 2)"),
    }
}

/// What needs an inner expression of its own kind: ranks without ties, histograms.
fn chosen(rng: &mut ChaCha8Rng) -> String {
    let range = one(rng, &RANGES);
    match rng.random_range(0..4) {
        0 => {
            let (op, k) = (one(rng, &["topk", "bottomk"]), rng.random_range(0..4u8));
            let group = one(rng, &["", "by (job) ", "without (code) "]);
            format!(
                "{op} {group}({k}, rate(requests_total{}[{range}]))",
                matchers(rng)
            )
        }
        1 => {
            let (q, group) = (
                rng.random_range(0.0..1.0),
                one(rng, &["le", "le, job", "le, instance"]),
            );
            format!(
                "histogram_quantile({q:.2}, sum by ({group}) (increase(latency_bucket[{range}])))"
            )
        }
        2 => format!(
            "predict_linear(temperature{}[{range}], {})",
            matchers(rng),
            rng.random_range(-600..600)
        ),
        _ => format!(
            "quantile_over_time({:.2}, temperature[{range}])",
            rng.random_range(-0.1..1.1)
        ),
    }
}

fn selector(rng: &mut ChaCha8Rng) -> String {
    let name = one(
        rng,
        &[
            "requests_total",
            "temperature",
            "flag",
            "latency_bucket",
            "build_info",
            "limit",
        ],
    );
    format!("{name}{}{}", matchers(rng), offset(rng))
}

fn matchers(rng: &mut ChaCha8Rng) -> &'static str {
    one(
        rng,
        &[
            "",
            "",
            "{job=\"api\"}",
            "{job!=\"api\"}",
            "{instance=~\"a:1|c:3\"}",
            "{instance!~\"b.*\", job=\"db\"}",
            "{code=\"200\"}",
            "{code!~\"5..\"}",
        ],
    )
}

fn offset(rng: &mut ChaCha8Rng) -> &'static str {
    one(
        rng,
        &["", "", "", " offset 3m", " offset -2m", " @ 1700001600.123"],
    )
}

fn over_range(rng: &mut ChaCha8Rng, depth: u32, subqueries: bool) -> String {
    let range = one(rng, &RANGES);
    if subqueries && rng.random_bool(0.25) {
        let function = one(
            rng,
            &[
                "max_over_time",
                "avg_over_time",
                "sum_over_time",
                "count_over_time",
                "last_over_time",
                "stddev_over_time",
            ],
        );
        let step = one(rng, &["10s", "30s", "47s", ""]);
        return format!(
            "{function}(({})[{range}:{step}]{})",
            vector(rng, depth - 1, false),
            offset(rng)
        );
    }
    if rng.random_bool(0.5) {
        let function = one(rng, &["rate", "increase", "irate", "resets"]);
        let name = one(rng, &["requests_total", "latency_bucket"]);
        return format!(
            "{function}({name}{}[{range}]{})",
            matchers(rng),
            offset(rng)
        );
    }
    let function = one(
        rng,
        &[
            "delta",
            "idelta",
            "deriv",
            "changes",
            "avg_over_time",
            "min_over_time",
            "max_over_time",
            "sum_over_time",
            "count_over_time",
            "last_over_time",
            "present_over_time",
            "stddev_over_time",
            "stdvar_over_time",
        ],
    );
    let name = one(rng, &["temperature", "flag", "limit"]);
    format!(
        "{function}({name}{}[{range}]{})",
        matchers(rng),
        offset(rng)
    )
}
