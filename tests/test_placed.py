"""Parameters as devices hold them: values, types and order in memory."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxanon.classifiers.classifier import forward
from jaxanon.classifiers.placed import placed
from jaxanon.runtime import devices


def _address(leaf):
    return leaf.unsafe_buffer_pointer(), leaf.format.layout.major_to_minor


def test_on_gpus_kernels_lie_as_cudnn_reads_them_and_decide_alike(tinies, rng, monkeypatch):
    classifier, mesh = tinies[0], devices.mesh(1)
    plain = placed(classifier.params, mesh)
    with monkeypatch.context() as patch:
        patch.setattr(devices, "platform", lambda mesh: "gpu")
        laid = placed(classifier.params, mesh)
        again = placed(laid, mesh)
    orders = {(leaf.ndim, leaf.format.layout.major_to_minor) for leaf in jax.tree.leaves(laid)}
    assert orders == {(4, (3, 0, 1, 2)), (2, (1, 0)), (1, (0,))}
    assert jax.tree.map(_address, laid) == jax.tree.map(_address, again), "nothing is done twice"
    jax.tree.map(np.testing.assert_array_equal, plain, laid)
    size = classifier.config.input_size
    pixels = jnp.asarray(rng.integers(0, 256, (2, size, size, 3)), jnp.uint8)
    given = [forward(classifier.network, mesh, params, pixels) for params in (plain, laid)]
    np.testing.assert_allclose(*given, rtol=1e-5, atol=1e-5)


def test_the_program_that_lays_them_out_is_compiled_once(tinies, compilations):
    placed(tinies[0].params, devices.mesh(1), "bfloat16")
    before = len(compilations)
    placed(tinies[0].params, devices.mesh(1), "bfloat16")
    assert len(compilations) == before


def test_the_precision_asked_for_is_that_of_fractions_alone():
    params = {"kernel": jnp.ones((2, 3)), "places": jnp.arange(4)}
    found = placed(params, devices.mesh(1), "bfloat16")
    assert (found["kernel"].dtype, found["places"].dtype) == (jnp.bfloat16, jnp.int32)
    assert placed(params, devices.mesh(1))["kernel"].dtype == jnp.float32
    abstract = jax.eval_shape(lambda: params)
    shapes = placed(abstract, devices.mesh(1), "bfloat16")
    assert [leaf.dtype for leaf in jax.tree.leaves(shapes)] == [jnp.bfloat16, jnp.int32]


def test_programs_for_gpus_that_are_not_there_are_given_kernels_in_their_order(tinies, monkeypatch):
    monkeypatch.setattr(devices, "platform", lambda mesh: "gpu")
    abstract = placed(jax.eval_shape(lambda: tinies[0].params), devices.mesh(1), "bfloat16")
    orders = {
        (leaf.ndim, leaf.format.layout and leaf.format.layout.major_to_minor)
        for leaf in jax.tree.leaves(abstract)
    }
    assert orders == {(4, (3, 0, 1, 2)), (2, (1, 0)), (1, None)}
