"""From a hub to decisions, against a hub on this machine; each step in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from local_hub import COMMIT, Hub
from safetensors.numpy import save

from jaxanon import load_classifier
from jaxanon.classifiers import registry
from jaxanon.classifiers.random_weights import draw, pixels
from jaxanon.classifiers.weights.port import expected

NAME = "mobilenetv3_large_100"
TAGGED = f"{NAME}.ra_in1k"
CHUNK = 10 * 2**20
"""What the hub's library writes at a time: less than that is not resumed."""
CLASSES, SIZE = 7, 64
LOAD = """
import sys, numpy as np, jaxanon
from jaxanon.classifiers.random_weights import pixels
classifier = jaxanon.load_classifier(*sys.argv[1:])
print(classifier.name, classifier.config.origin, classifier.config.licence)
print(np.asarray(classifier.logits(pixels((2, 64, 64, 3)))).argmax(1).tolist())
"""
ONCE_MORE = """
from jaxanon.classifiers import loading
def refuse(*_):
    raise AssertionError("converted again")
loading.port = refuse
"""


def weights():
    return draw(expected(registry.find(NAME).build(CLASSES, SIZE)))


@pytest.fixture(scope="module")
def files():
    config = {
        "architecture": NAME,
        "num_classes": CLASSES,
        "pretrained_cfg": {"tag": "ra_in1k", "input_size": [3, SIZE, SIZE], "license": "mit"},
    }
    return {
        (f"timm/{TAGGED}", "model.safetensors"): save(weights()),
        (f"timm/{TAGGED}", "config.json"): json.dumps(config).encode(),
    }


@pytest.fixture
def hub(files):
    with Hub(dict(files)).running() as hub:
        yield hub


@pytest.fixture(scope="module")
def decisions(files, tmp_path_factory):
    """What the same weights decide when loaded from a folder."""
    folder = tmp_path_factory.mktemp("local")
    for (_, name), data in files.items():
        (folder / name).write_bytes(data)
    logits = load_classifier(NAME, folder).logits(pixels((2, SIZE, SIZE, 3)))
    return str(np.asarray(logits).argmax(1).tolist())


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Where all these processes keep what they compile: it is the same network each time."""
    return {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("compiled")),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }


@pytest.fixture
def start(hub, compiled, tmp_path):
    """Starts python with code and words, with caches of files of this test's own."""

    def start(*words, offline=False, **more):
        env = {
            **os.environ,
            "HF_ENDPOINT": hub.address,
            "HF_HOME": str(tmp_path / "hub"),
            "HF_HUB_OFFLINE": "1" if offline else "0",
            "HF_HUB_DOWNLOAD_TIMEOUT": "5",
            "JAXANON_CACHE": str(tmp_path / "cache"),
            **compiled,
            **more,
        }
        command = [sys.executable, *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=env, stdout=pipe, stderr=pipe, text=True)

    return start


@pytest.fixture
def run(start):
    def run(*words, **more):
        process = start(*words, **more)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    return run


def unfinished(tmp_path):
    return list((tmp_path / "cache").rglob(".unfinished-*"))


def test_hub_to_decision_and_again_offline_without_converting(run, hub, decisions, tmp_path):
    code, out, err = run("-c", LOAD, NAME)
    assert code == 0, err
    assert out.splitlines() == [
        f"{TAGGED} {hub.address}/timm/{TAGGED}/tree/{COMMIT} mit",
        decisions,
    ]
    asked = hub.requests
    code, out, err = run("-c", ONCE_MORE + LOAD, NAME, offline=True)
    assert code == 0, err
    assert out.splitlines()[1] == decisions
    assert hub.requests == asked, "what lies in the cache is not asked for again"
    assert not unfinished(tmp_path)
    # The cache is found by content: the same weights without their hub.
    for folder in (tmp_path / "hub" / "hub").glob("models--*"):
        local = next(folder.glob("snapshots/*"))
    code, out, err = run("-c", ONCE_MORE + LOAD, f"{NAME}@{local}", offline=True)
    assert (code, out.splitlines()[1]) == (0, decisions), err


@pytest.mark.slow
def test_pull_goes_on_where_a_download_was_cut_off(run, hub, decisions):
    hub.cut = [CHUNK + 100_000]
    code, out, err = run("-m", "jaxanon", "models", "pull", NAME, "mobilenetv2_050")
    assert code == 1
    assert f"{TAGGED}: ready, from {hub.address}/timm/{TAGGED}/tree/{COMMIT}" in out
    assert "timm/mobilenetv2_050.lamb_in1k does not exist, or is private" in err
    assert [str(asked).partition("-")[0] for asked in hub.ranges] == ["None", f"bytes={CHUNK}"]
    code, out, err = run("-c", ONCE_MORE + LOAD, NAME, offline=True)
    assert (code, out.splitlines()[1]) == (0, decisions), err


def test_a_hub_that_comes_back_is_asked_again(start, files, decisions, tmp_path):
    away = Hub(files)
    with away.running():
        pass
    loud = LOAD.replace("classifier =", "print('asking', flush=True)\nclassifier =", 1)
    process = start("-c", loud, NAME, HF_ENDPOINT=away.address)
    assert process.stdout.readline() == "asking\n"
    assert any("Retrying" in line for line in process.stderr), "gave up, or was never refused"
    with away.running():
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out.splitlines()[1]) == (0, decisions), err


@pytest.mark.slow
def test_a_killed_download_leaves_nothing_that_counts(start, run, hub, decisions, tmp_path):
    hub.cut, hub.stall = [CHUNK + 100_000], threading.Event()
    process = start("-c", LOAD, NAME)
    deadline = time.monotonic() + 60

    def arrived():
        parts = (tmp_path / "hub").rglob("*.incomplete")
        return sum(part.stat().st_size for part in parts)

    while arrived() < CHUNK and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert arrived() == CHUNK
    hub.stall.set()
    code, out, err = run("-c", LOAD, NAME)
    assert (code, out.splitlines()[1]) == (0, decisions), err
    assert len(hub.ranges) == 2


@pytest.mark.slow
def test_a_damaged_download_is_found_and_fetched_again(run, hub, decisions, tmp_path):
    assert run("-c", LOAD, NAME)[0] == 0
    file = next((tmp_path / "hub").rglob("model.safetensors")).resolve()
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    code, _, err = run("-c", LOAD, NAME, offline=True)
    assert code == 1
    assert "damaged: its SHA-256 is" in err
    assert "'jaxanon models pull' with the classifier's name" in err
    assert run("-m", "jaxanon", "models", "pull", NAME)[0] == 0
    code, out, err = run("-c", LOAD, NAME, offline=True)
    assert (code, out.splitlines()[1]) == (0, decisions), err


@pytest.mark.slow
def test_a_killed_load_leaves_nothing_behind_that_counts(run, decisions, tmp_path):
    kill = """
import os, signal
from orbax.checkpoint import v1 as ocp
save = ocp.save
def half(path, params):
    save(path, params)
    os.kill(os.getpid(), signal.SIGKILL)
ocp.save = half
"""
    assert run("-c", kill + LOAD, NAME)[0] == -signal.SIGKILL
    (left,) = unfinished(tmp_path)
    os.utime(left, (0, 0))  # of another day
    code, out, err = run("-c", LOAD, NAME, offline=True)
    assert (code, out.splitlines()[1]) == (0, decisions), err
    assert not unfinished(tmp_path)
    assert len(list((tmp_path / "cache" / "ported").rglob("facts.json"))) == 1


@pytest.mark.slow
def test_a_damaged_cache_is_made_anew(run, decisions, tmp_path):
    assert run("-c", LOAD, NAME)[0] == 0
    cache = tmp_path / "cache"
    largest = max((f for f in cache.rglob("*") if f.is_file()), key=lambda f: f.stat().st_size)
    largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])
    code, out, err = run("-c", LOAD, NAME, offline=True)
    assert (code, out.splitlines()[1]) == (0, decisions), err
    assert "removed, unreadable" in err
    code, out, err = run("-c", ONCE_MORE + LOAD, NAME, offline=True)
    assert (code, out.splitlines()[1]) == (0, decisions), err


def test_what_cannot_be_fetched_is_said_with_the_way_out(run, hub):
    code, _, err = run("-m", "jaxanon", "models", "pull", "resnet18", offline=True)
    assert code == 1
    for text in (
        f"{hub.address}/timm/resnet18.a1_in1k is not asked, since HF_HUB_OFFLINE is set",
        "hub: nothing",
        "'jaxanon models pull resnet18.a1_in1k' fetches it",
        "resnet18.a1_in1k@PATH",
    ):
        assert text in err
    told = {
        "resnet18.no_such": "no_such does not exist, or is private",
        "mobilenetv2_035": "no weights of it are published",
        f"{NAME}@hf-hub:timm/{TAGGED}@v9": "has no revision 'v9'",
        f"{NAME}@hf-hub:nonsense": "is not of the form hf-hub:OWNER/NAME[@REVISION]",
    }
    code, out, err = run("-m", "jaxanon", "models", "pull", *told, NAME)
    assert code == 1
    assert [text for text in told.values() if text not in err] == []
    assert "pull resnet18.no_such' fetches it" in err
    assert f"{TAGGED}: ready" in out, "the others go on"
    nowhere = "http://127.0.0.1:9"
    impatient = "import time, jaxanon.cli; time.sleep = int; raise SystemExit(jaxanon.cli.main())"
    code, _, err = run(
        *("-c", impatient, "models", "pull", "resnet34", "vgg11"), HF_ENDPOINT=nowhere
    )
    assert code == 1
    assert f"{nowhere}/timm/resnet34.a1_in1k cannot be fetched (ConnectError" in err
    assert f": timm/{TAGGED}\n" in err, "what is cached"
    assert "vgg11.tv_in1k could not be reached a moment ago" in err


@pytest.mark.slow
def test_weights_that_another_program_fetched_get_their_configuration(run, hub, tmp_path):
    assert run("-c", LOAD, NAME)[0] == 0
    for config in (tmp_path / "hub").rglob("config.json"):
        config.unlink()
    hub.ranges.clear()
    code, out, err = run("-c", LOAD, NAME)
    assert code == 0, err
    assert (out.split()[2], hub.ranges) == ("mit", []), "the configuration alone is fetched"


@pytest.mark.slow
def test_weights_in_several_files(run, hub, decisions, tmp_path):
    state = weights()
    where = {key: f"model-{i % 2 + 1:05}-of-00002.safetensors" for i, key in enumerate(state)}
    repository = f"timm/{TAGGED}"
    del hub.files[repository, "model.safetensors"]
    index = json.dumps({"weight_map": where}).encode()
    hub.files[repository, "model.safetensors.index.json"] = index
    first, second = sorted(set(where.values()))
    parts = {
        file: save({k: state[k] for k in where if where[k] == file}) for file in where.values()
    }
    hub.files[repository, first] = parts[first]
    code, _, err = run("-c", LOAD, NAME)
    assert code == 1
    assert f"{repository} lacks {second}, which its index names" in err
    hub.files[repository, second] = parts[second]
    code, out, err = run("-c", LOAD, NAME)
    assert (code, out.splitlines()[1:]) == (0, [decisions]), err
    code, out, err = run("-c", ONCE_MORE + LOAD, NAME, offline=True)
    assert (code, out.splitlines()[1:]) == (0, [decisions]), err
    cached = next((tmp_path / "hub").rglob(second)).resolve()
    cached.write_bytes(cached.read_bytes()[:-1] + b"x")
    code, _, err = run("-c", LOAD, NAME, offline=True)
    assert code == 1
    assert f"{second}: damaged" in err


@pytest.mark.slow
def test_a_repository_of_ones_own_at_a_revision_with_a_token(run, hub, decisions):
    for (repository, file), data in list(hub.files.items()):
        hub.files["me/mine", file] = hub.files.pop((repository, file))
        assert data
    hub.token = "secret"
    asked = f"{NAME}@hf-hub:me/mine@{COMMIT}"
    code, _, err = run("-m", "jaxanon", "models", "pull", asked)
    assert code == 1
    assert "is gated: ask there for access, and set HF_TOKEN" in err
    code, out, err = run("-c", LOAD, asked, HF_TOKEN="secret")
    assert code == 0, err
    assert out.splitlines()[0] == f"{TAGGED} {hub.address}/me/mine/tree/{COMMIT} mit"
    assert out.splitlines()[1] == decisions
