"""The GAN's parts: networks, losses, draws, gauges, memorisation."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gan_memorisation import nearest

from jaxanon.anonymizers.gan import augment, masks
from jaxanon.anonymizers.gan.faces import Faces
from jaxanon.anonymizers.gan.gauges import Gauges, patches, sliced_wasserstein
from jaxanon.anonymizers.gan.losses import discriminator_loss, generator_loss
from jaxanon.anonymizers.gan.settings import TrainingSettings
from jaxanon.anonymizers.gan.step import abstract_networks, advance, initial_state
from jaxanon.errors import UsageError
from jaxanon.runtime.devices import mesh, shared

TINY = TrainingSettings(size=16, batch=4, width=4, noise=8)


@pytest.fixture(scope="module")
def faces():
    return np.random.default_rng(0).integers(0, 256, (24, 16, 16, 3), dtype=np.uint8)


def shaken(params):
    """Zero layers must not hide what a test is about."""
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(7), len(leaves))
    return tree.unflatten(
        [x + 0.1 * jax.random.normal(k, x.shape) for x, k in zip(leaves, keys, strict=True)]
    )


@pytest.fixture(scope="module")
def scene(faces):
    params = shaken(initial_state(TINY).generator)
    pictures = jnp.asarray(faces[:2], jnp.float32) / 255
    mask = jnp.stack([masks.random_mask(jax.random.key(i), 16) for i in (1, 3)])
    noise = jax.random.normal(jax.random.key(5), (2, TINY.noise))
    assert 0 < mask.mean() < 1
    return jax.jit(abstract_networks(TINY).fill), params, pictures, mask, noise


def test_the_fill_has_no_gradient_by_masked_pixels(scene):
    fill, params, pictures, mask, noise = scene

    def filled(pictures):
        return (fill(params, pictures, mask, noise) * mask).sum()

    slope = jax.grad(filled)(pictures)
    assert (slope * mask == 0).all()
    assert (slope * (1 - mask) != 0).any()


def test_masked_pixels_do_not_change_the_result_and_others_stay(scene):
    fill, params, pictures, mask, noise = scene
    out = fill(params, pictures, mask, noise)
    other = fill(params, jnp.where(mask > 0, 1 - pictures, pictures), mask, noise)
    np.testing.assert_array_equal(out, other)
    np.testing.assert_array_equal(out * (1 - mask), pictures * (1 - mask))
    assert not jnp.array_equal(out, fill(params, pictures, mask, noise + 1))


def test_losses_and_slopes_are_those_of_the_definition(scene):
    _, _, pictures, mask, _ = scene
    params = shaken(initial_state(TINY).discriminator)
    score, real, made = abstract_networks(TINY).score, pictures, pictures[::-1]
    result = discriminator_loss(score, params, real, made, mask)
    lead = score(params, real, mask) - score(params, made, mask)
    np.testing.assert_allclose(result.loss, np.log1p(np.exp(-lead)).mean(), rtol=1e-5)
    norms = [
        np.square(jax.grad(lambda x, i=i: score(params, x, mask)[i])(real)[i]).sum()
        for i in range(2)
    ]
    np.testing.assert_allclose(result.r1, np.mean(norms), rtol=1e-4)

    def exchanged(made):
        lead = score(params, real, mask) - score(params, made, mask)
        return jax.nn.softplus(lead).mean()

    loss, slope = generator_loss(result.margin, result.fake_gradient)
    np.testing.assert_allclose(loss, exchanged(made), rtol=1e-5)
    np.testing.assert_allclose(slope, jax.grad(exchanged)(made), rtol=1e-3, atol=1e-7)


def test_drawn_masks_are_boxes_of_the_stated_sizes_and_sometimes_everything():
    drawn = np.stack([masks.random_mask(jax.random.key(i), 32) for i in range(80)])[..., 0]
    shares = drawn.mean((1, 2))
    whole = shares == 1
    assert 1 <= whole.sum() <= 20
    assert shares[~whole].min() > 0.15
    assert shares[~whole].max() < 0.9
    for mask in drawn:
        np.testing.assert_array_equal(mask, np.outer(mask.max(1), mask.max(0)))


def test_augmented_pictures_stay_pictures_and_differ(faces):
    picture = jnp.asarray(faces[0], jnp.float32) / 255
    one, two = (jax.jit(augment.augment)(jax.random.key(i), picture) for i in range(2))
    assert one.shape == picture.shape
    assert one.min() >= 0
    assert one.max() <= 1
    assert jnp.abs(one - two).mean() > 0.01


@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_shapes_at_each_size(size):
    settings = TrainingSettings(size=size, batch=2, width=2, noise=4)
    shapes = jax.eval_shape(partial(initial_state, settings))
    pictures = jax.ShapeDtypeStruct((8, size, size, 3), jnp.uint8)
    step = partial(advance, abstract_networks(settings), settings, mesh(1))
    after, values = jax.eval_shape(step, shapes, pictures)
    assert jax.tree.map(lambda x: (x.shape, x.dtype), after) == jax.tree.map(
        lambda x: (x.shape, x.dtype), shapes
    )
    assert sorted(values) == ["discriminator", "generator", "r1", "r2"]


@pytest.mark.slow
def test_a_step_at_128_pixels_runs():
    settings = TrainingSettings(size=128, batch=1, width=1, noise=2)
    faces = jnp.zeros((2, 128, 128, 3), jnp.uint8)
    before = initial_state(settings)
    kept = jax.tree.map(np.asarray, before.generator)
    state, values = advance(abstract_networks(settings), settings, mesh(1), before, faces)
    assert int(state.step) == 1
    assert all(np.isfinite(value) for value in values.values())
    assert all(jax.tree.leaves(jax.tree.map(lambda a: np.isfinite(a).all(), state.generator)))
    assert jax.tree.structure(kept) == jax.tree.structure(state.generator)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"size": 24}, "size is 24; it must be a power of two"),
        ({"size": 8}, "size is 8"),
        ({"batch": 0}, "batch is 0; it must be at least 1"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_settings_out_of_range_are_named(values, words):
    with pytest.raises(UsageError, match=words):
        TrainingSettings(**values)


def test_the_distance_tells_sets_apart(rng):
    one, other = rng.normal(size=(300, 20)), rng.normal(size=(200, 20))
    assert sliced_wasserstein(one, one) == 0
    near, far = sliced_wasserstein(one, other), sliced_wasserstein(one, other + 1)
    assert near < 0.25 < far


def test_patches_do_not_see_brightness(rng):
    pictures = rng.uniform(0, 0.5, (2, 16, 16, 3))
    np.testing.assert_allclose(patches(pictures), patches(pictures + 0.3), atol=1e-9)


def test_gauges_name_overfitting_by_the_scores(faces):
    networks, state = abstract_networks(TINY), jax.device_put(initial_state(TINY), shared(mesh(1)))
    gauges = Gauges(networks, TINY, Faces.from_pictures(faces))
    gauges._scores = lambda _, pictures: np.full(len(pictures), scores.pop(0))
    scores = [3.0, 1.5, -1.0]
    figures = gauges(state, seeds=1)
    assert figures["overfitting"] == 1.5 / 4
    assert figures["distance"] > figures["distance_of_faces"] > 0


def test_held_out_faces_are_not_trained_on(faces):
    split = Faces.from_pictures(faces)
    assert (len(split.training), len(split.held_out)) == (21, 3)
    for face in split.held_out:
        assert not (split.training == face).all((1, 2, 3)).any()
    assert split.digest != Faces.from_pictures(faces[::-1]).digest


def test_copies_are_recognised_though_flipped_moved_and_brightened(faces):
    training = faces[:5] / 255 * 0.8
    mask = np.zeros((16, 16), bool)
    mask[4:12, 4:12] = True
    copy = np.roll(training[3, :, ::-1], (1, -2), (0, 1)) + 0.1
    near = nearest(np.stack([copy, faces[9] / 255]), mask, training)
    assert near.which[0] == 3
    assert near.distance[0] < 1e-6
    assert near.distance[1] > 20
    np.testing.assert_allclose(near.face[0][mask] + 0.1, copy[mask])
