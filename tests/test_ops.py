from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

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
