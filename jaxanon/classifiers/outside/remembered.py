"""Answers that were paid for, kept for a run that is taken up again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import Future
from hashlib import sha256
from pathlib import Path
from threading import Lock

from jaxanon.runtime.folders import user_cache


class Remembered:
    """Answers of a run's services, in a folder of the user's that is no part of the output.

    There, since what names a question is a digest of the picture, also of originals. Every process
    has a file of its own, with a line for each answer, written before the answer is used: of a run
    that is killed, only the questions that it was asking may be asked again.

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
        self._asked: dict[str, Future[object]] = {}
        for path in sorted(self._folder.glob("*.jsonl")):
            self._read(path)

    def _read(self, path: Path) -> None:
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                key, answer = json.loads(line)
            except ValueError:
                continue  # cut off as its process died
            self._known[str(key)] = answer

    def answer(self, key: str, ask: Callable[[], object]) -> object:
        """The answer to a question, which is asked where no answer is known.

        Where another thread is asking the same, its answer is waited for. Nothing is kept of a
        question that fails: it can be asked again.

        Args:
            key: names the question.
            ask: asks it; the answer is what JSON can hold.
        """
        with self._lock:
            if key in self._known:
                return self._known[key]
            asked = self._asked.get(key)
            mine = self._asked[key] = asked or Future()
        if asked:
            return asked.result()
        try:
            answer = ask()
            self._keep(key, answer)
        except BaseException as error:
            mine.set_exception(error)
            raise
        else:
            mine.set_result(answer)
            return answer
        finally:
            with self._lock:
                del self._asked[key]

    def _keep(self, key: str, answer: object) -> None:
        line = json.dumps([key, answer]) + "\n"
        with self._lock:
            self._known[key] = answer
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._own.open("a", encoding="utf-8") as file:
                file.write(line)
