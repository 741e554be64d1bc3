"""A classifier behind an address of this machine, which can be slow, busy, or wrong."""

from __future__ import annotations

import io
import json
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from threading import Lock

import numpy as np
from local_server import serving
from PIL import Image

CLASSES = ("red", "green", "blue")


@dataclass
class LocalService:
    """Says which channel of a picture is the brightest.

    Attributes:
        delay: seconds that an answer takes.
        trouble: (status, answer) of the next questions, before it is well again; the answer is a
            text, which stands for itself.
        asked: digest of a picture -> how often it was asked about.
        answered: digest of a picture -> how often that was answered.
        headers: of the last question.
        drip: seconds between the bytes of an answer.
        drip_from: what is dripped, `headers` or `content`; what comes before is sent at once.
        endless: whether an answer is longer than anybody would read.
        sent: bytes of the last one of these that were sent.
        up: whether it runs; connections that outlive it get no answer.
        under_way: questions that wait for an answer now.
        busiest: most questions that waited at a time.
    """

    delay: float = 0.0
    trouble: list[tuple[int, str]] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    headers: dict[str, str] = field(default_factory=dict)
    address: str = ""
    drip: float = 0.0
    drip_from: str = "content"
    endless: bool = False
    sent: int = 0
    up: bool = False
    under_way: int = 0
    busiest: int = 0
    lock: Lock = field(default_factory=Lock)

    @contextmanager
    def running(self):
        port = int(self.address.split(":")[2].split("/")[0]) if self.address else 0
        with serving(_handler(self), port) as address:
            self.address, self.up = f"{address}/classify", True
            try:
                yield self
            finally:
                self.up = False

    def answer(self, data: bytes) -> tuple[int, str]:
        if self.trouble:
            return self.trouble.pop(0)
        return 200, json.dumps({"result": [{"label": CLASSES[brightest(data)]}]})


def brightest(data: bytes) -> int:
    """The brightest channel of a picture."""
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    return int(pixels.reshape(-1, 3).mean(0).argmax())


def _handler(service: LocalService):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            data = self.rfile.read(int(self.headers["Content-Length"]))
            digest = sha256(data).hexdigest()
            with service.lock:
                service.asked[digest] += 1
                service.headers = dict(self.headers)
                service.under_way += 1
                service.busiest = max(service.busiest, service.under_way)
            time.sleep(service.delay)
            with service.lock:
                service.under_way -= 1
            if not service.up:
                self.close_connection = True
                return
            if service.drip or service.endless:
                self.close_connection = True
                with suppress(OSError):  # whoever asked does not wait any more
                    self.go_on()
                return
            status, text = service.answer(data)
            self.send_response(status)
            if status in (429, 503):
                self.send_header("Retry-After", "0.05" if status == 429 else "nan")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())
            if status == 200:
                service.answered[digest] += 1

        def go_on(self):
            """An answer that takes long, or for ever."""
            status, headers = b"HTTP/1.1 200 OK\r\n", b"X-Slow: yes\r\n" * 100
            self.wfile.write(status)
            if service.drip_from == "headers":
                self.slowly(headers)
            self.wfile.write(b"\r\n")
            if service.drip:
                self.slowly(b" " * 1000)
            service.sent = 0
            while service.endless and service.sent < 80_000_000:
                service.sent += self.wfile.write(b" " * 100_000)

        def slowly(self, data):
            for byte in data:
                self.wfile.write(bytes([byte]))
                time.sleep(service.drip)

        def log_message(self, *_):
            pass

    return Handler
