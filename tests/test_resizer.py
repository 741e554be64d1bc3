"""Resizing on the device, against Pillow's."""

from dataclasses import replace

import numpy as np
import pytest
from command_line import anonymize

from jaxanon.classifiers import registry, resizer
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.classifiers.preprocessing import distinct_views, look
from jaxanon.classifiers.resizer import LazyViews, Resizer
from jaxanon.errors import UsageError
from jaxanon.runtime.devices import mesh

SIZES = [(250, 187), (131, 509), (31, 33), (1, 1), (224, 224), (299, 256), (90, 3), (255, 512)]


def test_every_view_of_the_zoo_is_pillows_to_the_bit(rng):
    """All sizes, crops and filters of the zoo, and Lanczos; enlarged, reduced and kept sizes."""
    configs = [entry.config for entry in registry.ENTRIES.values()]
    configs = [configs[i] for i in distinct_views(configs)[0]]
    configs.append(replace(configs[0], interpolation="lanczos"))
    assert {config.interpolation for config in configs} == {"bilinear", "bicubic", "lanczos"}
    images = [rng.integers(0, 256, (*size, 3), np.uint8) for size in SIZES[:4]]
    # Black beside white: overshoots are cut off, in the first pass too.
    images += [rng.choice(np.uint8([0, 255]), (*size, 3)) for size in SIZES[4:]]
    resize = Resizer(configs, mesh(1))
    assert all(map(resize.takes, images))
    views = resize(resize.given(images, len(images))).fetched()
    for config, seen in zip(configs, views, strict=True):
        for view, image in zip(seen, images, strict=True):
            np.testing.assert_array_equal(view, look(image, config))


def test_decisions_and_views_are_those_of_the_host(tinies, rng):
    images = [rng.integers(0, 256, (*size, 3), np.uint8) for size in SIZES[:3]]
    host, device = (Ensemble(tinies, 2, mesh(1), resize_on=where) for where in ("host", "device"))
    seen = [device.look(image) for image in images]
    for found, wanted in zip(device.logits_from_views(seen), host.logits(images), strict=True):
        np.testing.assert_array_equal(found, wanted)
    for views, image in zip(seen, images, strict=True):
        assert isinstance(views, LazyViews)
        assert views.image is None, "pixels are let go of once they are resized"
        for found, wanted in zip(views, host.look(image), strict=True):
            np.testing.assert_array_equal(found, wanted)
    again = device.logits_from_views(seen)
    np.testing.assert_array_equal(again[0], host.logits(images)[0])
    with pytest.raises(UsageError, match="resize_on is 'gpu'; one of auto, host, device"):
        Ensemble(tinies, resize_on="gpu")


def test_some_of_the_classifiers_may_look_first(tinies, rng):
    """Their views are not all that the others ask for."""
    whole = Ensemble(tinies, 2, mesh(1), resize_on="device")
    image = rng.integers(0, 256, (50, 60, 3), np.uint8)
    views = whole.look(image)
    whole.first(1).decide_from_views([views])
    assert views.image is not None
    np.testing.assert_array_equal(whole.decide_from_views([views]), whole.decide([image]))
    assert views.image is None


def test_a_device_that_resizes_otherwise_is_found_out(tinies, rng, monkeypatch, caplog):
    right, wrong = resizer.resize, False

    def resize(*given):
        return [view.at[0, 0, 0, 0].add(int(wrong)) for view in right(*given)]

    monkeypatch.setattr(resizer, "resize", resize)
    device = Ensemble(tinies, 2, mesh(1), resize_on="device")
    image, large = (rng.integers(0, 256, (side, side, 3), np.uint8) for side in (50, 300))
    device.logits([image])
    assert not caplog.text
    wrong = True  # from the second program on
    views = device.look(large)
    found = device.logits_from_views([views])
    assert "resizes otherwise than Pillow" in caplog.text
    assert views.image is None, "the host has made the views, and let go of the pixels"
    assert isinstance(device.look(image), tuple), "the host has taken over"
    wanted = Ensemble(tinies, 2, mesh(1)).logits([large])
    np.testing.assert_array_equal(found[0], wanted[0])


def test_what_would_take_too_many_taps_is_resized_on_the_host(tinies):
    config = replace(tinies[0].config, input_size=8, crop_pct=1.0)
    resize = Resizer([config], mesh(1))
    assert not resize.takes(np.zeros((1024, 1024, 3), np.uint8))
    assert resize.takes(np.zeros((100, 1024, 3), np.uint8))


def test_what_pillow_resizes_along_columns_first_is_resized_on_the_host(tinies, rng):
    """In the other order roundings differ, by many levels where values are cut off between."""
    config = replace(tinies[0].config, input_size=224, crop_pct=0.95)
    resize = Resizer([config], mesh(1))
    shapes = [(590, 251), (251, 590), (500, 333), (470, 236), (472, 236), (475, 236), (600, 230)]
    shapes += [tuple(rng.integers(230, 620, 2)) for _ in range(60)]
    images = [rng.choice(np.uint8([0, 255]), (*shape, 3)) for shape in shapes]
    taken = [image for image in images if resize.takes(image)]
    heights = {image.shape[0] for image in taken if image.shape[1] == 236 if image.shape[0] > 400}
    assert heights == {470, 472}, "2 rows fewer for 1 column fewer; of 475 it is 3"
    assert not any(image.shape[:2] == (590, 251) for image in taken)
    assert len(taken) > 50
    views = resize(resize.given(taken, len(taken))).fetched()[0]
    for view, image in zip(views, taken, strict=True):
        np.testing.assert_array_equal(view, look(image, config), str(image.shape))


def test_images_that_are_too_large_are_resized_on_the_host(tinies, rng, monkeypatch):
    monkeypatch.setattr(resizer, "LARGEST", 50)
    host, device = (Ensemble(tinies, 2, mesh(1), resize_on=where) for where in ("host", "device"))
    images = [rng.integers(0, 256, (side, 20, 3), np.uint8) for side in (51, 50, 90, 30, 40)]
    seen = [device.look(image) for image in images]
    lazy = [isinstance(views, LazyViews) for views in seen]
    assert lazy == [False, True, False, True, True]
    for found, wanted in zip(device.logits_from_views(seen), host.logits(images), strict=True):
        # Each at its own place; in batches of other images some processors round otherwise.
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


def test_a_run_writes_the_same_files(zoo, photos_dir, tmp_path, monkeypatch):
    calls, resize = [], resizer.resize
    monkeypatch.setattr(resizer, "resize", lambda *given: calls.append(given) or resize(*given))
    for where in ("host", "device"):
        words = ("--resize-on", where, "--quiet")
        assert not calls
        assert anonymize(zoo, photos_dir, tmp_path / where, *words) == 0
    assert calls, "the device has resized"
    names = sorted(path.name for path in (tmp_path / "host").glob("*.png"))
    assert names
    for name in names:
        assert (tmp_path / "host" / name).read_bytes() == (tmp_path / "device" / name).read_bytes()
