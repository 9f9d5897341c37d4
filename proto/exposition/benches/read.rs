//! How fast bodies are read, beside counting their lines: what node_exporter prints, as text,
//! as OpenMetrics and as protobuf.
//!
//! Needs `prometheus-node-exporter`; says so and measures nothing without it.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

#[path = "../tests/exposition/programs.rs"]
mod programs;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sonde_exposition::{
    Answer, Escaping, Family, Format, Options, Protocol, Sample, Sink, Writer, accept, read,
};
use std::hint::black_box;
use std::ops::ControlFlow;

/// Looks at everything and keeps nothing.
#[derive(Default)]
struct Count {
    samples: usize,
    bytes: usize,
}

impl Sink for Count {
    fn family(&mut self, family: &Family<'_>) -> ControlFlow<()> {
        self.bytes += family.name.len();
        ControlFlow::Continue(())
    }

    fn sample(&mut self, sample: &Sample<'_>) -> ControlFlow<()> {
        self.samples += 1;
        self.bytes += sample.name.len() + sample.labels.len();
        black_box(&sample.value);
        ControlFlow::Continue(())
    }
}

/// Writes what it is given as another format.
struct Copy<'w>(Writer<'w>);

impl Sink for Copy<'_> {
    fn family(&mut self, family: &Family<'_>) -> ControlFlow<()> {
        self.0.family(family).unwrap();
        ControlFlow::Continue(())
    }

    fn sample(&mut self, sample: &Sample<'_>) -> ControlFlow<()> {
        self.0.sample(sample).unwrap();
        ControlFlow::Continue(())
    }
}

fn written(text: &[u8], protocol: Protocol) -> Vec<u8> {
    let mut body = Vec::new();
    let answer = Answer {
        protocol,
        escaping: Escaping::Underscores,
    };
    let mut copy = Copy(Writer::new(answer, &mut body));
    read(Format::Text, text, &Options::default(), &mut copy).unwrap();
    copy.0.end().unwrap();
    body
}

fn bodies(c: &mut Criterion) {
    let Some(exporter) = programs::node_exporter() else {
        return programs::skipped("prometheus-node-exporter");
    };
    let text = exporter.get(
        "/metrics",
        &accept(&[Protocol::Text0], Escaping::Underscores),
    );
    let mut group = c.benchmark_group("node_exporter");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("lines counted", |b| {
        b.iter(|| memchr::memchr_iter(b'\n', black_box(&text)).count());
    });
    let open_metrics = written(&text, Protocol::OpenMetrics1);
    let protobuf = written(&text, Protocol::Protobuf);
    for (name, format, body) in [
        ("text read", Format::Text, &text),
        ("openmetrics read", Format::OpenMetrics, &open_metrics),
        ("protobuf read", Format::Protobuf, &protobuf),
    ] {
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut count = Count::default();
                read(format, black_box(body), &Options::default(), &mut count).unwrap();
                assert!(count.samples > 100 && count.bytes > 0);
            });
        });
    }
    for (name, protocol) in [
        ("text read and written", Protocol::Text0),
        ("text read, protobuf written", Protocol::Protobuf),
    ] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| written(black_box(&text), protocol).len());
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(30);
    targets = bodies
}
criterion_main!(benches);
