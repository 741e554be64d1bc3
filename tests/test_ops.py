import json
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxanon.classifiers.layers.activations import relu, relu6
from jaxanon.classifiers.ops import conv_pool as ops
from jaxanon.classifiers.ops import depthwise, lowerings, patches, stem, windows, winograd

BENCHMARKS = Path(__file__).parent.parent / "docs" / "benchmarks"


@pytest.mark.parametrize("padding", ["same", 0, 1, 2])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("side", [3, 5])
@pytest.mark.parametrize("size", [(9, 12), (8, 7)])
def test_depthwise_equals_the_library_in_value_and_gradient(rng, padding, stride, side, size):
    x = jnp.asarray(rng.normal(size=(2, *size, 6)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(side, side, 6)), jnp.float32)
    around = windows.pads(padding, size, (side, side), stride)

    @partial(jax.jit, static_argnums=0)
    def value_and_gradient(operation, x):
        y, vjp = jax.vjp(lambda x: operation(x, kernel, stride, around), x)
        return y, vjp(jnp.sin(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape))[0]

    ours = value_and_gradient(depthwise.by_shifts, x)
    theirs = value_and_gradient(depthwise.by_library, x)
    for mine, reference in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, reference, atol=1e-5)


def test_depthwise_under_vmap(rng):
    x = jnp.asarray(rng.normal(size=(3, 1, 8, 8, 4)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(3, 3, 4)), jnp.float32)
    gradient = jax.jit(jax.grad(lambda x: (depthwise.depthwise(x, kernel, 2, "same") ** 2).sum()))
    whole = jnp.stack([gradient(one) for one in x])
    np.testing.assert_allclose(jax.vmap(gradient)(x), whole, atol=1e-5)


def test_same_padding_is_tensorflows_rule():
    assert windows.pads("same", (224, 224), (3, 3), 2) == ((0, 1), (0, 1))
    assert windows.pads("same", (225, 7), (3, 3), 2) == ((1, 1), (1, 1))
    assert windows.pads("same", (7, 7), (5, 5), 1) == ((2, 2), (2, 2))
    assert windows.pads(3, (7, 7), (7, 7), 2) == ((3, 3), (3, 3))


def test_pointwise_is_a_1x1_convolution(rng):
    x = jnp.asarray(rng.normal(size=(2, 5, 4, 3)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(3, 7)), jnp.float32)
    np.testing.assert_allclose(
        ops.pointwise(x, kernel), ops.conv(x, kernel[None, None], 1, 0), atol=1e-5
    )


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("fused", [True, False])
def test_pointwises_forms_on_a_gpu_equal_the_product(rng, monkeypatch, stride, fused):
    x = jnp.asarray(rng.normal(size=(2, 6, 7, 4)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(4, 5)), jnp.float32)
    y, back = jax.vjp(lambda x: x[:, ::stride, ::stride] @ kernel, x)
    monkeypatch.setattr(ops, "target", lambda: "gpu")
    on_gpu, its_back = jax.vjp(lambda x: ops.pointwise(x, kernel, stride, fused=fused), x)
    np.testing.assert_allclose(on_gpu, y, atol=1e-5)
    np.testing.assert_allclose(its_back(jnp.sin(y))[0], back(jnp.sin(y))[0], atol=1e-5)


def test_no_gradient_by_the_kernel_is_computed(rng):
    """The custom gradient returns none, so asking for it gives zeros, by design."""
    x = jnp.asarray(rng.normal(size=(1, 6, 6, 2)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(3, 3, 2)), jnp.float32)
    by_kernel = jax.grad(lambda k: depthwise.by_shifts(x, k, 1, ((1, 1), (1, 1))).sum())(kernel)
    assert not np.asarray(by_kernel).any()


def value_and_gradient(operation, x):
    y, vjp = jax.vjp(operation, x)
    return y, vjp(jnp.sin(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape))[0]


@pytest.mark.parametrize(("side", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 2, 0)])
def test_max_pool_equals_the_library_in_value_and_gradient(rng, side, stride, padding):
    x = jnp.asarray(rng.normal(size=(2, 9, 12, 4)), jnp.float32)

    around = ((padding, padding), (padding, padding))
    ours, library = (
        value_and_gradient(lambda x, form=form: form(x, side, stride, around), x)
        for form in (ops.max_pool_shifted, ops.max_pool_library)
    )
    for mine, reference in zip(ours, library, strict=True):
        np.testing.assert_allclose(mine, reference, atol=1e-6)


def test_max_pool_gives_the_gradient_to_the_first_of_equals():
    gradient = jax.grad(lambda x: ops.max_pool(x, 2, 2).sum())(jnp.ones((1, 2, 4, 1)))
    np.testing.assert_array_equal(gradient[0, :, :, 0], [[1, 0, 1, 0], [0, 0, 0, 0]])


def test_average_pools(rng):
    x = rng.normal(size=(1, 5, 5, 2)).astype(np.float32)
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    means = [[padded[0, i : i + 3, j : j + 3].mean((0, 1)) for j in range(5)] for i in range(5)]
    np.testing.assert_allclose(ops.average_pool(jnp.asarray(x), 3, 1, 1)[0], means, atol=1e-6)
    halves = [
        [x[0, i : i + 2, j : j + 2].mean((0, 1)) for j in range(0, 5, 2)] for i in range(0, 5, 2)
    ]
    np.testing.assert_allclose(ops.halve(jnp.asarray(x))[0], halves, atol=1e-6)


@pytest.mark.parametrize(("length", "side"), [(2, 7), (3, 7), (10, 4)])
def test_resize_mean_is_pytorchs_adaptive_pool(rng, length, side):
    x = rng.normal(size=(1, length, length, 2)).astype(np.float32)
    edges = [(i * length // side, -(-(i + 1) * length // side)) for i in range(side)]
    means = [[x[0, a:b, c:d].mean((0, 1)) for c, d in edges] for a, b in edges]
    np.testing.assert_allclose(ops.resize_mean(jnp.asarray(x), side)[0], means, atol=1e-6)


@pytest.mark.parametrize(("size", "side", "stride"), [((8, 12), 4, 4), ((7, 7), 7, 1)])
def test_windows_without_overlap_are_a_convolution(rng, size, side, stride):
    x = jnp.asarray(rng.normal(size=(2, *size, 3)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(side, side, 3, 5)), jnp.float32)
    dims = ("NHWC", "HWIO", "NHWC")
    ours = value_and_gradient(lambda x: ops.conv(x, kernel, stride, 0), x)
    library = value_and_gradient(
        lambda x: lax.conv_general_dilated(
            x, kernel, (stride, stride), "VALID", dimension_numbers=dims
        ),
        x,
    )
    for mine, reference in zip(ours, library, strict=True):
        np.testing.assert_allclose(mine, reference, atol=1e-4)


@pytest.mark.parametrize(("side", "padding"), [(3, "same"), (3, 1), (7, 3), (4, 0)])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [(15, 18), (16, 13)])
def test_every_form_of_the_stem_equals_the_library(rng, padding, stride, side, size):
    x = jnp.asarray(rng.normal(size=(2, *size, 3)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(side, side, 3, 5)), jnp.float32)
    around = windows.pads(padding, size, (side, side), stride)

    @jax.jit
    def everything(x):
        value, gradient = value_and_gradient(
            lambda x: windows.convolve(x, kernel, stride, around), x
        )
        g = jnp.sin(jnp.arange(value.size, dtype=value.dtype)).reshape(value.shape)
        ours = value_and_gradient(lambda x: ops.conv(x, kernel, stride, padding), x)
        values = [form(x, kernel, stride, around) for form in stem.FORWARD.values()]
        gradients = [form(g, kernel, stride, around, size) for form in stem.GRADIENT.values()]
        return value, gradient, [*values, ours[0]], [*gradients, ours[1]]

    value, gradient, values, gradients = everything(x)
    for found in values:
        np.testing.assert_allclose(found, value, atol=1e-4)
    for found in gradients:
        np.testing.assert_allclose(found, gradient, atol=1e-4)


@pytest.mark.parametrize(("side", "stride", "padding"), [(3, 1, 1), (3, 2, "same"), (5, 3, 2)])
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (7, 6)])
def test_the_product_of_windows_equals_the_library(rng, size, side, stride, padding):
    x = jnp.asarray(rng.normal(size=(2, *size, 6)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(side, side, 6, 5)), jnp.float32)
    around = windows.pads(padding, size, (side, side), stride)
    library = value_and_gradient(lambda x: windows.convolve(x, kernel, stride, around), x)
    ours = value_and_gradient(lambda x: patches.conv(x, kernel, stride, around), x)
    for mine, reference in zip(ours, library, strict=True):
        np.testing.assert_allclose(mine, reference, atol=2e-5)


@pytest.mark.parametrize("size", [(8, 8), (7, 10), (15, 15), (2, 3)])
def test_winograds_form_equals_the_library(rng, size):
    x = jnp.asarray(rng.normal(size=(2, *size, 5)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(3, 3, 5, 4)), jnp.float32)
    library = value_and_gradient(lambda x: windows.convolve(x, kernel, 1, winograd.AROUND), x)
    for mine, reference in zip(
        value_and_gradient(lambda x: winograd.conv(x, kernel), x), library, strict=True
    ):
        np.testing.assert_allclose(mine, reference, atol=2e-5)


def test_winograds_form_rounds_like_the_direct_sum(rng):
    """Against float64, on a layer of VGG: no digits are lost."""
    x = rng.normal(size=(1, 14, 14, 512))
    kernel = rng.normal(size=(3, 3, 512, 64)) / 68
    with jax.enable_x64(True):
        exact = windows.convolve(jnp.asarray(x), jnp.asarray(kernel), 1, winograd.AROUND)
        exact = np.asarray(exact)
    x, kernel = (jnp.asarray(v, jnp.float32) for v in (x, kernel))
    direct, ours = windows.convolve(x, kernel, 1, winograd.AROUND), winograd.conv(x, kernel)
    error = [np.abs(np.asarray(found) - exact).max() for found in (ours, direct)]
    assert error[0] < 4 * max(error[1], 1e-6)


def test_forms_by_backend_and_shape():
    form, shape = lowerings.form, lowerings.Shape
    assert form("stem_gradient", shape(7, 2, 3, 224), "cpu") == "blocks"
    assert form("stem_gradient", shape(3, 2, 3, 224), "cpu") == "columns"
    assert form("stem_gradient", shape(3, 2, 3, 224), "gpu") == "library"
    assert form("conv", shape(3, 1, 256, 56), "cpu") == "winograd"
    assert form("conv", shape(3, 1, 64, 224), "cpu") == "library"
    assert form("conv", shape(3, 1, 512, 7), "cpu") == "patches"
    assert form("depthwise", shape(3, 1, 64, 56), "gpu") == "shifted"
    assert form("depthwise", shape(3, 1, 64, 56), "tpu") == "library"
    forms = {"conv": {"winograd", "patches"}, "depthwise": {"shifted"}, "max_pool": {"shifted"},
             "stem": set(stem.FORWARD), "stem_gradient": set(stem.GRADIENT)}  # fmt: skip
    for rules in lowerings.TABLE.values():
        for operation, chosen in rules.items():
            assert {rule.form for rule in chosen} <= forms[operation]


@pytest.mark.parametrize("file", sorted(BENCHMARKS.glob("lowerings-*.json")))
def test_the_table_of_forms_follows_the_measurements(file):
    """`scripts/benchmarks/compare_lowerings.py` wrote the file; no form is chosen that it found
    slower."""
    backend = file.stem.partition("-")[2]
    rows = json.loads(file.read_text())["rows"]
    assert {row["operation"] for row in rows} == set(lowerings.TABLE[backend])
    for row in rows:
        chosen = lowerings.form(row["operation"], lowerings.Shape(**row["shape"]), backend)
        seconds = row["seconds"]
        assert seconds[chosen] <= 1.1 * seconds["library"] + 2e-4, row
        if row["operation"] == "conv" and row["whose"].startswith("ResNet"):
            seconds = {name: s for name, s in seconds.items() if name != "winograd"}
        assert seconds[chosen] <= 1.25 * min(seconds.values()) + 2e-4, row


def test_winograds_form_brings_nothing_in_whole_resnets():
    """Why the table leaves it to VGG, though it is the faster one layer by layer."""
    measured = json.loads((BENCHMARKS / "lowerings-cpu.json").read_text())["networks"]
    assert {row["name"] for row in measured} == {"resnet18", "resnet50"}
    for row in measured:
        assert row["seconds"]["chosen"] <= 1.1 * row["seconds"]["winograd"]
        assert row["compile_seconds"]["winograd"] > 1.5 * row["compile_seconds"]["chosen"]


def test_every_measured_backend_has_its_measurements():
    measured = {path.stem.partition("-")[2] for path in BENCHMARKS.glob("lowerings-*.json")}
    assert measured | {"gpu"} == set(lowerings.TABLE)


@pytest.mark.parametrize(("rectifier", "known"), [(relu, jax.nn.relu), (relu6, jax.nn.relu6)])
def test_a_rectifiers_gradient_by_its_output_is_the_one_by_its_input(rectifier, known, rng):
    x = jnp.asarray(rng.normal(scale=5, size=(64, 64)), jnp.float32)
    np.testing.assert_array_equal(rectifier(x), known(x))
    (mine,), (theirs,) = (jax.vjp(f, x)[1](x) for f in (rectifier, known))
    np.testing.assert_array_equal(mine, theirs)
    ends = jnp.array([0.0, 6.0]) if rectifier is relu6 else jnp.array([0.0])
    np.testing.assert_array_equal(jax.vjp(rectifier, ends)[1](ends + 1)[0], 0)
