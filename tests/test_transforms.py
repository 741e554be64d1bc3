"""Each random change of a view: what it claims, and that it is a function of view and key."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from samples import picture

from jaxanon.adaptation import transforms, warps
from jaxanon.adaptation.compression import jpeg
from jaxanon.adaptation.dead_leaves import dead_leaves_images
from jaxanon.adaptation.transforms import TRANSFORMS, changed, parse
from jaxanon.errors import UsageError

SIZE = 36
NOTHING = {
    "resize": 0, "zoom": 0, "di": 0, "flip": 0, "shift": 0, "rotate": 0, "scale": 1, "mix": 0,
    "local": 1, "colour": 0, "noise": 0,
}  # fmt: skip


@pytest.fixture
def view():
    return jnp.asarray(picture(3, SIZE, SIZE), jnp.float32) / 255


def keys(count):
    return jax.random.split(jax.random.key(7), count)


def many(name, view, count=400, strength=None):
    """`count` draws of a change."""
    method = TRANSFORMS[name]
    amount = method.strength if strength is None else strength
    draw = jax.vmap(lambda view, key: method.change(view, key, amount), (None, 0))
    return np.asarray(jax.jit(draw)(view, keys(count)))


@pytest.mark.parametrize("name", TRANSFORMS)
def test_same_key_same_result_and_other_keys_others(name, view):
    one, again, other = (np.asarray(changed(name, view, jax.random.key(k))) for k in (0, 0, 1))
    assert one.shape == view.shape
    assert one.dtype == np.float32
    np.testing.assert_array_equal(one, again)
    draws = many(name, view, 12)
    assert len({draw.tobytes() for draw in draws}) > 1
    assert np.isfinite(other).all()


@pytest.mark.parametrize("name", TRANSFORMS)
def test_gradients_pass(name, view):
    """To every pixel on average: none is cut off for good."""
    weights = jax.random.normal(jax.random.key(1), view.shape)
    slope = jax.grad(lambda v, k: (weights * changed(name, v, k)).sum())
    found = np.asarray(jax.jit(jax.vmap(slope, (None, 0)))(view, keys(24)))
    assert np.isfinite(found).all()
    assert (np.abs(found).mean((0, 3)) > 0).mean() > 0.95


@pytest.mark.parametrize("name", NOTHING)
def test_without_strength_nothing_changes(name, view):
    for draw in many(name, view, 5, NOTHING[name]):
        np.testing.assert_allclose(draw, view, atol=1e-5)


def test_resize_shrinks_and_places_on_black():
    draws = many("resize", jnp.ones((32, 32, 3)), 60, 1.0)[..., 0]
    areas = draws.sum((1, 2))
    assert 0.25 * 1024 - 40 < areas.min() < 0.4 * 1024
    assert areas.max() > 0.8 * 1024
    spots = [np.argwhere(draw > 0.5).mean(0) for draw in draws]
    assert np.std(spots, axis=0).min() > 1, "the place varies"


def test_zoom_shrinks_and_enlarges_alike():
    """The size of a small square tells the factor."""
    square = jnp.zeros((64, 64, 3)).at[28:36, 28:36].set(1.0)
    draws = many("zoom", square, strength=0.5)[..., 0]
    factors = np.sqrt(draws.sum((1, 2)) / 64)
    whole = factors[(draws[:, [0, -1]].sum((1, 2)) + draws[:, :, [0, -1]].sum((1, 2))) == 0]
    assert whole.min() == pytest.approx(1 / 1.5, abs=0.03)
    assert whole.max() == pytest.approx(1.5, abs=0.05)
    assert 0.4 < (whole > 1).mean() < 0.6
    full = many("zoom", jnp.ones((32, 32, 3)), 200, 0.5)[..., 0]
    covered = full.min((1, 2)) > 0.99
    assert 0.35 < covered.mean() < 0.65, "enlarged views show nothing from outside"


def test_zoom_stretches_by_a_fifth_at_most():
    """Height over width of a small square, whatever its size."""
    square = jnp.zeros((64, 64, 3)).at[28:36, 28:36].set(1.0)
    draws = many("zoom", square, strength=0.25)[..., 0]
    rows, columns = (np.square(draws.sum(axis)).sum(1) for axis in (1, 2))
    ratios = rows / columns  # a box's profile, squared and summed: as its height to its width
    assert ratios.min() == pytest.approx(1 / 1.2, abs=0.03)
    assert ratios.max() == pytest.approx(1.2, abs=0.03)


@pytest.mark.parametrize(("size", "strength"), [(127, 0.25), (128, 0.5)])
def test_zoom_without_a_strength_follows_what_is_seen(size, strength):
    view, key = jnp.asarray(picture(3, size, size), jnp.float32) / 255, jax.random.key(4)
    bare, named = changed("zoom", view, key), changed(f"zoom:{strength}", view, key)
    np.testing.assert_array_equal(np.asarray(bare), np.asarray(named))


def test_di_changes_as_often_as_asked_and_by_a_tenth_at_most(view):
    draws = many("di", jnp.ones((SIZE, SIZE, 3)), strength=0.3)
    area = draws[..., 0].mean((1, 2))
    assert 0.22 < (area < 0.999).mean() < 0.38
    assert area.min() > (299 / 330) ** 2 - 0.03


def test_flip_mirrors_as_often_as_asked(view):
    draws = many("flip", view, strength=0.25)
    mirrored = np.array([np.array_equal(draw, view[:, ::-1]) for draw in draws])
    assert 0.17 < mirrored.mean() < 0.33
    for draw in draws[~mirrored]:
        np.testing.assert_array_equal(draw, view)


def test_shift_moves_by_up_to_its_share():
    dot = jnp.zeros((SIZE, SIZE, 3)).at[18, 18].set(1.0)
    moved = [
        np.einsum("ij,ijk->k", draw[..., 0], np.mgrid[:SIZE, :SIZE].transpose(1, 2, 0)) - 18
        for draw in many("shift", dot, strength=0.1)
    ]
    assert np.abs(moved).max() <= 3.6 + 0.1
    assert np.abs(moved).max() > 3
    assert np.abs(np.mean(moved, 0)).max() < 0.4


def test_rotate_turns_about_the_centre():
    size = 41
    dot = jnp.zeros((size, size, 3)).at[20, 34].set(1.0)
    angles = []
    for draw in many("rotate", dot, strength=20):
        mass = draw[..., 0] / draw[..., 0].sum()
        row, column = np.einsum("ij,ijk->k", mass, np.mgrid[:size, :size].transpose(1, 2, 0)) - 20
        assert np.hypot(row, column) == pytest.approx(14, abs=0.4)
        angles.append(np.degrees(np.arctan2(row, column)))
    assert -21 < min(angles) < -16
    assert 16 < max(angles) < 21


def test_blocks_are_strips_in_another_order(monkeypatch, view):
    for key in keys(30):
        source, starts, ends, strip = map(np.asarray, warps._shuffled(SIZE, 3, key))
        np.testing.assert_array_equal(np.sort(source), np.arange(SIZE))
        assert ((starts <= source) & (source < ends)).all()
        assert (np.diff(source)[np.diff(strip) == 0] == 1).all(), "within a strip nothing moves"
    monkeypatch.setattr(warps, "_turned", lambda rows, columns, _: (rows, columns))
    for key in keys(5):
        shuffled = np.asarray(warps.shuffle_blocks(view, key, 3))
        assert not np.array_equal(shuffled, view)
        np.testing.assert_allclose(np.sort(shuffled, None), np.sort(view, None), atol=1e-5)


def test_blocks_are_turned(view):
    """Turning leaves corners empty, which shuffling alone does not."""
    empty = (many("blocks", view + 0.1, 20) == 0).all(-1).mean((1, 2))
    assert 0.01 < empty.mean() < 0.3


def test_scale_draws_each_power_alike(view):
    ratios = np.round(many("scale", view).sum((1, 2, 3)) / float(view.sum()), 4)
    values, counts = np.unique(ratios, return_counts=True)
    np.testing.assert_allclose(values, [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1], rtol=1e-2)
    assert counts.min() > 50


def test_mix_adds_pictures_of_the_bank_alone(view):
    pictures = dead_leaves_images(SIZE) / 255
    chosen = set()
    for draw in many("mix", view, 60, 0.3):
        added = draw - np.asarray(view)
        errors = [np.abs(added - 0.3 * picture).max() for picture in pictures]
        assert min(errors) < 1e-5
        chosen.add(int(np.argmin(errors)))
    assert len(chosen) > 1


def test_local_shows_one_cell_or_the_whole(view):
    shown = (many("local", view, strength=3) != 0.5).any(-1)
    shares = np.round(shown.mean((1, 2)), 3)
    whole = shares > 0.9
    assert 0.05 < whole.mean() < 0.16
    assert set(shares[~whole]) <= {round(n / 1000, 3) for n in range(105, 115)}
    assert shown[~whole].any(0).all(), "every cell has its turn"


def test_colour_is_one_line_for_all_pixels(view):
    slopes, offsets = [], []
    for draw in many("colour", view, 100, 0.3):
        slope, offset = np.polyfit(np.asarray(view).ravel(), draw.ravel(), 1)
        np.testing.assert_allclose(draw, slope * view + offset, atol=1e-5)
        slopes.append(np.log(slope))
        offsets.append(offset)
    for values in (slopes, offsets):
        assert np.abs(values).max() <= 0.3 + 1e-5
        assert np.abs(values).max() > 0.25


def test_noise_has_its_deviation(view):
    added = many("noise", view, strength=0.05) - np.asarray(view)
    assert added.std() == pytest.approx(0.05, rel=0.02)
    assert abs(added.mean()) < 1e-3


def test_jpeg_is_what_pillow_does(tmp_path, view):
    """At the first keys whose drawn quality is nearly a whole number, as Pillow's must be."""
    drawn = np.asarray(
        jax.vmap(lambda key: jax.random.uniform(key, minval=30, maxval=95))(keys(300))
    )
    for at in np.argsort(np.abs(drawn - drawn.round()))[:3]:
        quality = int(drawn[at].round())
        Image.fromarray(np.asarray(view * 255).round().astype(np.uint8)).save(
            tmp_path / "a.jpg", quality=quality, subsampling=0
        )
        theirs = np.asarray(Image.open(tmp_path / "a.jpg")).astype(float)
        ours = (255 * np.asarray(jpeg(view, keys(300)[at], 30))).clip(0, 255)
        loss = np.abs(theirs - 255 * np.asarray(view)).mean()
        assert loss > 3, "something is lost at all"
        assert np.abs(ours - theirs).mean() < 0.2 * loss, quality


def test_jpeg_loses_more_at_lower_quality(view):
    losses = [np.abs(many("jpeg", view, 20, q) - np.asarray(view)).mean() for q in (10, 50, 90)]
    assert losses[0] > losses[1] > losses[2] > 0


def test_jpeg_gradient_takes_rounding_for_the_identity(view):
    slope = jax.grad(lambda v: (v * 3 * jpeg(v, jax.random.key(0), 20)).sum())(view)
    expected = 3 * (jpeg(view, jax.random.key(0), 20) + view)
    np.testing.assert_allclose(slope, expected, atol=1e-3)


def test_the_dead_leaves_are_fixed_and_generated():
    pictures = dead_leaves_images(32)
    np.testing.assert_array_equal(pictures, dead_leaves_images.__wrapped__(32))
    assert pictures.shape == (8, 32, 32, 3)
    assert len({p.tobytes() for p in pictures}) == 8
    assert pictures.std() > 40
    large = dead_leaves_images(64).reshape(8, 32, 2, 32, 2, 3).mean((2, 4))
    assert np.abs(large - pictures).mean() < 20, "the same pictures at every size"


def test_views_are_written_as_text():
    assert parse("") == ()
    assert parse("resize:0.4, flip") == (("resize", 0.4), ("flip", None))
    for text, message in (
        ("flop", "unknown transform 'flop'; near matches: flip"),
        ("flip:2", r"strength of transform 'flip:2' must be 0 to 1"),
        ("flip:often", "must be 0 to 1"),
        ("flip:nan", "must be 0 to 1"),
        ("blocks:2.5", "must be a whole number, 1 to 8"),
    ):
        with pytest.raises(UsageError, match=message):
            parse(text)


def test_changes_follow_one_another(view):
    key = jax.random.key(5)
    by_hand = TRANSFORMS["flip"].change(view, jax.random.fold_in(key, 0), 1.0)
    by_hand = TRANSFORMS["noise"].change(by_hand, jax.random.fold_in(key, 1), 0.1)
    np.testing.assert_array_equal(changed("flip:1,noise:0.1", view, key), by_hand)
    assert not np.array_equal(changed("flip:1,noise:0.1", view, jax.random.key(6)), by_hand)
    assert transforms.changed("", view, key) is view


def test_the_page_names_every_view_with_its_strength():
    page = (Path(__file__).parents[1] / "docs" / "transfer.md").read_text()
    for name, method in TRANSFORMS.items():
        row = f"| `{name}` | {method.strength:g} ({method.least:g} to {method.most:g}) |"
        assert row in page, row
