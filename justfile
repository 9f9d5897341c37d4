# The everyday commands. `just` lists them.

_default:
    @just --list

# The demo: a shop that breaks, and the alert that arrives
demo *arguments:
    cargo run --release -- demo {{arguments}}

# Install what the end-to-end tests need beside Rust
setup:
    tests/setup

# Every test
test *arguments:
    cargo test {{arguments}}

# The end-to-end scenarios alone
scenarios *arguments:
    cargo test --test it {{arguments}}

# Formatting and lints, as CI has them
lint:
    cargo fmt --all --check
    cargo clippy --all-targets -- -D warnings

# Every benchmark, beside its budget
bench:
    cargo bench --workspace

# What CI runs
ci:
    .ci/run

# The pages with fixtures, without a collector
pages:
    cd ui && npm ci && npm run dev
