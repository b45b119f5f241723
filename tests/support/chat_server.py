"""Servers for tests: `transformers serve` on a model folder, a proxy that injects faults, and a scripted endpoint."""

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Reply = tuple[int, str] | tuple[int, str, dict[str, Any]]
"""Status, body and headers; the header `drip` is not sent: seconds between two bytes of the body."""


@contextmanager
def serve_model(folder: Path, log: Path) -> Iterator[str]:
    """Run `transformers serve` on a model folder; yields the base URL once it answers."""
    port = _free_port()
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(folder)]
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"],
            env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
            stdout=output,
            stderr=output,
        )
        try:
            _wait_until_healthy(port, process, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.kill()
            process.wait()


def _wait_until_healthy(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.05)
        finally:
            connection.close()
    raise AssertionError(f"the server did not come up:\n{log.read_text()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def completion(text: str | None, finish: str = "stop") -> str:
    """The body of a chat completion."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return json.dumps(
        {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    )


class ScriptedServer:
    """Context manager: an endpoint that answers each request with `script(body, attempt)`; attempts count from 1.

    `requests` counts how often each body came; `headers` holds those of the last request, by their names in lower case.
    """

    def __init__(self, script: Callable[[dict[str, Any], int], Reply | None]):
        self.script = script
        self.requests: Counter[str] = Counter()
        self.headers: dict[str, str] = {}
        self.most_at_once = self._now = 0
        self._lock = threading.Lock()

    def __enter__(self) -> "ScriptedServer":
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
                owner.headers = {name.lower(): value for name, value in self.headers.items()}
                reply = owner.answer(raw)
                if reply is None:  # hang up without a word
                    self.close_connection = True
                    return
                body = reply[1].encode()
                headers = dict(reply[2]) if len(reply) > 2 else {}
                drip = headers.pop("drip", None)
                try:
                    self.send_response(reply[0])
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(body)))
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    for part in [body] if drip is None else [body[i : i + 1] for i in range(len(body))]:
                        time.sleep(drip or 0)
                        self.wfile.write(part)
                except OSError:
                    self.close_connection = True  # the client gave up waiting

            def handle(self) -> None:
                with suppress(ConnectionError):  # the client had enough of a body
                    super().handle()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def answer(self, raw: str) -> Reply | None:
        """Count a request and run the script."""
        with self._lock:
            self.requests[raw] += 1
            attempt = self.requests[raw]
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            return self.script(json.loads(raw), attempt)
        finally:
            with self._lock:
                self._now -= 1


@dataclass
class Faults:
    """A script that forwards to `upstream`, but gives the first attempt of each request the next of `kinds` (None: no fault)."""

    upstream: str
    kinds: Sequence[str | None]
    patience: float
    """Seconds after which the client gives up."""

    def __post_init__(self) -> None:
        self.injected: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._next = 0

    def __call__(self, body: dict[str, Any], attempt: int) -> Reply | None:
        kind = None
        if attempt == 1:
            with self._lock:
                kind = self.kinds[self._next % len(self.kinds)]
                self._next += 1
        if kind is None:
            return self._forward(body)
        with self._lock:
            self.injected[kind] += 1
        if kind == "timeout":
            time.sleep(self.patience + 0.5)
        replies = {
            "rate_limit": (429, '{"error": {"message": "slow down"}}'),
            "server_error": (500, '{"error": {"message": "oops"}}'),
            "garbage": (200, '{"choices": [{"mess'),
            "empty": (200, completion("")),
        }
        return replies.get(kind)

    def _forward(self, body: dict[str, Any]) -> Reply:
        host = self.upstream.removeprefix("http://").split("/")[0]
        connection = http.client.HTTPConnection(host, timeout=60)
        try:
            connection.request(
                "POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"}
            )
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()
