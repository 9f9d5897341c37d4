//! Lines of nginx, of JSON, and of Java, of about 217 bytes, with 200,000 request IDs and as
//! many addresses: what the benchmarks of the log store and of the whole program store.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

const REQUESTS: u64 = 200_000;

/// Request IDs that are there.
pub(crate) fn needles(count: usize) -> Vec<String> {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let ids = (0..count).map(|_| request_id(rng.random_range(0..REQUESTS)));
    ids.collect()
}

/// Bits without a pattern.
pub(crate) fn mixed(n: u64) -> u64 {
    let n = (n ^ n >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (n ^ n >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

fn request_id(n: u64) -> String {
    format!("{:016x}", mixed(n + 1))
}

/// A line of the program that a resource runs.
pub(crate) fn of(resource: usize, severity: i32, rng: &mut ChaCha8Rng) -> String {
    let request = rng.random_range(0..REQUESTS);
    match resource % 5 {
        0 | 1 => nginx(request, rng),
        2 | 3 => json(request, severity, rng),
        _ => java(request, rng),
    }
}

fn nginx(request: u64, rng: &mut ChaCha8Rng) -> String {
    let address = mixed(rng.random_range(0..200_000)) as u32;
    let [a, b, c, d] = address.to_be_bytes();
    let status = [200, 200, 200, 204, 301, 404, 500][rng.random_range(0..7)];
    format!(
        r#"{a}.{b}.{c}.{d} - - [26/Nov/2026:21:{:02}:{:02} +0000] "GET /api/v2/carts/{}/items?page={} HTTP/1.1" {status} {} "https://shop.example.com/cart" "Mozilla/5.0 (X11; Linux x86_64) Chrome/130.0" rid={} rt=0.{:03}"#,
        rng.random_range(0..60),
        rng.random_range(0..60),
        rng.random_range(0..50_000),
        rng.random_range(0..20),
        rng.random_range(200..90_000),
        request_id(request),
        rng.random_range(0..1000),
    )
}

fn json(request: u64, severity: i32, rng: &mut ChaCha8Rng) -> String {
    let level = if severity == 17 { "ERROR" } else { "INFO" };
    let message = [
        "order placed",
        "upstream call after retry",
        "timeout while waiting for inventory",
        "cache miss for the customer's profile",
        "payment authorised",
    ][rng.random_range(0..5)];
    format!(
        r#"{{"level":"{level}","logger":"com.example.shop.{}","msg":"{message}","user_id":{},"order_id":{},"duration_ms":{},"request_id":"rid={} ","region":"eu-central-{}","retries":{}}}"#,
        ["OrderService", "CartService", "PaymentGateway"][rng.random_range(0..3)],
        rng.random_range(0..50_000),
        rng.random_range(0..1_000_000),
        rng.random_range(1..3000),
        request_id(request),
        rng.random_range(1..4),
        rng.random_range(0..4),
    )
}

fn java(request: u64, rng: &mut ChaCha8Rng) -> String {
    let what = if rng.random_range(0..5_000) == 0 {
        "deadlock detected"
    } else {
        [
            "connection reset by peer",
            "timeout after waiting",
            "upstream call failed",
        ][rng.random_range(0..3)]
    };
    let class = |rng: &mut ChaCha8Rng| {
        let first = [
            "Payment",
            "Checkout",
            "Inventory",
            "Customer",
            "Order",
            "Session",
            "Price",
            "Tax",
        ];
        let last = [
            "Gateway",
            "Controller",
            "Service",
            "Repository",
            "Filter",
            "Client",
            "Mapper",
            "Cache",
        ];
        format!(
            "{}{}",
            first[rng.random_range(0..8)],
            last[rng.random_range(0..8)]
        )
    };
    let method = [
        "charge", "submit", "find", "load", "apply", "invoke", "handle", "commit",
    ];
    let (one, two) = (class(rng), class(rng));
    format!(
        "{one}Exception: {what} rid={} user={}\n\tat com.example.shop.{one}.{}({one}.java:{})\n\tat com.example.shop.{two}.{}({two}.java:{})\n\t... {} more",
        request_id(request),
        rng.random_range(0..50_000),
        method[rng.random_range(0..8)],
        rng.random_range(20..400),
        method[rng.random_range(0..8)],
        rng.random_range(20..400),
        rng.random_range(3..40),
    )
}
