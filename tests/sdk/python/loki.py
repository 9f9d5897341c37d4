"""A program that logs with other people's handlers of Python's logging, which push what it
says to Loki's API, then prints one JSON line of what it said.

    python loki.py --client python-logging-loki|loki-logger-handler --url URL [--lines N] [--run-id ID]

Exit code 1 when anything was not answered with success.
"""

import argparse
import json
import logging
import sys
import time

import logging_loki
from loki_logger_handler.loki_logger_handler import LokiLoggerHandler


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--client", required=True, choices=["python-logging-loki", "loki-logger-handler"])
    parser.add_argument("--url", required=True)
    parser.add_argument("--lines", type=int, default=200)
    parser.add_argument("--run-id", default="run")
    return parser.parse_args()


class Said:
    """What was logged, and what the server did not take."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.run_id = options.run_id
        self.lines: list = []
        self.errors = 0
        self.failures: list = []

    def say(self, logger: logging.Logger, number: int, **more) -> None:
        line = f'line {number:06}: "größe" \\ of {self.run_id}'
        failed = number % 10 == 9
        logger.log(logging.ERROR if failed else logging.INFO, line, **more)
        self.lines.append(line)
        self.errors += int(failed)

    def hear(self, session) -> None:
        """The handlers only print what the server did not take; here it counts."""

        def response(answer, *_, **__):
            if answer.status_code != 204:
                self.failures.append(f"{answer.status_code} {answer.text}")

        session.hooks["response"].append(response)


def logger_with(handler: logging.Handler) -> logging.Logger:
    logger = logging.getLogger("shop")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    return logger


def python_logging_loki(options: argparse.Namespace, said: Said) -> dict:
    """One request a line, JSON."""
    labels = {"job": "shop", "run": options.run_id}
    handler = logging_loki.LokiHandler(url=f"{options.url}/loki/api/v1/push", tags=labels, version="1")
    said.hear(handler.emitter.session)
    logger = logger_with(handler)
    for number in range(options.lines):
        said.say(logger, number)
    return {
        "labels": {**labels, "logger": "shop"},
        "level_label": "severity",
        "levels": {"info": "info", "error": "error"},
        "metadata": None,
    }


def loki_logger_handler(options: argparse.Namespace, said: Said) -> dict:
    """Batches of JSON, compressed with gzip; lines are JSON, and metadata goes with each."""
    labels = {"job": "shop", "run": options.run_id}
    handler = LokiLoggerHandler(
        url=f"{options.url}/loki/api/v1/push",
        labels=labels,
        label_keys=["level"],
        enable_structured_loki_metadata=True,
        loki_metadata={"service": "shop-python"},
        loki_metadata_keys=["function"],
        timeout=3600,
    )
    said.hear(handler.request.session)
    logger = logger_with(handler)
    for number in range(options.lines):
        said.say(logger, number, extra={"loki_metadata": {"order": number}})
        if number == options.lines // 2:
            # A first batch now, and the rest when the program ends.
            handler.flush_event.set()
            deadline = time.monotonic() + 30
            while handler.flush_event.is_set() or not handler.buffer.empty():
                if time.monotonic() > deadline:
                    said.failures.append("the first batch was not sent")
                    break
                time.sleep(0.01)
    handler._send()
    return {
        "labels": labels,
        "levels": {"info": "INFO", "error": "ERROR"},
        "metadata": "order",
        "json_field": "message",
    }


def main() -> int:
    options = arguments()
    said = Said(options)
    client = python_logging_loki if options.client == "python-logging-loki" else loki_logger_handler
    described = client(options, said)
    if said.failures:
        print(f"not everything was delivered to {options.url}:\n" + "\n".join(said.failures[:5]), file=sys.stderr)
        return 1
    print(json.dumps({"lines": said.lines, "errors": said.errors, **described}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
