"""Nearest neighbours, intervals, and the figures made of them."""

import numpy as np
import pytest

from jaxanon.privacy.examine import Variant
from jaxanon.privacy.features import FaceFeatures
from jaxanon.privacy.findings import findings
from jaxanon.privacy.identification import compare, hits
from jaxanon.privacy.measurements import Measurements
from jaxanon.privacy.report import verdict


def test_distances_of_faces(rng):
    faces = rng.normal(size=(5, 2, 9))
    wanted = np.linalg.norm(faces[[3, 1], 1][:, None] - faces[:, 0], axis=-1)
    found = FaceFeatures(faces).distances(1, 0)(np.array([3, 1]))
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_hits_count_the_nearest():
    apart = np.array([[0.1, 0.2, 0.3], [0.1, 0.2, 0.3], [0.3, 0.2, 0.1]])
    own = np.arange(3)
    np.testing.assert_array_equal(hits(apart, own, 1), [1, 0, 1])
    np.testing.assert_array_equal(hits(apart, own, 2), [1, 1, 1])
    np.testing.assert_array_equal(hits(apart, np.array([2, 0, 0]), 1), [0, 1, 0])


def test_what_looks_alike_is_a_guess():
    """Under a plain grey the chance is that of drawing at random, not one, and not none."""
    np.testing.assert_allclose(hits(np.zeros((20, 20)), np.arange(20), 1), 1 / 20)
    np.testing.assert_allclose(hits(np.zeros((20, 20)), np.arange(20), 5), 5 / 20)
    np.testing.assert_allclose(hits(np.zeros((3, 3)), np.arange(3), 5), 1)
    tied = np.array([[0.0, 0.5, 0.5, 0.9]])
    np.testing.assert_allclose(hits(tied, np.array([1]), 1), 0)
    np.testing.assert_allclose(hits(tied, np.array([1]), 2), 0.5)
    np.testing.assert_allclose(hits(tied, np.array([1]), 3), 1)


def test_a_difference_is_worse_only_where_chance_would_hardly_make_it():
    before = np.zeros(30)
    assert compare(before, before)["p"] == 1
    for gains, worse in ((1, False), (5, False), (6, True), (15, True)):
        after = np.array([1.0] * gains + [0.0] * (30 - gains))
        found = compare(before, after)
        assert found["worse"] is worse
        assert found["p"] == pytest.approx(0.5**gains, abs=1e-4)
        assert compare(after, before)["worse"] is False
    assert compare(np.zeros(1), np.ones(1))["worse"] is False


@pytest.mark.parametrize("count", [10, 40])
def test_chance_alone_is_called_worse_as_seldom_as_it_says(count):
    draw = np.random.default_rng(1)
    alarms = [compare(*(draw.random((2, count)) < 0.4).astype(float))["worse"] for _ in range(1000)]
    assert np.mean(alarms) < 0.04


def measured(rng, n=12, kept=True):
    """Images whose anonymized form tells nothing, and whose adapted form keeps the decision."""
    variants = (Variant("original"), Variant("anonymized"), Variant("adapted"))
    originals = rng.normal(size=(n, 6))
    originals[np.arange(n), np.arange(n) % 6] += 9  # two images of each class
    adapted = rng.normal(size=(n, 6))
    adapted[np.arange(n), np.arange(n) % 6] += 9 if kept else 0
    logits = np.stack([originals, rng.normal(size=(n, 6)), adapted], 1)
    thumbnails = rng.normal(size=(n, 3, 20))
    thumbnails[:, 2] = thumbnails[:, 1]
    return Measurements(
        variants,
        (logits,),
        thumbnails,
        None,
        np.zeros(0, int),
        {},
        {"adapted": {"ssim": np.ones(n)}},
    )


def rows_of(result):
    return {(row["features"], row["attack"]): row for row in result["reidentification"]}


def test_decisions_narrow_the_search_to_their_class(rng):
    """Two of twelve images share each class, so a kept decision finds one of two."""
    rows = rows_of(findings(measured(rng), {"sources": [0]}, [0]))
    known = rows["decisions", "classifiers known"]["rank1"]
    assert known["adapted"]["mean"] == pytest.approx(1 / 2)
    assert known["anonymized"]["mean"] < 0.3
    assert known["difference"]["worse"]
    assert not known["beyond_decisions"]["worse"], "they are the decisions"
    features = rows["sources", "none"]["rank1"]
    assert features["told"]["mean"] >= features["anonymized"]["mean"]
    assert features["difference"]["worse"]
    assert not features["beyond_decisions"]["worse"], "no more than the decisions themselves"


def test_what_leaks_beyond_decisions_is_seen(rng):
    """An adapted image that carries the original's pixels is told from one that does not."""
    data = measured(rng, n=48)
    assert not rows_of(findings(data, {"all": [0]}, [0]))["pixels", "none"]["rank1"]["difference"][
        "worse"
    ]
    data.thumbnails[:, 2] += 2 * data.thumbnails[:, 0]
    row = rows_of(findings(data, {"all": [0]}, [0]))["pixels", "none"]["rank1"]
    assert row["difference"]["worse"]
    assert row["beyond_decisions"]["worse"]


def test_knowing_the_method_needs_no_original_pixels(rng):
    row = rows_of(findings(measured(rng), {"all": [0]}, [0]))["pixels", "method known"]["rank1"]
    assert row["anonymized"]["mean"] == row["adapted"]["mean"] == 1


def test_knowing_method_and_classifiers_narrows_the_search_by_both(rng):
    """Thumbnails that tell nothing, and decisions that two of twelve share: one of two."""
    data = measured(rng)
    data.thumbnails[:] = 1
    rows = rows_of(findings(data, {"all": [0]}, [0]))
    both = rows["pixels and decisions", "method and classifiers known"]["rank1"]
    assert both["anonymized"]["mean"] == pytest.approx(1 / 12, abs=1e-4)
    assert both["adapted"]["mean"] == both["told"]["mean"] == pytest.approx(1 / 2)
    assert both["difference"]["worse"]
    assert not both["beyond_decisions"]["worse"]
    assert both["chance"] == pytest.approx(1 / 12, abs=1e-4)


def test_where_sources_are_not_at_hand_nothing_is_compared_with_their_decisions(rng):
    rows = rows_of(findings(measured(rng), {"held out": [0]}, []))
    assert ("decisions", "classifiers known") not in rows
    assert all("told" not in row["rank1"] for row in rows.values())


def test_probes_go_in_blocks_and_nothing_depends_on_their_size(rng):
    data = measured(rng, n=24)
    whole = findings(data, {"all": [0]}, [0])
    assert findings(data, {"all": [0]}, [0], probes_at_once=7) == whole


@pytest.mark.parametrize(
    ("worse", "beyond", "wanted"),
    [
        ([None, None], [None, None], "unknown"),
        ([False, False], [False, True], "not worse"),
        ([False, True], [False, False], "not beyond the decisions"),
        ([True, False], [False, True], "worse"),
        ([True, True], [None, None], "worse"),
    ],
)
def test_the_verdict_on_a_row(worse, beyond, wanted):
    def rank(difference, beyond):
        fields = {"difference": difference, "beyond_decisions": beyond}
        return {name: {"worse": value} for name, value in fields.items() if value is not None}

    ranks = [rank(*each) for each in zip(worse, beyond, strict=True)]
    assert verdict({"rank1": ranks[0], "rank5": ranks[1]}) == wanted
