"""A hub on this machine: what `huggingface_hub` asks of the real one, for files in memory."""

from __future__ import annotations

import hashlib
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "c0ffee" + "0" * 34


@dataclass
class Hub:
    """Repositories, and what was asked.

    Attributes:
        files: (repository, file) -> content.
        revisions: names that exist, all of the same commit.
        token: asked for, where set.
        cut: number of bytes after which the next downloads of weights end, then of the next...
        stall: where set, a cut download hangs until this event instead of ending.
        ranges: the `Range` headers of downloads.
        port: where it listens; 0 for any that is free.
    """

    files: dict[tuple[str, str], bytes]
    revisions: tuple[str, ...] = ("main", COMMIT)
    token: str | None = None
    cut: list[int] = field(default_factory=list)
    stall: threading.Event | None = None
    ranges: list[str | None] = field(default_factory=list)
    requests: int = 0
    port: int = 0
    address: str = ""

    @contextmanager
    def running(self):
        """Serve while the context lasts."""
        server = ThreadingHTTPServer(("127.0.0.1", self.port), _handler(self))
        server.daemon_threads = True
        self.port = server.server_address[1]
        self.address = f"http://127.0.0.1:{self.port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            if self.stall:
                self.stall.set()
            server.shutdown()
            server.server_close()


def _handler(hub: Hub):
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *words):
            pass

        def refuse(self, status, code):
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def answer(self, *, body):
            hub.requests += 1
            repository, _, rest = self.path.lstrip("/").partition("/resolve/")
            revision, _, file = rest.partition("/")
            if hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
                return self.refuse(401, "GatedRepo")
            if repository not in {name for name, _ in hub.files}:
                return self.refuse(404, "RepoNotFound")
            if revision not in hub.revisions:
                return self.refuse(404, "RevisionNotFound")
            if (repository, file) not in hub.files:
                return self.refuse(404, "EntryNotFound")
            data = hub.files[repository, file]
            begin = 0
            if body:
                asked = self.headers.get("Range")
                if file.startswith("model."):
                    hub.ranges.append(asked)
                begin = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
            self.send_response(206 if begin else 200)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
            self.send_header("Content-Length", str(len(data) - begin))
            if begin:
                self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
            self.end_headers()
            if not body:
                return None
            if file.startswith("model.") and hub.cut:
                self.wfile.write(data[begin : begin + hub.cut.pop(0)])
                self.wfile.flush()
                if hub.stall:
                    hub.stall.wait(60)
                return self.connection.close()
            return self.wfile.write(data[begin:])

        def do_HEAD(self):
            self.answer(body=False)

        def do_GET(self):
            self.answer(body=True)

    return Handler
