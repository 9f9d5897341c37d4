//! What is no expression, and what is worded otherwise.

/// What this older Prometheus words otherwise than version 3, which we follow, or than we do
/// on purpose.
pub(crate) const WORDED_OTHERWISE: &[(&str, &str)] = &[
    (
        "holt_winters(temperature[10m], 0.5, 1)",
        "version 3 calls it double_exponential_smoothing",
    ),
    ("hour(vector(1700000000))", NO_EXPONENTS),
    ("days_in_month(vector(1709164800))", NO_EXPONENTS),
    ("day_of_year(vector(1709251199))", NO_EXPONENTS),
    ("temperature offset", DURATIONS),
    ("temperature[5m:", DURATIONS),
    ("m[5m", DURATIONS),
    ("m[5m:", DURATIONS),
    ("m[5m:1m", DURATIONS),
    ("m[5]m", "a number of seconds is a duration since version 3"),
    ("m[]", DURATIONS),
    ("m[5x]", DURATIONS),
    ("m[5m:1m:1m]", DURATIONS),
    ("m offset", DURATIONS),
    (
        "{__name__=\"m\", __name__=\"n\"}",
        "version 3 sees a second name in the braces",
    ),
    ("\"é\" é", "columns are characters here, and bytes there"),
    (
        "m{a=~\"(\"}",
        "what is wrong with a regular expression is said by another program",
    ),
];

const NO_EXPONENTS: &str = "version 3 writes numbers with all their digits";
const DURATIONS: &str = "version 3 reads durations by a grammar of their own";

/// What is no expression, beside what the other list has of it.
pub(crate) fn wrong() -> Vec<String> {
    let lines = WRONG.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

const WRONG: &str = r#"
1 +
m n
m{a="1"
m{a}
m{a=1}
m{a=b}
m{,}
m{a="1",,}
m{a="1" b="2"}
m{__name__="n"}
{__name__="m", __name__="n"}
{}
{a=~".*"}
m{a!"x"}
m{{
m[5m
m[5m:
m[5m:1m
m[5m]]
m[5]m
m[0m]
m[5m1h]
m[99999999999999999999y]
m[]
m[5x]
m[5m:1m:1m]
sum(m)[5m]
(m offset 5m)[5m]
m offset 5m [5m]
m @ 1 [5m]
m offset 5m offset 5m
m @ 1 @ 2
m @ Inf
m @ NaN
m @ 1e300
m @ foo
m @ start
m @ start(
m offset
1 offset 5m
1 @ 5
m[5m][5m]
1[5m:1m]
m[5m] + 1
1 + "a"
"a" + 1
-"a"
-m[5m]
1 == 2
1 and 2
m and 2
m + bool 1
m + on (a) 1
1 + ignoring (a) m
m and on (a) group_left m
m * on (a) group_left (a) m
m * on (a,,b) m
m * on m
m + group_left m
rate(m)
abs(m[5m])
rate(m[5m], 1)
round()
round(m, 1, 2)
time(1)
label_join(m)
nope(m)
sum(m, m)
topk(m)
topk("a", m)
count_values(1, m)
sum(1)
sum()
sum by job (m)
sum m
sum bool
sum(m) by
sum(m) by (a
sum(bool)
sum(abs(m n))
sum by (job) (group_left)
sum(m
(m
m)
()
]
}
bool
on
ignoring + 1
group_left
atan2
1 + * 2
m = 1
m =~ 1
m ! 1
m & n
"a
'a
`a
m{a="x
é
"é" é
# nothing
1..2
5mm
abs(m,)
abs(,m)
abs m
abs(m m)
{a="b"}{c="d"}
rate(m) & n
1 + m{é="1"}
m "123456789012"
m 123456789012
m 5m
a:b c:d
m +
  sum(1)
unless unless
by (a)
offset offset 5m offset 5m
start start
"#;
