from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from jaxanon.adaptation.canvas import Canvas
from jaxanon.classifiers import registry
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.classifiers.preprocessing import (
    FILTERS,
    crop_start,
    distinct_views,
    look,
    resampling_matrix,
    resized,
)

LITE = [f"tf_efficientnet_lite{i}" for i in range(5)]
CONFIG = registry.find("tf_efficientnet_lite0").config


@pytest.mark.parametrize("interpolation", list(FILTERS))
@pytest.mark.parametrize(
    ("source", "target"), [(683, 256), (100, 256), (512, 292), (31, 31), (7, 3)]
)
def test_resampling_matrix_is_pillows(rng, interpolation, source, target):
    image = rng.random((source, 5), np.float32)
    theirs = Image.fromarray(image).resize((5, target), FILTERS[interpolation])
    ours = resampling_matrix(source, target, interpolation) @ image
    np.testing.assert_allclose(ours, np.asarray(theirs), atol=1e-6)


def test_resize_and_crop_round_as_torchvision_does():
    assert resized(683, 1024, 256) == (256, 383)
    assert resized(1024, 683, 256) == (383, 256)
    assert resized(500, 500, 272) == (272, 272)
    assert [crop_start(383, 224), crop_start(257, 224), crop_start(259, 224)] == [80, 16, 18]


def shaped(rng, height, width):
    return rng.integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(("height", "width"), [(683, 1024), (700, 300), (120, 99), (256, 256)])
def test_change_is_exact_in_the_file_and_nothing_moves_outside(rng, height, width):
    image = shaped(rng, height, width)
    mask = np.zeros((height, width), bool)
    mask[height // 3 : height // 2, width // 4 : width // 2] = True
    canvas = Canvas(height, width)
    below, above = (room.astype(np.int16) for room in canvas.bounds(image, mask, 16))
    levels = rng.integers(-below, above + 1).astype(np.int16)
    out = canvas.add(image, levels)

    inside = np.zeros((height, width), bool)
    inside[canvas.square] = True
    np.testing.assert_array_equal(out[~(mask & inside)], image[~(mask & inside)])
    moved = np.abs(out.astype(int) - image).max()
    assert 0 < moved == np.abs(levels).max() <= 16


def test_bounds_keep_every_pixel_in_range(rng):
    image = shaped(rng, 400, 300)
    image[:50], image[50:90] = 0, 255
    canvas = Canvas(400, 300)
    below, above = (room.astype(np.int16) for room in canvas.bounds(image, None, 40))
    assert (canvas.add(image, -below) <= image).all()
    assert (canvas.add(image, above) >= image).all()
    with pytest.raises(ValueError, match="leaves its bounds"):
        canvas.add(image, above + np.int16(30))


@pytest.mark.parametrize(("height", "width"), [(683, 1024), (300, 280), (90, 230), (64, 64)])
@pytest.mark.parametrize("architecture", LITE)
def test_view_of_the_sum_is_the_sum_of_views(rng, height, width, architecture):
    """The model of the loop against the true preprocessing of the rounded image."""
    config = registry.find(architecture).config
    y, x = np.mgrid[0:height, 0:width]
    wave = 110 + 60 * np.sin(x / 23) + 40 * np.cos(y / 31)
    image = np.repeat(wave[..., None], 3, axis=2).astype(np.uint8)
    canvas = Canvas(height, width)
    below, above = (room.astype(np.int16) for room in canvas.bounds(image, None, 8))
    levels = rng.integers(-below, above + 1).astype(np.int16)
    rows, columns = canvas.matrices(config)
    predicted = look(image, config) + np.einsum(
        "ij,jkc,lk->ilc", rows, levels.astype(np.float32), columns, optimize=True
    )
    error = predicted - look(canvas.add(image, levels), config)
    assert np.abs(error).max() <= 2.5  # four roundings to whole levels, in two passes each
    assert np.sqrt(np.square(error).mean()) < 0.6


def test_pixels_outside_the_square_change_no_view(rng):
    image = shaped(rng, 200, 500)
    other = image.copy()
    outside = np.ones((200, 500), bool)
    outside[Canvas(200, 500).square] = False
    other[outside] = 255 - other[outside]
    for architecture in LITE:
        config = registry.find(architecture).config
        np.testing.assert_array_equal(look(image, config), look(other, config))


def test_cells_tile_the_square():
    for side in (16, 255, 256, 257, 683, 5000):
        canvas = Canvas(side, side + 13)
        cell = np.arange(side) * canvas.cells // side
        np.testing.assert_array_equal(np.unique(cell), np.arange(canvas.cells))
        np.testing.assert_array_equal(np.flatnonzero(np.diff(cell, prepend=-1)), canvas.starts)


def test_classifiers_that_resize_and_crop_alike_share_a_view(tinies, rng):
    """Mean and standard deviation are no part of it; size, crop and filter are."""
    image = rng.integers(0, 256, (50, 60, 3), np.uint8)
    first, number = distinct_views([classifier.config for classifier in tinies])
    assert (first, number) == ([0, 1], [0, 1, 0])
    views = Ensemble(tinies).look(image)
    assert views[0] is views[2]
    for view, classifier in zip(views, tinies, strict=True):
        np.testing.assert_array_equal(view, look(image, classifier.config))
    config = tinies[0].config
    others = [replace(config, crop_pct=0.5), replace(config, interpolation="bilinear")]
    others.append(replace(config, mean=(0.1, 0.2, 0.3), origin="elsewhere"))
    assert distinct_views([config, *others])[1] == [0, 1, 2, 0]
