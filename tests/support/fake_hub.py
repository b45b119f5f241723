"""A Hugging Face hub on loopback: just the endpoints that resolving and downloading a model need."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit


@dataclass
class Repository:
    """A folder served as one commit. A gated one shows its description and refuses its files."""

    folder: Path
    commit: str
    gated: bool = False
    names: set[str] = field(default_factory=lambda: {"main", "v1"})

    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*") if path.is_file())


@contextmanager
def serve(repositories: dict[str, Repository]) -> Iterator[tuple[str, list[str]]]:
    """Yield (endpoint, the paths asked for so far)."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self, *, with_body: bool) -> None:
            path = unquote(urlsplit(self.path).path).strip("/")
            status, headers, body = respond(repositories, path)
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if with_body:
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()


def respond(repositories: dict[str, Repository], path: str) -> tuple[int, dict[str, str], bytes]:
    parts = path.split("/")
    is_api = parts[:2] == ["api", "models"]
    name = "/".join(parts[2:4] if is_api else parts[:2])
    if name not in repositories:
        return _error(401, "RepoNotFound")  # what the real hub says to strangers about what it does not have
    repository, rest = repositories[name], parts[4:] if is_api else parts[2:]
    verb, revision = rest[0] if rest else "revision", rest[1] if len(rest) > 1 else "main"
    if revision not in repository.names | {repository.commit}:
        return _error(404, "RevisionNotFound")
    if verb == "revision":
        return _json({"id": name, "modelId": name, "sha": repository.commit, "siblings": [], "tags": []})
    if verb == "tree":
        return _json([_entry(repository, file) for file in repository.files()])
    if repository.gated:
        return _error(403, "GatedRepo")
    file = repository.folder.joinpath(*rest[2:])
    if not file.is_file():
        return _error(404, "EntryNotFound")
    body = file.read_bytes()
    return 200, {"ETag": f'"{_digest(body)}"', "X-Repo-Commit": repository.commit}, body


def _entry(repository: Repository, file: Path) -> dict[str, object]:
    body = file.read_bytes()
    return {
        "type": "file",
        "path": file.relative_to(repository.folder).as_posix(),
        "size": len(body),
        "oid": _digest(body),
    }


def _digest(body: bytes) -> str:
    return hashlib.sha1(body, usedforsecurity=False).hexdigest()


def _json(value: object) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "application/json"}, json.dumps(value).encode()


def _error(status: int, code: str) -> tuple[int, dict[str, str], bytes]:
    return status, {"X-Error-Code": code, "X-Error-Message": code}, b"{}"
