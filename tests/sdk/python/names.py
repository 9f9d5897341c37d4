"""Every kind of instrument of the OpenTelemetry SDK for Python, sent once.

    python names.py --protocol grpc|http/protobuf --endpoint URL
                    --temporality cumulative|delta --service NAME

Exit code 1 when anything was not delivered.
"""

import argparse
import sys

from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import (
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
    View,
)
from opentelemetry.sdk.resources import Resource

# As long as the tests wait, in seconds.
PATIENCE = 240
INSTRUMENTS = (
    metrics.Counter,
    metrics.UpDownCounter,
    metrics.Histogram,
    metrics.ObservableCounter,
    metrics.ObservableUpDownCounter,
    metrics.ObservableGauge,
)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--protocol", choices=["grpc", "http/protobuf"], default="grpc")
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--temporality", choices=["cumulative", "delta"], default="cumulative")
    parser.add_argument("--service", default="names-python")
    return parser.parse_args()


def exporter(options: argparse.Namespace):
    temporality = AggregationTemporality[options.temporality.upper()]
    preferred = {instrument: temporality for instrument in INSTRUMENTS}
    if options.protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter

        return OTLPMetricExporter(endpoint=options.endpoint, insecure=True, preferred_temporality=preferred, timeout=PATIENCE)
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    return OTLPMetricExporter(endpoint=f"{options.endpoint}/v1/metrics", preferred_temporality=preferred, timeout=PATIENCE)


def observing(value: float):
    def observe(_: CallbackOptions):
        return [Observation(value)]

    return [observe]


def record(meter) -> None:
    counter = meter.create_counter("names.counter", unit="{request}")
    in_bytes = meter.create_counter("names.bytes", unit="By")
    up_down = meter.create_up_down_counter("names.up_down", unit="By")
    gauge = meter.create_gauge("names.gauge", unit="Cel")
    share = meter.create_gauge("names.share", unit="1")
    histogram = meter.create_histogram("names.histogram", unit="s")
    exponential = meter.create_histogram("names.exponential", unit="ms")
    meter.create_observable_counter("names.observable.counter", observing(11), unit="s")
    meter.create_observable_up_down_counter("names.observable.up_down", observing(-12))
    meter.create_observable_gauge("names.observable.gauge", observing(13), unit="m/s")

    counter.add(1, {"http.route": "/a"})
    in_bytes.add(2)
    up_down.add(5)
    up_down.add(-2)
    gauge.set(4)
    share.set(0.5)
    for value in (0.5, 1.5, 6):
        histogram.record(value)
        exponential.record(value)


def main() -> int:
    options = arguments()
    identity = {"service.name": options.service, "service.instance.id": f"{options.service}-1"}
    views = [
        View(instrument_name="names.histogram", aggregation=ExplicitBucketHistogramAggregation([1, 2])),
        View(instrument_name="names.exponential", aggregation=ExponentialBucketHistogramAggregation()),
    ]
    reader = PeriodicExportingMetricReader(exporter(options), export_interval_millis=3_600_000)
    provider = MeterProvider(resource=Resource(identity), metric_readers=[reader], views=views)
    record(provider.get_meter("names"))
    delivered = provider.force_flush(PATIENCE * 1000)
    provider.shutdown()
    return 0 if delivered else 1


if __name__ == "__main__":
    sys.exit(main())
