"""One cold start in a process of its own: ``python -m benchmarks.cold_function MODULE`` prints its times as JSON.

AWS is a loopback stand-in within the process; its own import and start are not in the times. The cold part is time of the processor,
which the machine's other work does not lengthen; it waits for nothing but the stand-in.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from nexus import tickets
from tests.fakes.lambda_events import Context, http_request

_WARM = 300
_SECRET = json.dumps({"ticket_private_key": tickets.new_private_key(), "cursors": "1f" * 32, "api_keys": "2f" * 32, "seal": "3f" * 32})


class _Secrets(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """GetSecretValue."""
        self.rfile.read(int(self.headers.get("content-length", "0")))
        body = json.dumps({"Name": "keys", "SecretString": _SECRET}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *parts: object) -> None:
        """Says nothing."""


def stand_in() -> None:
    """Serve the secret on loopback, and set the environment that a stack would set."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Secrets)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ.update(
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{server.server_address[1]}",
        AWS_ACCESS_KEY_ID="x",
        AWS_SECRET_ACCESS_KEY="x",  # noqa: S106 (of the stand-in)
        AWS_DEFAULT_REGION="us-east-1",
        AWS_LAMBDA_FUNCTION_NAME="measured",
        NEXUS_TABLE="nexus",
        NEXUS_BUCKET="nexus",
        NEXUS_KEYS_SECRET="keys",  # noqa: S106 (its name)
        NEXUS_CALLS_QUEUE_URL="http://127.0.0.1/queue",
        NEXUS_ANALYTICS_STREAM="nexus",
        PUBLIC_URL="https://media.example.com",
    )


def main(name: str) -> None:
    """Import the module, ask it once, then many times."""
    stand_in()
    out, sys.stdout = sys.stdout, open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 (until the end)
    request, context = http_request("GET", "/health/live"), Context()
    began = time.process_time()
    handler = importlib.import_module(name).handler
    ready = time.process_time()
    assert handler(request, context)["statusCode"] == 200
    first = time.process_time()
    warm: list[float] = []
    for _ in range(_WARM):
        start = time.perf_counter()
        handler(request, context)
        warm.append((time.perf_counter() - start) * 1000.0)
    cold = {"init_ms": (ready - began) * 1000.0, "first_ms": (first - ready) * 1000.0, "both_ms": (first - began) * 1000.0}
    told = {**cold, "warm_ms": sorted(warm)[_WARM // 2]}
    print(json.dumps(told), file=out)


if __name__ == "__main__":
    main(sys.argv[1])
