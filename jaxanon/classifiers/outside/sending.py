"""Files go to an address, and answers come back: within a time, and no longer than a bound."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import httpx

MOST_BYTES = 10_000_000
"""Bytes of an answer at most; what comes after them is not read."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Hosts that are this machine."""
TYPES = {b"\x89PNG": "image/png", b"\xff\xd8": "image/jpeg", b"RIFF": "image/webp"}
"""How the files begin that are sent -> their type."""


class Reply(NamedTuple):
    """What came back.

    Attributes:
        status: of HTTP.
        headers: by their names.
        content: decompressed; of one beyond `MOST_BYTES` its beginning, longer than that.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes


Send = Callable[[bytes], Reply]
"""Sends a file; raises TimeoutError or httpx.HTTPError where no answer comes."""


@dataclass(frozen=True)
class Sender:
    """Sends files by POST.

    Attributes:
        address: where to.
        form_field: name of the file in a form; None where it is the body.
        headers: that go with each.
        timeout: seconds from the beginning of a question until its answer is there in full.
    """

    address: str
    form_field: str | None
    headers: Mapping[str, str] = field(repr=False)  # they hold secrets
    timeout: float

    @contextmanager
    def open(self) -> Iterator[Send]:
        """What sends a file, as long as the context lasts; any thread may call it."""
        import httpx
        from anyio.from_thread import start_blocking_portal

        client = httpx.AsyncClient(
            timeout=None, headers=self.headers, trust_env=not is_here(self.address)
        )
        with start_blocking_portal() as portal, portal.wrap_async_context_manager(client):
            yield partial(portal.call, self._send, client)

    async def _send(self, client: httpx.AsyncClient, file: bytes) -> Reply:
        import anyio

        content = bytearray()
        with anyio.fail_after(self.timeout):  # httpx's own limit is one of each read
            async with client.stream("POST", self.address, **self._body(file)) as answer:
                async for part in answer.aiter_bytes():
                    content += part
                    if len(content) > MOST_BYTES:
                        break
                return Reply(answer.status_code, answer.headers, bytes(content))

    def _body(self, file: bytes) -> dict[str, Any]:
        kind = next(
            (each for start, each in TYPES.items() if file.startswith(start)),
            "application/octet-stream",
        )
        if self.form_field:
            return {"files": {self.form_field: (f"image.{kind.rpartition('/')[2]}", file, kind)}}
        return {"content": file, "headers": {"Content-Type": kind}}


def is_here(address: str) -> bool:
    """Whether an address is one of this machine."""
    return urlsplit(address).hostname in LOOPBACK
