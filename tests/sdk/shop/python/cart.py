"""The cart of the shop: Flask over HTTP, with OpenTelemetry's instrumentation of it, and the
log lines of Python's `logging`.

    python cart.py

OTEL_* as the specification says. Prints `listening HOST:PORT`, serves until its standard input
ends, then prints one JSON line of what it sent: spans and log records, and how many of each
were acknowledged.
"""

import json
import logging
import sys
import threading
import warnings

from flask import Flask, request
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from werkzeug.serving import make_server

SENT = {"spans": 0, "spans_acknowledged": 0, "logs": 0, "logs_acknowledged": 0}


def counted(exporter, what: str):
    """The SDK's own exporter, with what it takes and gets acknowledged counted."""
    send = exporter.export

    def export(items):
        SENT[what] += len(items)
        result = send(items)
        if result.name == "SUCCESS":
            SENT[f"{what}_acknowledged"] += len(items)
        return result

    exporter.export = export
    return exporter


def logger(provider: LoggerProvider) -> logging.Logger:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        handler = LoggingHandler(logger_provider=provider)
    log = logging.getLogger("shop.cart")
    log.setLevel(logging.INFO)
    log.propagate = False
    log.addHandler(handler)
    return log


def shelves(log: logging.Logger) -> Flask:
    app = Flask("cart")

    @app.get("/carts/<int:number>")
    def cart(number: int):
        request_id = request.headers.get("x-request-id")
        if number % 10 == 3:
            log.warning("there is no cart %d request_id=%s", number, request_id)
            return "there is no such cart", 404
        if number % 10 == 6:
            log.error("cart %d cannot be read request_id=%s", number, request_id)
            raise RuntimeError("the shelf is broken")
        log.info("cart %d is read request_id=%s", number, request_id)
        return "one teapot"

    @app.after_request
    def tell_the_trace(response):
        trace_id = trace.get_current_span().get_span_context().trace_id
        response.headers["x-trace-id"] = f"{trace_id:032x}"
        return response

    return app


def main() -> None:
    traces, logs = TracerProvider(), LoggerProvider()
    traces.add_span_processor(BatchSpanProcessor(counted(OTLPSpanExporter(), "spans")))
    logs.add_log_record_processor(BatchLogRecordProcessor(counted(OTLPLogExporter(), "logs")))
    app = shelves(logger(logs))
    FlaskInstrumentor().instrument_app(app, tracer_provider=traces)
    # What Werkzeug and Flask say of each request is not needed here.
    logging.getLogger("werkzeug").disabled = True
    app.logger.disabled = True

    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"listening 127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()
    server.shutdown()
    traces.shutdown()
    logs.shutdown()
    print(json.dumps(SENT), flush=True)


if __name__ == "__main__":
    main()
