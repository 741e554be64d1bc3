"""A run that asks a service is killed and taken up again: what was answered is not asked again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from local_service import CLASSES, LocalService
from PIL import Image
from samples import picture

from jaxanon.classifiers.outside.loading import load

PHOTOS, AT_ONCE = 50, 4
KILLS = (15, 60, 110)
"""After so many answers the run is killed."""
STOP = 85
"""After so many the service goes down for a while."""
PROGRAM = """
import sys
from command_line import with_tinies
from jaxanon.classifiers import registry
registry.ENTRIES = with_tinies()
from jaxanon.cli import main
sys.exit(main(sys.argv[1:]))
"""


@dataclass
class Unreliable(LocalService):
    """Slow, busy at times, and wrong at times, while it is `troubled`.

    Attributes:
        files: that it has given a right answer to, one after the other.
    """

    delay: float = 0.02
    troubled: bool = False
    files: list[bytes] = field(default_factory=list)
    questions: int = 0

    def answer(self, data: bytes) -> tuple[int, str]:
        with self.lock:
            self.questions += 1
            if self.troubled and self.questions % 7 == 3:
                return 429, "later"
            if self.troubled and self.questions % 31 == 5:
                return 200, json.dumps({"result": [{"label": "mauve"}]})
            self.files.append(data)
        return super().answer(data)


class Driver:
    """Starts a run, and kills it, or stops the service, once so many answers are given."""

    def __init__(self, service: Unreliable, words: list[str]) -> None:
        self.service, self.words = service, words
        self.run: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        here = Path(__file__).parent
        path = os.pathsep.join([str(here.parent), str(here)])
        command = [sys.executable, "-c", PROGRAM, *self.words]
        return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path})

    def reached(self, answers: int) -> subprocess.Popen[bytes]:
        """The run, still under way, when so many answers are given."""
        while len(self.service.files) < answers:
            if self.run is None or self.run.poll() is not None:
                self.run = self.start()
            time.sleep(0.005)
        assert self.run is not None
        return self.run

    def kill(self, answers: int) -> None:
        run = self.reached(answers)
        assert run.poll() is None, "it ended before its moment came"
        run.kill()
        run.wait()
        time.sleep(10 * self.service.delay)  # what is being answered is answered to nobody
        self.run = None

    def finish(self) -> None:
        """Have it done, by as many runs as it takes: a wrong answer fails its image."""
        for _ in range(5):
            run = self.run or self.start()
            if run.wait() == 0:
                return
            self.run = None
        raise AssertionError("it does not end")


def made(out: Path) -> tuple[dict[str, bytes], list[dict[str, object]]]:
    """Files and records of a run."""
    files = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.png")}
    rows = json.loads((out / "report.json").read_text())["images"]
    return files, [{k: v for k, v in row.items() if k != "output"} for row in rows]


def kept(cache: Path) -> set[str]:
    """What names the answers that are kept."""
    texts = [path.read_text() for path in cache.rglob("answers/*/*.jsonl")]
    return {json.loads(line)[0] for text in texts for line in text.splitlines()}


@pytest.mark.slow
@pytest.mark.parametrize("role", ["target", "oracle"])
def test_a_killed_run_asks_no_question_twice(zoo, tmp_path, monkeypatch, role):
    cache, photos, labels = tmp_path / "cache", tmp_path / "photos", tmp_path / "labels.txt"
    monkeypatch.setenv("JAXANON_CACHE", str(cache))
    photos.mkdir()
    for i in range(PHOTOS):  # the last one is another's copy
        Image.fromarray(picture(i % (PHOTOS - 1), 60, 60)).save(photos / f"{i:02}.png")
    labels.write_text("\n".join(CLASSES))
    service = Unreliable()
    with service.running():
        name = f"{service.address}#label=result[0].label&labels={labels}&at_once={AT_ONCE}"
        asked = [f"--{role}s", name] + (["--queries", "6"] if role == "oracle" else [])
        words = ["anonymize", str(photos), "--sources", zoo[0], *asked, "--preset", "fast"]
        words += ["--strength", "10", "--eps", "40", "--quiet", "-o"]
        Driver(service, [*words, str(tmp_path / "whole")]).finish()
        undisturbed = list(service.files)
        shutil.rmtree(cache / "answers")
        service.files, service.troubled = [], True
        driver = Driver(service, [*words, str(tmp_path / "out"), "--resume"])
        moments = []
        for answers in KILLS:
            if answers > STOP:
                driver.reached(STOP)
                break
            driver.kill(answers)
            moments.append((len(service.files), kept(cache)))
    time.sleep(1)
    with service.running():
        for answers in KILLS[len(moments) :]:
            driver.kill(answers)
            moments.append((len(service.files), kept(cache)))
        driver.finish()
    assert made(tmp_path / "out") == made(tmp_path / "whole")
    key = load(name).key
    for answered, known in moments:
        assert known.isdisjoint(map(key, service.files[answered:])), "what is kept is not asked for"
    assert max(Counter(undisturbed).values()) == 1
    again = sum(times - 1 for times in Counter(service.files).values())
    print(f"{role}: {len(service.files)} answers, {again} given again")
    assert again <= AT_ONCE * len(KILLS), "no more than were being asked at a kill"
