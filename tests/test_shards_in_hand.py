"""While the images of a shard are adapted, the last one is written and the next one read."""

import threading
import time
from concurrent.futures import CancelledError

import pytest
from test_shards import anonymize, everything, faults, shards  # noqa: F401  # a fixture

from jaxanon.display.progress import Progress
from jaxanon.errors import ImageError
from jaxanon.io.stores.folder_store import FolderStore
from jaxanon.pipeline import shard as shard_module
from jaxanon.pipeline.attempts import Attempts
from jaxanon.pipeline.engines.engine import EngineOptions
from jaxanon.pipeline.engines.local import LocalEngine
from jaxanon.pipeline.manifest import Manifest
from jaxanon.runtime.turns import Turns

LONG = 30.0


class Named:
    """A unit of work, as far as an engine looks at it."""

    def __init__(self, name):
        self.name = name


class Waiting:
    """A worker whose steps wait for each other: it ends only where they go on side by side."""

    stopped = False

    def __init__(self, count):
        self.read = [threading.Event() for _ in range(count)]
        self.adapting = [threading.Event() for _ in range(count)]
        self.threads = set()

    def steps(self, work, told):
        number, last = int(work.name), len(self.read) - 1
        self.read[number].set()
        yield
        self.threads.add(threading.get_ident())
        self.adapting[number].set()
        assert self.read[min(number + 1, last)].wait(LONG), "the next one is not read meanwhile"
        yield
        assert self.adapting[min(number + 1, last)].wait(LONG), "nothing is adapted meanwhile"
        if number == 1:
            raise ImageError("cannot be written")


def test_shards_are_read_and_written_beside_the_images_of_another(capsys):
    engine, names = LocalEngine(EngineOptions()), [Named(str(i)) for i in range(5)]
    worker = Waiting(5)
    assert engine.run(lambda: worker, names, Progress(5, quiet=True)) == ["1"]
    assert worker.threads == {threading.get_ident()}, "signals arrive in the main thread"
    assert "error: shard 1: cannot be written" in capsys.readouterr().err


def test_an_error_that_nobody_expects_is_not_lost_in_a_thread():
    class Wrong:
        stopped = False

        def stop(self):
            pass

        def steps(self, work, told):
            yield
            yield
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        LocalEngine(EngineOptions()).run(Wrong, [Named("a")], Progress(1, quiet=True))


def test_who_wants_to_be_alone_is():
    turns, inside, met = Turns(2), [], []

    def go(alone):
        for _ in range(20):
            with turns.take(alone=alone):
                inside.append(alone)
                time.sleep(0.001)
                met.append(sorted(inside))
                inside.remove(alone)

    threads = [threading.Thread(target=go, args=(alone,)) for alone in (True, False, False, False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
        assert not thread.is_alive()
    assert len(met) == 80
    assert {tuple(one) for one in met} == {(True,), (False,), (False, False)}


def test_who_waits_for_a_turn_may_be_sent_away():
    turns, ended = Turns(1), []

    def wait():
        with pytest.raises(CancelledError), turns.take():
            pass
        ended.append(True)

    thread = threading.Thread(target=wait)
    with turns.take():
        thread.start()
        turns.close()
        thread.join(LONG)
    assert ended == [True]


def test_an_interruption_while_one_waits_to_be_alone_ends_the_run(
    zoo,
    shards,  # noqa: F811
    tmp_path,
    monkeypatch,
):
    """The first shard is being written, the second adapted; the third waits for both."""
    out, real, interrupted = tmp_path / "out", shard_module.kind_of, threading.Event()

    def written_late(name):
        assert interrupted.wait(LONG)
        return real(name)

    def keep(outcome):
        if outcome.item.output.location.startswith("train-1"):
            time.sleep(0.3)  # for the third to ask for its turn
            interrupted.set()
            raise KeyboardInterrupt
        return real_keep(outcome)

    real_keep, real_deaths = shard_module._keep, Attempts.deaths
    monkeypatch.setattr(shard_module, "kind_of", written_late)
    monkeypatch.setattr(shard_module, "_keep", keep)
    monkeypatch.setattr(
        Attempts, "deaths", lambda m, name: int(name == "train-2.tar") or real_deaths(m, name)
    )
    assert anonymize(zoo, shards, out, "--quiet") == 130
    assert not [path for path in out.rglob("*") if path.suffix in (".part", ".attempts")]
    assert [done.shard for done in Manifest(FolderStore(out)).shards()] == ["train-0.tar"]


def test_a_shard_over_which_a_worker_died_is_adapted_alone(zoo, shards, tmp_path, monkeypatch):  # noqa: F811
    out, seen = tmp_path / "out", []
    dead = out / "manifest" / "train-1.tar.attempts" / "host.1.dead"
    real = shard_module._keep

    def keep(outcome):
        begun = {path.parent.name for path in out.rglob("*.attempts/*") if path != dead}
        seen.append((outcome.item.output.location.partition("/")[0], begun))
        return real(outcome)

    real_begin = Manifest.begin

    def begin(manifest, run, **more):
        real_begin(manifest, run, **more)
        dead.parent.mkdir(parents=True)
        dead.touch()

    monkeypatch.setattr(shard_module, "_keep", keep)
    monkeypatch.setattr(Manifest, "begin", begin)
    assert anonymize(zoo, shards, out, "--quiet") == 0
    assert len(seen) == 9
    for shard, begun in seen:
        assert f"{shard}.attempts" in begun
        assert len(begun) <= (1 if shard == "train-1.tar" else shard_module.IN_HAND)


def test_an_interruption_leaves_no_shard_in_hand(zoo, shards, tmp_path, monkeypatch, capsys):  # noqa: F811
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert anonymize(zoo, shards, whole, "--quiet") == 0
    real, seen = shard_module._keep, []

    def keep(outcome):
        seen.append(outcome)
        if len(seen) == 5:
            raise KeyboardInterrupt
        return real(outcome)

    with monkeypatch.context() as change:
        change.setattr(shard_module, "_keep", keep)
        assert anonymize(zoo, shards, out) == 130
    assert "give --resume to go on" in capsys.readouterr().err
    left = [p.name for p in out.rglob("*") if p.suffix in (".part", ".attempts")]
    assert left == []
    assert [done.shard for done in Manifest(FolderStore(out)).shards()] == ["train-0.tar"]
    assert anonymize(zoo, shards, out, "--resume", "--quiet") == 0
    assert everything(out) == everything(whole)
    assert faults(out) == []
