"""Trying one photo, as `jaxanon ui` does: what is hidden, what is refused, and nothing is kept."""

import io

import numpy as np
import pytest
from command_line import jaxanon
from PIL import Image
from samples import picture

from jaxanon.cli import trial as module
from jaxanon.cli.trial import Choices, Trial
from jaxanon.errors import ImageError, UsageError

WHOLE = Choices("pixelate", 10, "fast", "whole")


@pytest.fixture
def trial(zoo, tmp_path, monkeypatch):
    """Two sources and a target; whatever is written goes to a folder of the test's."""
    from jaxanon.cli.common import load_all

    (tmp_path / "memory").mkdir()
    monkeypatch.setattr(module, "IN_MEMORY", tmp_path / "memory")
    a, b, c = load_all(zoo)
    return Trial({zoo[0]: a, zoo[1]: b}, {zoo[2]: c})


def encoded(array, **more):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, **{"format": "PNG", **more})
    return buffer.getvalue()


def test_a_photo_is_hidden_adapted_and_forgotten(trial, tmp_path):
    photo = picture(3, 60, 90)
    found = trial.run(encoded(photo), None, WHOLE)
    assert found.anonymized.shape == found.adapted.shape == photo.shape
    assert (found.anonymized != photo).any()
    assert np.asarray(Image.open(io.BytesIO(found.file))).tolist() == found.adapted.tolist()
    assert np.abs(found.adapted.astype(int) - found.anonymized).max() <= 16
    assert [row[1] for row in found.rows] == ["source", "source", "target"]
    assert all(row[2] == row[4] for row in found.rows[:2])
    assert len(found.views) == 6
    assert found.figures.startswith("**kept** after ")
    assert "correlation" in found.figures
    assert "depends on the original through the decision of each source" in found.figures
    assert not list((tmp_path / "memory").iterdir())


def test_a_photo_in_which_no_face_is_found_is_refused(trial):
    with pytest.raises(ImageError, match="nothing private was found"):
        trial.run(encoded(picture(3, 60, 90)), None, Choices("solid", 0, "fast", "faces"))


def test_a_strength_is_needed(trial):
    with pytest.raises(UsageError, match="give a strength"):
        trial.run(encoded(picture(3, 60, 90)), None, Choices("blur", None, "fast", "whole"))


def test_what_is_painted_is_hidden_and_nothing_else(trial):
    photo = picture(3, 60, 90)
    turned = encoded(np.rot90(photo, 1), format="JPEG", quality=100, exif=_turned())
    seen = module.upright(turned)
    assert seen.shape == (60, 90, 3), "as it is looked at"
    painted = np.zeros((30, 45), bool)
    painted[:, :10] = True
    found = trial.run(turned, painted, Choices("solid", 0, "fast", "painted"))
    assert (found.anonymized[:, 20:] == seen[:, 20:]).all()
    assert (found.anonymized[:, :20] != seen[:, :20]).any(2).mean() > 0.9
    with pytest.raises(UsageError, match="nothing is painted"):
        trial.run(turned, np.zeros((30, 45), bool), Choices("solid", 0, "fast", "painted"))


def _turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


@pytest.mark.parametrize(
    ("photo", "text"),
    [
        (b"no picture", "cannot be read as a picture"),
        (bytes(20_000_001), "more than 20 MB"),
        (encoded(np.zeros((4001, 4000), np.uint8)), "4000 x 4001 pixels, more than 16 million"),
    ],
)
def test_what_is_too_large_or_no_picture_is_refused(trial, tmp_path, photo, text):
    with pytest.raises(ImageError, match=text):
        trial.run(photo, None, WHOLE)
    assert not list((tmp_path / "memory").iterdir())


def test_without_gradio_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr("jaxanon.cli.ui.find_spec", lambda name: None)
    assert jaxanon("ui") == 2
    assert "pip install 'jaxanon[ui]'" in capsys.readouterr().err
