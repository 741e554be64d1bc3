"""Answers that were paid for, kept for a run that is taken up again."""

from __future__ import annotations

import json
import os
import shutil
from hashlib import sha256
from pathlib import Path
from threading import Lock

from jaxanon.runtime.folders import user_cache


class Remembered:
    """Answers of a run's services, in a folder of the user's that is no part of the output.

    There, since what names a question is a digest of the picture, also of originals. Every process
    has a file of its own, with a line for each answer, written before the answer is used.

    Args:
        output: identity of the run's output, such as its absolute path.
        resume: whether to know the answers of an earlier run to that place; else they are removed.
    """

    def __init__(self, output: str, *, resume: bool) -> None:
        name = sha256(output.encode()).hexdigest()[:32]
        self._folder: Path = user_cache() / "answers" / name
        if not resume:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._lock = Lock()
        self._own = self._folder / f"{os.getpid()}.{os.urandom(4).hex()}.jsonl"
        self._known: dict[str, object] = {}
        for path in sorted(self._folder.glob("*.jsonl")):
            self._read(path)

    def _read(self, path: Path) -> None:
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                key, answer = json.loads(line)
            except ValueError:
                continue  # cut off as its process died
            self._known[str(key)] = answer

    def get(self, key: str) -> object:
        """The answer to a question; None where there is none yet."""
        with self._lock:
            return self._known.get(key)

    def add(self, key: str, answer: object) -> None:
        """Keep an answer, which is what JSON can hold."""
        line = json.dumps([key, answer]) + "\n"
        with self._lock:
            self._known[key] = answer
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._own.open("a", encoding="utf-8") as file:
                file.write(line)
