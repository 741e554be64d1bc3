from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxanon.classifiers import depthwise, ops


@pytest.mark.parametrize("padding", ["same", 0, 1, 2])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("side", [3, 5])
@pytest.mark.parametrize("size", [(9, 12), (8, 7)])
def test_depthwise_equals_the_library_in_value_and_gradient(rng, padding, stride, side, size):
    x = jnp.asarray(rng.normal(size=(2, *size, 6)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(side, side, 6)), jnp.float32)
    around = ops.pads(padding, size, (side, side), stride)

    @partial(jax.jit, static_argnums=0)
    def value_and_gradient(operation, x):
        y, vjp = jax.vjp(lambda x: operation(x, kernel, stride, around), x)
        return y, vjp(jnp.sin(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape))[0]

    ours = value_and_gradient(depthwise._depthwise_shifted, x)
    theirs = value_and_gradient(depthwise._depthwise_library, x)
    for mine, reference in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, reference, atol=1e-5)


def test_depthwise_under_vmap(rng):
    x = jnp.asarray(rng.normal(size=(3, 1, 8, 8, 4)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(3, 3, 4)), jnp.float32)
    gradient = jax.jit(jax.grad(lambda x: (depthwise.depthwise(x, kernel, 2, "same") ** 2).sum()))
    whole = jnp.stack([gradient(one) for one in x])
    np.testing.assert_allclose(jax.vmap(gradient)(x), whole, atol=1e-5)


def test_same_padding_is_tensorflows_rule():
    assert ops.pads("same", (224, 224), (3, 3), 2) == ((0, 1), (0, 1))
    assert ops.pads("same", (225, 7), (3, 3), 2) == ((1, 1), (1, 1))
    assert ops.pads("same", (7, 7), (5, 5), 1) == ((2, 2), (2, 2))
    assert ops.pads(3, (7, 7), (7, 7), 2) == ((3, 3), (3, 3))


def test_pointwise_is_a_1x1_convolution(rng):
    x = jnp.asarray(rng.normal(size=(2, 5, 4, 3)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(3, 7)), jnp.float32)
    np.testing.assert_allclose(
        ops.pointwise(x, kernel), ops.conv(x, kernel[None, None], 1, 0), atol=1e-5
    )


def test_no_gradient_by_the_kernel_is_computed(rng):
    """The custom gradient returns none, so asking for it gives zeros, by design."""
    x = jnp.asarray(rng.normal(size=(1, 6, 6, 2)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(3, 3, 2)), jnp.float32)
    by_kernel = jax.grad(lambda k: depthwise._depthwise_shifted(x, k, 1, ((1, 1), (1, 1))).sum())(
        kernel
    )
    assert not np.asarray(by_kernel).any()


def value_and_gradient(operation, x):
    y, vjp = jax.vjp(operation, x)
    return y, vjp(jnp.sin(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape))[0]


@pytest.mark.parametrize(("side", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 2, 0)])
def test_max_pool_equals_the_library_in_value_and_gradient(rng, side, stride, padding):
    x = jnp.asarray(rng.normal(size=(2, 9, 12, 4)), jnp.float32)

    def library(x):
        return lax.reduce_window(
            x, -jnp.inf, lax.max, (1, side, side, 1), (1, stride, stride, 1),
            ((0, 0), (padding, padding), (padding, padding), (0, 0)),
        )  # fmt: skip

    ours = value_and_gradient(lambda x: ops.max_pool(x, side, stride, padding), x)
    for mine, reference in zip(ours, value_and_gradient(library, x), strict=True):
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
