"""A mail server for tests: STARTTLS with a certificate made at start, any login
accepted, every mail printed.

    python server.py [--certificate FILE] [--no-tls] [--refuse ADDRESS]...

Prints JSON lines: first {"listening": port, "certificate": path}, then for each mail
{"from", "to", "data", "user", "tls"}. `--certificate` is where the certificate is put for
a client that verifies it (it is made for `localhost` and 127.0.0.1). Ends on end of
input, so that it never outlives the test that holds its standard input.
"""

import argparse
import asyncio
import json
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


def say(line: dict) -> None:
    print(json.dumps(line), flush=True)


def make_certificate(directory: Path) -> tuple[Path, Path]:
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    # A server's own certificate: clients refuse a certificate authority's in its place.
    subject += ["-addext", "basicConstraints=critical,CA:FALSE"]
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        + ["-days", "2", "-keyout", str(key), "-out", str(certificate)]
        + subject,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        sys.exit(f"openssl made no certificate: {made.stderr}")
    return certificate, key


class Inbox:
    """Takes every mail, except for addresses that are refused."""

    def __init__(self, refused: list[str]) -> None:
        self.refused = refused

    async def handle_RCPT(self, _server, _session, envelope, address, _options) -> str:
        if address in self.refused:
            return f"550 no such user: {address}"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, session, envelope) -> str:
        login = session.auth_data
        say(
            {
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "data": envelope.content.decode("utf-8", "replace"),
                "user": login.login.decode() if isinstance(login, LoginPassword) else None,
                "tls": session.ssl is not None,
            }
        )
        return "250 OK"


def accept_any(_server, _session, _envelope, _mechanism, data) -> AuthResult:
    return AuthResult(success=True, auth_data=data)


async def serve(options: argparse.Namespace, directory: Path) -> None:
    tls = None
    certificate = None
    if not options.no_tls:
        certificate, key = make_certificate(directory)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, key)
        if options.certificate:
            Path(options.certificate).write_bytes(certificate.read_bytes())
            certificate = Path(options.certificate)
    loop = asyncio.get_running_loop()

    def connection() -> SMTP:
        return SMTP(
            Inbox(options.refuse),
            tls_context=tls,
            authenticator=accept_any,
            auth_require_tls=tls is not None,
            enable_SMTPUTF8=True,
            hostname="localhost",
            loop=loop,
        )

    server = await loop.create_server(connection, "127.0.0.1", 0)
    say({"listening": server.sockets[0].getsockname()[1], "certificate": str(certificate) if certificate else None})
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--certificate")
    parser.add_argument("--no-tls", action="store_true")
    parser.add_argument("--refuse", action="append", default=[])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(serve(options, Path(directory)))


if __name__ == "__main__":
    main()
