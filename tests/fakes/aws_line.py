"""A line to the emulator that counts what passes, and can lose a request, or the answer of one that was done, or let others go first."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class AwsLine:
    """``counted``: requests by operation (for S3 by verb), repeats included."""

    def __init__(self, emulator_url: str) -> None:
        self.target = urlsplit(emulator_url).netloc
        self.url = ""
        self.counted: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._first: dict[str, Callable[[], object]] = {}
        self._lock = threading.Lock()

    def lose(self, operation: str, times: int = 1) -> None:
        """Lose the answers of the next requests of this kind: they are done."""
        self._lost[operation] += times

    def refuse(self, operation: str, times: int = 1) -> None:
        """Lose the next requests of this kind: they are not done."""
        self._refused[operation] += times

    def before(self, operation: str, action: Callable[[], object]) -> None:
        """Let ``action`` happen, in a thread of its own, when the next request of this kind is on its way."""
        self._first[operation] = action

    def comes(self, operation: str) -> bool:
        """A request comes by; whether it may go on."""
        with self._lock:
            self.counted[operation] += 1
            action = self._first.pop(operation, None)
        if action is not None:
            action()
        return not self._taken(self._refused, operation)

    def goes_back(self, operation: str) -> bool:
        """Its answer comes by; whether it may go on."""
        return not self._taken(self._lost, operation)

    def _taken(self, count: Counter[str], operation: str) -> bool:
        with self._lock:
            found = count[operation] > 0
            count[operation] -= found
        return found


@contextmanager
def aws_line(emulator_url: str) -> Iterator[AwsLine]:
    """The line, open while the block runs, at ``url``."""
    line = AwsLine(emulator_url)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            operation = self.headers.get("X-Amz-Target", self.command).rsplit(".", 1)[-1]
            if not line.comes(operation):
                self.close_connection = True
                return
            onward = HTTPConnection(line.target, timeout=10)
            onward.request(self.command, self.path, body, dict(self.headers))
            answer = onward.getresponse()
            data = answer.read()
            onward.close()
            if not line.goes_back(operation):
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection", "date", "server", "content-length"):
                    self.send_header(name, value)
            self.send_header("Content-Length", answer.headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _forward

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    line.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield line
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
