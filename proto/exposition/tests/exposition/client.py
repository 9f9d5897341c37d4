"""Prometheus' Python client as a second reader and a second writer.

client.py read  < openmetrics    prints what the client reads, a line of JSON a sample
client.py write text|open        prints a body, then a line `---`, then the same lines
"""

import json
import struct
import sys

from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, Info, Summary
from prometheus_client import exposition as text
from prometheus_client.openmetrics import exposition as open_metrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as text_families


def bits(number):
    """A number as Sonde reads it: there is one NaN."""
    number = float(number)
    if number != number:
        return 0x7FF8000000000001
    return struct.unpack("<Q", struct.pack("<d", number))[0]


def millis(time):
    if time is None:
        return None
    if hasattr(time, "sec"):
        return time.sec * 1000 + time.nsec // 1_000_000
    return round(float(time) * 1000)


def dump(families):
    for family in families:
        for sample in family.samples:
            exemplar = sample.exemplar
            print(json.dumps({
                "name": sample.name,
                "labels": sorted(sample.labels.items()),
                "value": bits(sample.value),
                "time": millis(sample.timestamp),
                "exemplar": exemplar and [sorted(exemplar.labels.items()), bits(exemplar.value)],
            }))


def registry():
    made = CollectorRegistry()
    jobs = Counter("jobs", "Jobs \\ with\nlines.", ["queue"], registry=made)
    jobs.labels('a"b\\c\nü').inc(7, {"trace_id": "4bf92f35"})
    jobs.labels("plain").inc(1e9)
    Gauge("free_bytes", "Free.", registry=made).set(float("nan"))
    seconds = Histogram("latency_seconds", "Latency.", unit="seconds", buckets=(0.001, 1, 1e6), registry=made)
    for second in (0.5, 3, 1e9):
        seconds.observe(second, {"trace_id": "x"})
    Summary("size", "Sizes.", ["of"], registry=made).labels("x").observe(2.5)
    Info("build", "Build.", registry=made).info({"version": "1.2"})
    Enum("state", "State.", states=["on", "off"], registry=made).state("off")
    return made


def main():
    if sys.argv[1] == "read":
        dump(text_string_to_metric_families(sys.stdin.read()))
        return
    made = registry()
    body = (open_metrics if sys.argv[2] == "open" else text).generate_latest(made).decode()
    print(body, end="")
    print("---")
    parse = text_string_to_metric_families if sys.argv[2] == "open" else text_families
    dump(parse(body))


main()
