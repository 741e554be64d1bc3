"""A cap where oracles are asked: a search that comes above it ends, and says so."""

import numpy as np
import pytest
from runs import item, quiet_run
from samples import picture

from jaxanon.adaptation.settings import preset
from jaxanon.anonymizers import anonymize
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.io.images import read_image
from jaxanon.pipeline.cap import Cap
from jaxanon.pipeline.item import LoadedImage
from jaxanon.pipeline.oracles import Oracles
from jaxanon.pipeline.verification import Verification

PHOTO = picture(0, 50, 70)
HIDDEN = anonymize(PHOTO, "blur", strength=24)


@pytest.mark.parametrize(
    ("above", "steps", "queries"),
    [(12, 4 + 4, 12), (1, 4, 2)],
)
def test_what_a_search_above_the_cap_has_spent(
    tmp_path, tinies, monkeypatch, above, steps, queries
):
    """One of the moves makes four steps; and where no file is left, one more is asked about."""
    scores = iter([0.1] * (above - 1) + [1.0, 0.1])
    monkeypatch.setattr(
        Verification, "_score", lambda *_: {"anonymized": 0.1, "adapted": next(scores)}
    )
    monkeypatch.setattr(Oracles, "agree", lambda *_: False)
    settings = preset("fast", steps=4, confidence=np.inf, queries=20)
    one = item("a.png", tmp_path / "a.png", lambda: LoadedImage(PHOTO, HIDDEN, None))
    options = {"cap": Cap(0.995, "targets", 1, 1), "oracles": (tinies[2].name,), "slots": 1}
    run = quiet_run(tmp_path, [one], tinies[:1], tinies[1:], settings, **options)
    (image,) = run.execute()["images"]
    assert image["status"] == "partly"
    assert f"after {steps} steps the score 1.000 was above" in image["error"]
    assert (image["steps"], image["queries"]) == (steps, queries)
    saved = read_image(tmp_path / "a.png")
    decided = Ensemble(tinies).decide([saved])[:, 0]
    assert [row["adapted"] for row in image["decisions"].values()] == decided.tolist()
    if above == 1:
        np.testing.assert_array_equal(saved, HIDDEN)
        assert "this is the image after 0" in image["error"]
