"""Training as a command: two devices, killed and resumed, refusals, and the trained GAN in use."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from jaxanon.anonymizers import anonymize
from jaxanon.anonymizers.gan import checkpoint, curves
from jaxanon.anonymizers.gan.filler import Filler
from jaxanon.anonymizers.gan.settings import TrainingSettings
from jaxanon.cli import main
from jaxanon.errors import UsageError
from jaxanon.regions.region import Region
from jaxanon.runtime.seeds import content_seed

pytestmark = pytest.mark.slow  # a real training, and steps for two devices

FEW = ["--size", "16", "--batch", "4", "--every", "2", "--devices", "1"]
TWO_DEVICES = {
    "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    "JAX_PLATFORMS": "cpu",
    "PATH": "/usr/bin:/bin",
}
ON_BOTH = """
import jax, numpy as np
from jaxanon.runtime.devices import mesh, shared
from jaxanon.anonymizers.gan.settings import TrainingSettings
from jaxanon.anonymizers.gan.step import advance, abstract_networks, initial_state

assert jax.device_count() == 2
settings = TrainingSettings(size=16, batch=4, width=2, noise=4, rate=1e-3)
faces = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
networks, results = abstract_networks(settings), []
for count in (1, 2):
    on = mesh(count)
    state = jax.device_put(initial_state(settings), shared(on))
    state, first = advance(networks, settings, on, state, jax.device_put(faces, shared(on)))
    state, second = advance(networks, settings, on, state, jax.device_put(faces, shared(on)))
    values = jax.tree.leaves((state.generator_moments, first, second))
    copies = [leaf.addressable_shards for leaf in jax.tree.leaves(state)]
    assert all(len(shards) == count for shards in copies)
    for shards in copies:
        np.testing.assert_array_equal(shards[0].data, shards[-1].data)
    results.append([np.asarray(value) for value in values])
for one, two in zip(*results, strict=True):
    np.testing.assert_allclose(one, two, rtol=2e-3, atol=1e-6)
"""


@pytest.fixture(scope="module", autouse=True)
def narrow():
    """Networks of a few channels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            TrainingSettings.__init__,
            "__defaults__",
            _narrow(TrainingSettings.__init__.__defaults__),
        )
        yield


def _narrow(defaults):
    names = list(TrainingSettings.__dataclass_fields__)
    values = dict(zip(names, defaults, strict=True)) | {"width": 2, "noise": 4, "rate": 0.01}
    return tuple(values.values())


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(0)
    for i in range(24):
        small = Image.fromarray(rng.integers(0, 256, (5, 4, 3), dtype=np.uint8))
        small.resize((24, 30)).save(folder / f"{i:02}.png")
    return folder


@pytest.fixture(scope="module")
def trained(faces, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "gan"
    assert main(["train-gan", str(faces), "-o", str(folder), *FEW, "--steps", "8", "--quiet"]) == 0
    return folder


def arrays(folder):
    place = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    settings = TrainingSettings.from_json(checkpoint.read_settings(folder))
    return [np.asarray(leaf) for leaf in jax.tree.leaves(checkpoint.load(folder, settings, place))]


def test_two_devices_learn_the_same():
    subprocess.run([sys.executable, "-c", ON_BOTH], check=True, env=TWO_DEVICES, timeout=300)


def test_what_a_training_leaves(trained):
    rows = curves.read(trained / "log.jsonl")
    assert [row["step"] for row in rows] == [2, 4, 6, 8]
    assert all(np.isfinite(value) for row in rows for value in row.values())
    assert sorted(checkpoint.found(trained)) == [4, 6, 8], "the last three"
    for name in ["losses.png", *(f"samples/step-00000{k}.png" for k in (2, 4, 6, 8))]:
        with Image.open(trained / name) as picture:
            assert min(picture.size) > 200
    assert json.loads((trained / "settings.json").read_text())["size"] == 16


def test_a_killed_training_ends_bit_by_bit_as_one_that_ran_through(faces, trained, tmp_path):
    out = tmp_path / "gan"
    command = ["train-gan", str(faces), "-o", str(out), *FEW, "--steps", "8"]
    program = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n" + NARROW
    child = subprocess.Popen(
        [sys.executable, "-c", program, *command],
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        stderr=subprocess.PIPE,
        text=True,
    )
    with child:
        for line in child.stderr:
            if line.startswith("step 4"):
                break
        child.send_signal(signal.SIGKILL)
    steps = max(checkpoint.found(out))
    assert steps in (4, 6), "in the middle"
    with (out / "log.jsonl").open("a") as log:  # as if it had died later in the interval
        log.write(json.dumps({"step": steps + 2}) + '\n{"step": ')
    (out / "checkpoints" / f"step-000000{steps + 2}.orbax-checkpoint-tmp").mkdir(exist_ok=True)
    (out / "checkpoints" / "best").mkdir()
    assert main([*command, "--resume", "--quiet"]) == 0
    for one, other in zip(arrays(out), arrays(trained), strict=True):
        np.testing.assert_array_equal(one, other)
    for name in ("log.jsonl", "settings.json", "samples/step-000008.png"):
        assert (out / name).read_bytes() == (trained / name).read_bytes()
    assert sorted(path.name for path in (out / "checkpoints").iterdir()) == [
        "best", *(f"step-000000{k}" for k in (4, 6, 8))
    ]  # fmt: skip


NARROW = """
from test_gan_training import _narrow
from jaxanon.anonymizers.gan.settings import TrainingSettings
from jaxanon.cli import main
TrainingSettings.__init__.__defaults__ = _narrow(TrainingSettings.__init__.__defaults__)
raise SystemExit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--steps", "8"], "give --resume to go on with it, or --overwrite"),
        (["--steps", "8", "--resume", "--seed", "1"], "seed 0 then, 1 now"),
        (["--steps", "8", "--resume", "--batch", "8"], "batch 4 then, 8 now"),
        (["--steps", "4", "--resume"], "steps is 4, but .* is at step 8"),
        (["--steps", "0", "--resume"], "steps is 0"),
        (["--steps", "8", "--resume", "--size", "20"], "size is 20; it must be a power of two"),
        (["--steps", "8", "--resume", "--devices", "99"], "devices is 99"),
    ],
)
def test_refusals(faces, trained, capsys, options, words):
    before = (trained / "log.jsonl").read_bytes()
    assert main(["train-gan", str(faces), "-o", str(trained), *FEW, *options]) == 2
    assert (trained / "log.jsonl").read_bytes() == before

    assert re.search(words, capsys.readouterr().err)


def test_other_faces_cannot_be_gone_on_with(faces, trained, tmp_path, capsys):
    shutil.copytree(faces, tmp_path / "faces")
    (tmp_path / "faces" / "03.png").unlink()
    command = ["train-gan", str(tmp_path / "faces"), "-o", str(trained), *FEW, "--resume"]
    assert main([*command, "--steps", "10"]) == 2
    assert "the settings differ: faces" in capsys.readouterr().err


def test_unreadable_faces_are_named_and_the_others_are_learnt_from(faces, tmp_path, capsys):
    shutil.copytree(faces, tmp_path / "faces")
    (tmp_path / "faces" / "notes").write_text("no face")
    out = tmp_path / "gan"
    command = ["train-gan", str(tmp_path / "faces"), "-o", str(out), *FEW, "--steps", "1"]
    assert main(command) == 1
    shown = capsys.readouterr().err
    assert "notes: not an image" in shown
    assert "step 1/1" in shown
    assert sorted(checkpoint.found(out)) == [1]
    assert main([*command, "--overwrite", "--quiet"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "notes: not an image" in line


@pytest.mark.parametrize("settings", [None, '{"learning_rate": 1}'])
def test_what_another_program_left_is_never_removed(faces, tmp_path, capsys, settings):
    (tmp_path / "out" / "checkpoints").mkdir(parents=True)
    kept = tmp_path / "out" / "checkpoints" / "theirs.bin"
    kept.write_bytes(b"years of work")
    if settings:
        (tmp_path / "out" / "settings.json").write_text(settings)
    command = ["train-gan", str(faces), "-o", str(tmp_path / "out"), *FEW, "--steps", "2"]
    assert main([*command, "--overwrite"]) == 2
    assert str(tmp_path / "out") in capsys.readouterr().err
    assert kept.read_bytes() == b"years of work"


def test_a_training_that_blows_up_keeps_what_was_good(faces, trained, tmp_path, capsys):
    out = tmp_path / "gan"
    shutil.copytree(trained, out)
    settings = json.loads((out / "settings.json").read_text())
    (out / "settings.json").write_text(json.dumps({**settings, "rate": 1e30}))
    command = ["train-gan", str(faces), "-o", str(out), *FEW, "--steps", "12", "--resume"]
    with pytest.MonkeyPatch.context() as patch:
        names = list(TrainingSettings.__dataclass_fields__)
        values = dict(zip(names, TrainingSettings.__init__.__defaults__, strict=True)) | {
            "rate": 1e30
        }
        patch.setattr(TrainingSettings.__init__, "__defaults__", tuple(values.values()))
        assert main(command) == 2
    assert "the training blew up before step 1" in capsys.readouterr().err
    assert sorted(checkpoint.found(out))[:3] == [4, 6, 8]


def test_a_training_that_is_there_already_says_so(faces, trained, capsys):
    command = ["train-gan", str(faces), "-o", str(trained), *FEW, "--steps", "8", "--resume"]
    assert main(command) == 0
    assert "is at step 8 already; give more --steps" in capsys.readouterr().err


def test_too_few_faces_are_refused(tmp_path, capsys):
    (tmp_path / "faces").mkdir()
    Image.new("RGB", (30, 30)).save(tmp_path / "faces" / "a.png")
    out = tmp_path / "gan"
    assert main(["train-gan", str(tmp_path / "faces"), "-o", str(out), *FEW]) == 2
    assert "1 readable faces; give a folder with at least 16" in capsys.readouterr().err
    assert not out.exists()


def test_without_matplotlib_a_word_says_so(faces, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(curves, "can_plot", lambda: False)
    out = tmp_path / "gan"
    assert main(["train-gan", str(faces), "-o", str(out), *FEW, "--steps", "1"]) == 0
    assert "no losses.png: pip install" in capsys.readouterr().err
    assert not (out / "losses.png").exists()


@pytest.fixture(scope="module")
def filler(trained):
    return Filler.load(trained)


@pytest.fixture
def scene(rng):
    image = rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)
    mask = np.zeros((90, 120), bool)
    mask[10:50, 20:50] = True
    mask[30:33, 49:70] = True
    mask[60:, 100:] = True
    return image, mask


def test_what_is_under_the_mask_has_no_influence(filler, scene, rng):
    image, mask = scene
    other = image.copy()
    other[mask] = rng.integers(0, 256, (mask.sum(), 3))
    out = filler.fill(image, mask, 3)
    assert out.tobytes() == filler.fill(other, mask, 3).tobytes()
    np.testing.assert_array_equal(out[~mask], image[~mask])
    assert not np.array_equal(out, filler.fill(image, mask, 4))
    lit = np.where(mask[..., None], image, image // 4)
    assert not np.array_equal(out[mask], filler.fill(lit, mask, 3)[mask]), "the context has one"


def test_parts_have_faces_of_their_own_and_need_no_context(filler):
    image = np.full((40, 40, 3), 90, np.uint8)
    two = np.zeros((40, 40), bool)
    two[:16, :16] = two[24:, 24:] = True
    out = filler.fill(image, two, 0)
    assert not np.array_equal(out[:16, :16], out[24:, 24:])
    for shape in [(40, 40), (20, 70), (5, 3), (1, 1)]:
        image = np.zeros((*shape, 3), np.uint8)
        whole = filler.fill(image, np.ones(shape, bool), 0)
        np.testing.assert_array_equal(whole, filler.fill(image + 255, np.ones(shape, bool), 0))
    nothing = filler.fill(image, np.zeros(image.shape[:2], bool), 0)
    np.testing.assert_array_equal(nothing, image)


def test_threads_get_the_same_and_nothing_is_compiled_again(filler, scene, compilations):
    image, mask = scene
    alone = [filler.fill(image, mask, seed) for seed in range(8)]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda seed: filler.fill(image, mask, seed), range(8)))
    np.testing.assert_array_equal(alone, together)
    assert compilations == []


def test_what_is_no_trained_gan_is_named(tmp_path, trained):
    with pytest.raises(UsageError, match=r"not a trained GAN.*jaxanon train-gan FACES"):
        Filler.load(tmp_path / "nowhere")
    shutil.copytree(trained, tmp_path / "gan")
    shutil.rmtree(tmp_path / "gan" / "checkpoints" / "step-0000008" / "state")
    with pytest.raises(UsageError, match="step-0000008: unreadable"):
        Filler.load(tmp_path / "gan")
    shutil.rmtree(tmp_path / "gan" / "checkpoints")
    with pytest.raises(UsageError, match="no checkpoint yet"):
        Filler.load(tmp_path / "gan")


def test_wrong_arguments_are_named(filler, scene):
    image, mask = scene
    for arguments, words in [
        ((image[..., 0], mask, 0), "image has shape"),
        ((image, mask[1:], 0), "mask has shape"),
        ((image, mask.astype(np.uint8), 0), "mask has shape .* type uint8"),
        ((image, mask, -1), "seed is -1"),
    ]:
        with pytest.raises(UsageError, match=words):
            filler.fill(*arguments)


def test_diagonal_neighbours_are_one_part(filler):
    image = np.full((40, 40, 3), 90, np.uint8)
    mask = np.zeros((40, 40), bool)
    mask[10:20, 10:20] = mask[20:30, 20:30] = True
    calls = []
    real = filler._draw
    filler._draw = lambda *args: calls.append(args) or real(*args)
    try:
        filler.fill(image, mask, 0)
    finally:
        filler._draw = real
    assert len(calls) == 1


def test_it_is_called_from_python_as_an_anonymizer(trained, filler, scene):
    image, mask = scene
    out = anonymize(image, "gan", gan=trained, region=Region(mask))
    around = np.where(mask[..., None], 0, image).astype(np.uint8)
    np.testing.assert_array_equal(out, filler.fill(image, mask, int(content_seed(around, 0))))
    with pytest.raises(UsageError, match="give a region with a mask"):
        anonymize(image, "gan", gan=trained)
    with pytest.raises(UsageError, match="--method gan needs --gan DIR"):
        anonymize(image, "gan")


def test_photos_that_differ_where_they_are_private_get_the_same_fill(
    trained, tmp_path, tinies, tiny_main
):
    """By the command: not even the choice of the person depends on what was there."""

    rng = np.random.default_rng(5)
    box = {"x0": 20, "y0": 15, "x1": 50, "y1": 41}
    shown = rng.integers(0, 256, (61, 81, 3), dtype=np.uint8)
    other = shown.copy()
    other[15:41, 20:50] = rng.integers(0, 256, (26, 30, 3))
    (tmp_path / "boxes.json").write_text(json.dumps([{"url": "a.png", "bboxes": [box]}]))
    words = ["--method", "gan", "--gan", trained, "--regions", tmp_path / "boxes.json", "--quiet"]
    words += ["--sources", "tf_efficientnet_lite0", "--steps", "2", "--grow", "0"]
    made = []
    for name, picture in (("one", shown), ("two", other)):
        (tmp_path / name).mkdir()
        Image.fromarray(picture).save(tmp_path / name / "a.png")
        to = ["-o", tmp_path / f"{name}-out", "--save-anonymized", tmp_path / f"{name}-hidden"]
        assert tiny_main([str(w) for w in ("anonymize", tmp_path / name, *to, *words)]) == 0
        made.append((tmp_path / f"{name}-hidden" / "a.png").read_bytes())
    assert made[0] == made[1]
    hidden = np.asarray(Image.open(tmp_path / "one-hidden" / "a.png"))
    outside = np.ones((61, 81), bool)
    outside[15:41, 20:50] = False
    np.testing.assert_array_equal(hidden[outside], shown[outside])
    shutil.rmtree(trained / "samples")  # nothing that the fill depends on
    report = json.loads((tmp_path / "two-out" / "report.json").read_text())["settings"]
    assert (report["method"], report["strength"], report["gan"]) == ("gan", None, str(trained))
    assert len(report["gan_state"]) == 2
    again = [str(w) for w in ("anonymize", tmp_path / "two", *to, *words, "--resume")]
    assert tiny_main(again) == 0
