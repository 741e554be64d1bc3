"""Devices, slots and the running batch: the same files whatever the hardware."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from chunks import before_each_chunk
from jax.sharding import Mesh
from samples import picture

from jaxanon.adaptation import chunk, placing
from jaxanon.adaptation.packing import pack, pack_matrices, unpack
from jaxanon.adaptation.problem import prepare
from jaxanon.adaptation.settings import Settings, preset
from jaxanon.adaptation.slots import Slots
from jaxanon.adaptation.stream import stream
from jaxanon.classifiers import ensemble as ensemble_module
from jaxanon.classifiers.classifier import forward
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.errors import DeviceMemoryError, UsageError
from jaxanon.runtime import devices, workers
from jaxanon.runtime.meter import Meter
from jaxanon.runtime.programs import options

EIGHT_DEVICES = {
    "XLA_FLAGS": "--xla_force_host_platform_device_count=8",
    "JAX_PLATFORMS": "cpu",
    "PYTHONPATH": str(Path(__file__).parent),
    "PATH": "/usr/bin:/bin",
}
PROGRAM = """
import sys
from pathlib import Path
from types import SimpleNamespace
import jax
import numpy as np
from samples import picture, tiny
from jaxanon.adaptation.settings import preset
from jaxanon.runtime.devices import mesh
from jaxanon.pipeline.item import LoadedImage
from runs import item, quiet_run

assert jax.device_count() == 8
out, count = Path(sys.argv[1]), int(sys.argv[2])
images = [picture(i, 40 + i, 60 + 2 * i) for i in range(13)]
items = [
    item(f"{i}.png", out / f"{i}.png", lambda i=i: LoadedImage(picture(90 + i, 40, 60), images[i], None))
    for i in range(13)
]
classifiers = [tiny("a", 1), tiny("b", 2, size=40)]
settings = preset("transfer", steps=9, seed=3, max_retries=1)
options = {"mesh": mesh(count), "slots": 2, "resize_on": "host" if count == 1 else "device"}
report = quiet_run(out, items, classifiers, [], settings, **options).execute()
assert report["summary"]["done"] == 13
"""  # noqa: E501


def run_on(count, out):
    """The program on so many of eight simulated devices, in a process of its own."""
    command = [sys.executable, "-c", PROGRAM, str(out), str(count)]
    subprocess.run(command, check=True, env=EIGHT_DEVICES, timeout=300)
    return {path.name: path.read_bytes() for path in out.glob("*.png")}


@pytest.mark.slow
def test_one_two_and_eight_devices_write_identical_files(tmp_path):
    """13 images: a number that neither the slots nor the batches divide."""
    files = [run_on(count, tmp_path / str(count)) for count in (1, 2, 8)]
    assert len(files[0]) == 13
    assert files[0] == files[1] == files[2]


def test_pmap_of_the_chunk_gives_the_same_result(tmp_path):
    """`jax.pmap` is built on what we use; it must not matter."""
    program = """
import jax, numpy as np
from collections import deque
from functools import partial
from samples import picture, tiny
from jaxanon.runtime import devices
from jaxanon.adaptation.problem import prepare
from jaxanon.adaptation.settings import preset
from jaxanon.adaptation.chunk import chunk_of_steps
from jaxanon.adaptation.attempt import Attempt
from jaxanon.adaptation.slots import Slots
from jaxanon.classifiers.ensemble import Ensemble

ensemble = Ensemble([tiny("a", 1), tiny("b", 2, size=40)], mesh=devices.mesh(4))
settings = preset("fast", eps=24)
slots = Slots(ensemble, settings, slots=2)
for i in range(8):
    job = prepare(i, picture(i, 50, 70), np.array([1, 2]), ensemble, settings)
    slots.fill(deque([Attempt(job, job.problem)]))
by_device = jax.tree.map(lambda a: np.asarray(a).reshape(4, 2, *a.shape[1:]),
                         (slots._problems, slots._states))
steps = partial(chunk_of_steps, ensemble.networks, slots.settings, 1)
mapped = jax.pmap(steps, in_axes=(None, 0, 0), devices=jax.devices()[:4])
states, done = mapped(tuple(c.params for c in ensemble.classifiers), *by_device)
slots.advance()
for ours, theirs in zip(jax.tree.leaves(slots._states), jax.tree.leaves(states), strict=True):
    np.testing.assert_array_equal(ours, np.asarray(theirs).reshape(ours.shape))
assert np.asarray(slots._states.delta).any()
"""
    # `pmap` takes no options of the compiler: it is given those of `advance` by the environment.
    flags = " ".join(f"--{name}={value}" for name, value in options("cpu").items())
    env = {**EIGHT_DEVICES, "XLA_FLAGS": f"{EIGHT_DEVICES['XLA_FLAGS']} {flags}"}
    subprocess.run([sys.executable, "-c", program], check=True, env=env, timeout=300)


def test_more_devices_than_there_are_is_said():
    with pytest.raises(UsageError, match=r"devices is 4096; \d+ of kind .* can be used here"):
        devices.mesh(4096)
    with pytest.raises(UsageError, match="devices is 0"):
        devices.mesh(0)


@pytest.fixture
def sources(tinies):
    return Ensemble(tinies[:2])


def jobs(sources, settings, count=6):
    return [
        prepare(i, picture(i, 50 + i, 70), np.array([i % 10, i % 7]), sources, settings)
        for i in range(count)
    ]


OUT_OF_MEMORY = "RESOURCE_EXHAUSTED: Out of memory allocating ..."


@pytest.mark.parametrize("place", ["put", "take"])
@pytest.mark.parametrize("call", [2, 5])
def test_no_image_is_lost_wherever_memory_runs_out(sources, monkeypatch, place, call):
    """Not even those that finish together with the one whose reading fails."""
    settings = preset("fast", eps=24, confidence=float("inf"), steps=3)  # all finish at once
    everything = jobs(sources, settings)
    whole = {a.job.key: a for a in stream([everything], Slots(sources, settings, 2), fine)}
    real, calls = getattr(chunk, place), []

    def broken(*arguments):
        calls.append(place)
        if len(calls) == call:
            raise jax.errors.JaxRuntimeError(OUT_OF_MEMORY)
        return real(*arguments)

    monkeypatch.setattr(chunk, place, broken)
    out = {a.job.key: a for a in stream([everything], Slots(sources, settings, 8), fine)}
    assert len(calls) > call
    assert sorted(out) == sorted(whole)
    for key in whole:
        np.testing.assert_array_equal(out[key].image, whole[key].image)


def test_forward_passes_take_fewer_images_where_memory_runs_out(tinies, monkeypatch, caplog):
    pictures = [picture(i, 50, 70) for i in range(7)]
    whole = Ensemble(tinies[:2], batch=4).decide(pictures)
    real, most = ensemble_module.forward, 2

    def forward(network, mesh, params, pixels):
        if len(pixels) > most:
            raise jax.errors.JaxRuntimeError(OUT_OF_MEMORY)
        return real(network, mesh, params, pixels)

    monkeypatch.setattr(ensemble_module, "forward", forward)
    small = Ensemble(tinies[:2], batch=4, mesh=devices.mesh(1))
    with caplog.at_level("WARNING", logger="jaxanon"):
        np.testing.assert_array_equal(small.decide(pictures), whole)
    assert "out of memory with 4 images; going on with half of them" in caplog.text
    assert small.batch == 2
    most = 0
    with pytest.raises(DeviceMemoryError, match="does not hold one image; take fewer classifiers"):
        small.decide(pictures)


def test_settings_that_are_data_share_one_program(sources, compilations):
    everything = jobs(sources, preset("fast", eps=24))
    list(stream([everything], Slots(sources, preset("fast", eps=24), 2), fine))
    compilations.clear()
    for change in ({"seed": 1}, {"eps": 9}, {"steps": 50}, {"confidence": 0.7}, {"max_retries": 1}):
        list(stream([everything], Slots(sources, preset("fast", **change), 2), fine))
    assert compilations == []


def test_a_finished_image_is_read_where_it_is(tmp_path):
    """Not gathered from all devices first."""
    program = """
import jax, numpy as np
from samples import tiny
from jaxanon.runtime import devices
from jaxanon.adaptation import chunk, placing
from jaxanon.adaptation.settings import preset
from jaxanon.adaptation.slots import Slots
from jaxanon.classifiers.ensemble import Ensemble
slots = Slots(Ensemble([tiny("a", 1)], mesh=devices.mesh(4)), preset("fast"), slots=2)
at = jax.device_put(np.ones(4, np.int32), devices.split(slots.sources.mesh))
text = chunk.take.lower(slots.sources.mesh, slots._states, at).compile().as_text()
assert "all-gather" not in text and "all-reduce" not in text, text
"""
    subprocess.run([sys.executable, "-c", program], check=True, env=EIGHT_DEVICES, timeout=300)


def test_running_out_of_memory_halves_the_slots_and_loses_nothing(sources, monkeypatch, caplog):
    settings = preset("fast", eps=24)
    everything = jobs(sources, settings)
    whole = {a.job.key: a for a in stream([everything], Slots(sources, settings, 2), fine)}
    sizes = []

    def fits_two(slots):
        sizes.append(slots)
        if slots > 2:
            raise jax.errors.JaxRuntimeError(OUT_OF_MEMORY)

    before_each_chunk(monkeypatch, fits_two)
    with caplog.at_level("WARNING", logger="jaxanon"):
        out = {a.job.key: a for a in stream([everything], Slots(sources, settings, 8), fine)}
    assert sizes[:2] == [8, 4]
    assert sizes[2] == 2
    assert "out of memory with 8 slots; going on with half of them" in caplog.text
    assert sorted(out) == sorted(whole)
    for key in whole:
        np.testing.assert_array_equal(out[key].image, whole[key].image)


def fine(items):
    return [True] * len(items)


def test_other_errors_of_the_device_are_not_swallowed(sources, monkeypatch):
    def advance(*_):
        raise jax.errors.JaxRuntimeError("INTERNAL: something else")

    settings = preset("fast", eps=24)
    slots = Slots(sources, settings, 2)
    monkeypatch.setattr(chunk, "advance", advance)
    with pytest.raises(jax.errors.JaxRuntimeError, match="something else"):
        list(stream([jobs(sources, settings)], slots, fine))


def test_memory_for_one_image_is_the_least(sources, monkeypatch):
    slots = Slots(sources, preset("fast"), 1)
    with pytest.raises(DeviceMemoryError, match="does not hold one image"):
        slots.halve()


def test_the_number_of_slots_follows_the_memory(sources, monkeypatch, caplog):
    settings = preset("fast", eps=21)
    eight = Slots(sources, settings, 8)
    assert eight.total == 8
    monkeypatch.setattr(devices, "free_memory", lambda _: int(eight.memory * 0.6))
    with caplog.at_level("WARNING", logger="jaxanon"):
        fewer = Slots(sources, settings, 8)
    assert fewer.total == 4
    assert fewer.memory < 0.6 * eight.memory
    assert "4 slots per device instead of 8" in caplog.text
    monkeypatch.setattr(devices, "free_memory", lambda _: 1)
    assert Slots(sources, settings, 8).total == 1
    monkeypatch.setattr(devices, "free_memory", lambda _: None)
    assert Slots(sources, settings, 8).total == 8


def test_free_memory_is_known_here(tmp_path, monkeypatch):
    mesh = devices.mesh(1)
    whole = devices.free_memory(mesh)
    assert whole is not None
    assert 10**7 < whole < 10**14
    (tmp_path / "memory.max").write_text("5000000\n")
    (tmp_path / "memory.current").write_text("1000000\n")
    (tmp_path / "memory.stat").write_text("anon 900000\ninactive_file 50000\n")
    monkeypatch.setattr(devices, "CGROUP", tmp_path)
    assert devices.free_memory(mesh) == 4_050_000
    (tmp_path / "memory.max").write_text("max\n")
    assert devices.free_memory(mesh) > 10**7


def test_errors_of_jobs_and_checks_reach_the_caller(sources):
    settings = preset("fast", eps=24)

    def broken():
        yield jobs(sources, settings, 2)
        raise RuntimeError("the disk is gone")

    with pytest.raises(RuntimeError, match="the disk is gone"):
        list(stream(broken(), Slots(sources, settings, 2), fine))

    def check(_):
        raise RuntimeError("the judge is gone")

    with pytest.raises(RuntimeError, match="the judge is gone"):
        list(stream([jobs(sources, settings)], Slots(sources, settings, 2), check))


def test_no_transfer_happens_unasked(sources):
    """All that moves between host and device is put or fetched explicitly."""
    settings = preset("fast", eps=24)
    everything = jobs(sources, settings)
    slots = Slots(sources, settings, 4)
    with jax.transfer_guard("disallow"):
        assert len(list(stream([everything], slots, fine))) == len(everything)
        sources.decide_from_views([sources.look(job.pixels) for job in everything])


def shapes_of_products(text):
    """The result shapes of all convolutions and matrix products in a program's text."""
    return {
        tuple(int(n) for n in shape.split("x")[:-1])
        for line in text.splitlines()
        if "stablehlo.convolution" in line or "stablehlo.dot_general" in line
        for shape in re.findall(r"-> tensor<([0-9x]+x)f32>", line)
    }


def test_gradients_are_as_precise_as_asked(tinies):
    """No product is as imprecise as accelerators would choose; those of decisions are exact."""
    sources = Ensemble(tinies[:1])
    slots = Slots(sources, preset("fast"), 3)
    text = chunk.advance.lower(
        sources.networks, slots.settings, 1, sources.mesh, slots._params,
        slots._problems, slots._states,
    ).as_text()  # fmt: skip
    pixels = jnp.zeros((3, 32, 32, 3), jnp.uint8)
    deciding = forward.lower(sources.networks[0], sources.mesh, sources.params[0], pixels)
    for program, wanted in ((text, "HIGH"), (deciding.as_text(), "HIGHEST")):
        kinds = ("stablehlo.convolution", "stablehlo.dot_general")
        products = [line for line in program.splitlines() if any(kind in line for kind in kinds)]
        assert len(products) >= 3
        assert [line for line in products if not re.search(rf"\b{wanted}\b", line)] == []


def test_no_gradient_by_a_weight_is_in_the_program(tinies):
    """The result of a convolution or product never has a weight's shape."""
    tiny = tinies[0]
    sources = Ensemble([tiny])
    slots = Slots(sources, preset("fast"), 3)
    kernels = {leaf.shape for leaf in jax.tree.leaves(tiny.params) if leaf.ndim >= 2}
    text = chunk.advance.lower(
        sources.networks, slots.settings, 1, sources.mesh, slots._params,
        slots._problems, slots._states,
    ).as_text()  # fmt: skip
    found = shapes_of_products(text)
    assert found
    assert not found & kernels

    def loss(params):
        return tiny.network.apply(params, jnp.zeros((3, 32, 32, 3))).sum()

    control = shapes_of_products(jax.jit(jax.grad(loss)).lower(tiny.params).as_text())
    assert control & kernels, "the test would notice"


def test_results_ahead_are_in_order_bounded_and_within_the_budget():
    running, peak, drawn = set(), [], []

    def work(i):
        running.add(i)
        peak.append(sum(10 if j == 5 else 1 for j in running))
        running.discard(i)
        return i * i

    def items():
        for i in range(12):
            drawn.append(i)
            yield i

    with ThreadPoolExecutor(3) as threads:
        out = workers.ahead(work, items(), threads, 4, lambda i: 10 if i == 5 else 1, 3)
        assert next(out) == 0
        assert len(drawn) <= 5
        assert list(out) == [i * i for i in range(1, 12)]
    assert max(peak) <= 10, "the dear one ran alone"


def test_the_meter_counts_overlapping_programs_once(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(clock)))
    meter = Meter()  # 0
    meter.begin()  # 1
    meter.steady()  # 2
    meter.begin()
    meter.end()
    meter.end()  # 3: busy from 1 to 3
    with meter.stage("work"):  # 4, 5
        pass
    meter.steady()  # 6: of 2 to 6, 1 second busy
    report = meter.report()  # 7
    assert report["device_busy_steady"] == 0.25
    assert report["device_busy"] == round(2 / 7, 4)
    assert report["host_seconds"] == {"work": 1.0}
    assert report["slots_taken"] is None


def test_bfloat16_gradients_reach_the_goal_too(sources, pictures):
    import jaxanon

    wishes = np.stack([(sources.decide(pictures)[0] + 1) % 10, sources.decide(pictures)[1]])
    result = jaxanon.adapt(pictures, wishes, sources, preset("fast", eps=24, precision="bfloat16"))
    assert result.status == ["kept"] * len(pictures)
    np.testing.assert_array_equal(sources.decide(result.images), wishes)
    with pytest.raises(UsageError, match="near matches: bfloat16"):
        Settings(precision="bfloat")


def test_many_images_in_one_call_are_what_they_are_alone(sources, monkeypatch):
    """On accelerators a call writes and reads several images; here, one."""
    settings = preset("fast", eps=24)
    everything = jobs(sources, settings, 7)
    alone = {a.job.key: a for a in stream([everything], Slots(sources, settings, 4), fine)}
    monkeypatch.setattr(placing, "together", lambda platform, slots: 3)
    several = {a.job.key: a for a in stream([everything], Slots(sources, settings, 4), fine)}
    assert sorted(several) == sorted(alone)
    for key, item in alone.items():
        np.testing.assert_array_equal(several[key].image, item.image)


def test_what_is_packed_is_unpacked_bit_for_bit(sources, rng):
    problem = jobs(sources, preset("fast", keep_grey=True, seed=2**31 + 5), 1)[0].problem
    problem = problem._replace(
        one_channel=np.bool_(True), soft_labels=(rng.random(3, np.float32), np.zeros(0, np.float32))
    )
    packed, matrices = jax.tree.map(
        lambda a: np.concatenate([a, a]), (pack(problem), pack_matrices(problem))
    )
    stacked = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), problem)
    for found, wanted in zip(
        jax.tree.leaves(jax.jit(unpack)(packed, matrices, stacked)),
        jax.tree.leaves(stacked),
        strict=True,
    ):
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)


def test_accelerators_take_more_at_once_where_there_are_many():
    def mesh_of(kind: str, size: int) -> Mesh:
        device = SimpleNamespace(platform=kind)
        return SimpleNamespace(devices=np.array([device] * size), size=size)

    assert devices.at_once(mesh_of("cpu", 1), 10**6) == 4
    assert devices.at_once(mesh_of("gpu", 1)) == devices.at_once(mesh_of("tpu", 1), 1023) == 32
    assert devices.at_once(mesh_of("gpu", 1), 1024) == 128
    assert devices.at_once(mesh_of("gpu", 4), 1024) == 32
