"""What may happen to a published image."""

import re
from argparse import ArgumentParser

import numpy as np
import pytest
from samples import picture

from jaxanon.cli import arguments
from jaxanon.errors import ImageError, UsageError
from jaxanon.evaluation.changes import KINDS, changes
from jaxanon.evaluation.transfer import Shown, robustness


def test_the_help_of_under_gives_the_defaults():
    parsed = ArgumentParser()
    arguments.transfer(parsed)
    (under,) = [action for action in parsed._actions if action.dest == "under"]
    for name, kind in KINDS.items():
        amount = rf"\[[A-Z]+\] \(default {kind.amount}\)" if kind.least < kind.most else ","
        assert re.search(rf"\b{name}{amount}", under.help), name


@pytest.fixture
def image():
    return picture(2, 60, 80)


def test_each_change_does_what_it_says(image):
    made = {
        n: c(image) for n, c in changes("jpeg90,jpeg20,webp,resize50,flip,crop10,rotate").items()
    }
    assert all(out.dtype == np.uint8 and out.shape[2] == 3 for out in made.values())
    loss = {n: np.abs(made[n].astype(int) - image).mean() for n in ("jpeg90", "jpeg20", "webp")}
    assert 0 < loss["jpeg90"] < loss["jpeg20"] < 40
    assert loss["webp"] > 0
    assert made["resize50"].shape == (30, 40, 3)
    np.testing.assert_array_equal(made["flip"], image[:, ::-1])
    np.testing.assert_array_equal(made["crop10"], image[6:, 8:])
    assert made["rotate"].shape == image.shape
    assert (made["rotate"][0, -1] == 0).all(), "corners are black"
    np.testing.assert_allclose(made["rotate"][30, 40], image[30, 40], atol=60)


def test_one_pixel_is_no_special_case():
    dot = np.full((1, 1, 3), 7, np.uint8)
    for name, change in changes("jpeg,webp,resize,flip,crop,rotate").items():
        assert change(dot).shape == (1, 1, 3), name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("jepg75", "unknown change 'jepg75'; near matches: jpeg"),
        ("jpeg0", "the number in 'jpeg0' must be 1 to 100"),
        ("jpeg-", "must be 1 to 100"),
        ("flip2", "flip takes no number"),
        ("resize201", "must be 1 to 200"),
        ("flip,flip", "the change flip stands twice"),
        ("", "unknown change ''"),
    ],
)
def test_what_cannot_be_is_refused(text, message):
    with pytest.raises(UsageError, match=message):
        changes(text)


def test_what_an_image_does_not_allow_is_named():
    """WebP has no sides above 16383 pixels."""
    (change,) = changes("webp80").values()
    with pytest.raises(ImageError, match="webp80 is impossible"):
        change(np.zeros((20, 16400, 3), np.uint8))


def test_shares_by_change_and_stage():
    reference = np.array([[1, 2], [3, 4]])
    decisions = {
        Shown("original"): reference,
        Shown("adapted"): reference,
        Shown("anonymized"): reference + [[0, 1], [1, 1]],
        Shown("original", "flip"): reference + [[0, 0], [0, 1]],
        Shown("adapted", "flip"): reference + [[1, 0], [1, 1]],
        Shown("anonymized", "flip"): reference + 1,
    }
    found = robustness(["a", "b"], decisions)
    assert found == {
        "flip": {
            "a": {"original": 1.0, "adapted": 0.5, "anonymized": 0.0},
            "b": {"original": 0.5, "adapted": 0.0, "anonymized": 0.0},
        }
    }
    for change in (None, "flip"):
        del decisions[Shown("anonymized", change)]
    assert "anonymized" not in robustness(["a", "b"], decisions)["flip"]["a"]
