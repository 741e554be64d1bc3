"""One picture of a listing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class ListEntry:
    """A picture of a run, as its line in the listing says.

    Attributes:
        place: path or URL, seen from every process.
        shown: the same as it was given: what reports and error messages call it.
        name: what the adapted picture is called, without suffix; unique, also where case is ignored
            and where dots count as other characters.
        suffix: of the picture, with its dot; may be empty.
        columns: what a list says of the picture, which is passed on.
        state: what a server says of the picture, which changes when it does; empty for files.
        trouble: why the picture cannot be used; None where it can.
    """

    place: str
    shown: str
    name: str
    suffix: str
    columns: Mapping[str, Any] = field(default_factory=dict)
    state: str = ""
    trouble: str | None = None

    def line(self) -> bytes:
        """As a line of JSON."""
        found = {key: value for key, value in asdict(self).items() if value or key == "name"}
        return f"{json.dumps(found, default=str)}\n".encode()

    @classmethod
    def read(cls, line: bytes) -> ListEntry:
        """From its line.

        Raises:
            ValueError, TypeError: for a damaged one.
        """
        return cls(**{"suffix": "", "place": "", "shown": "", **json.loads(line)})
