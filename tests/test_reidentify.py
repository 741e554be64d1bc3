"""Nearest neighbours, intervals, and the figures made of them."""

import math

import numpy as np
import pytest

from jaxanon.privacy import findings as privacy
from jaxanon.privacy.examine import Column
from jaxanon.privacy.findings import Gathered, findings
from jaxanon.privacy.identification import Interval, compare, directions, euclidean, hits


def test_directions_give_correlations(rng):
    a, b = rng.normal(size=(4, 9)), rng.normal(size=(5, 9))
    wanted = np.corrcoef(np.concatenate([a, b]))[:4, 4:]
    np.testing.assert_allclose(directions(a) @ directions(b).T, wanted, atol=1e-12)
    np.testing.assert_allclose(directions(a), directions(3 * a + 7), atol=1e-12)
    np.testing.assert_array_equal(directions(np.full((1, 5), 3.0)), 0)


def test_euclidean_distances(rng):
    a, b = rng.normal(size=(4, 9)), rng.normal(size=(5, 9))
    wanted = np.linalg.norm(a[:, None] - b, axis=-1)
    np.testing.assert_allclose(euclidean(a, b), wanted, atol=1e-12)


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


def test_the_interval_of_a_mean_covers_the_truth_as_often_as_it_says():
    draw = np.random.default_rng(0)
    inside = 0
    for trial in range(200):
        found = Interval.from_values(draw.normal(size=60), seed=trial)
        assert found.low <= found.mean <= found.high
        inside += found.low <= 0 <= found.high
    assert 0.89 <= inside / 200 <= 0.985


@pytest.mark.parametrize("share", [0.02, 0.05, 0.3, 0.95, 0.99])
@pytest.mark.parametrize("count", [10, 20, 60])
def test_the_interval_of_a_share_covers_the_truth_near_its_ends_too(share, count):
    chances = [
        math.comb(count, k) * share**k * (1 - share) ** (count - k) for k in range(count + 1)
    ]
    found = [Interval.from_shares(np.arange(count) < k) for k in range(count + 1)]
    inside = sum(p for p, i in zip(chances, found, strict=True) if i.low <= share <= i.high)
    assert inside > 0.89
    for k, interval in enumerate(found):
        assert 0 <= interval.low <= k / count <= interval.high <= 1


def test_twenty_hits_of_twenty_are_no_certainty():
    everyone = Interval.from_shares(np.ones(20))
    assert (round(everyone.low, 3), everyone.high) == (0.839, 1)  # Wilson, as tables have it


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


def gathered(rng, n=12, kept=True):
    """Images whose anonymized form tells nothing, and whose adapted form keeps the decision."""
    columns = (Column("original"), Column("anonymized"), Column("adapted"))
    originals = rng.normal(size=(n, 6))
    originals[np.arange(n), np.arange(n) % 6] += 9  # two images of each class
    adapted = rng.normal(size=(n, 6))
    adapted[np.arange(n), np.arange(n) % 6] += 9 if kept else 0
    logits = np.stack([originals, rng.normal(size=(n, 6)), adapted], 1)
    thumbnails = rng.normal(size=(n, 3, 20))
    thumbnails[:, 2] = thumbnails[:, 1]
    return Gathered(
        columns,
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
    rows = rows_of(findings(gathered(rng), {"sources": [0]}, [0]))
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
    data = gathered(rng, n=48)
    assert not rows_of(findings(data, {"all": [0]}, [0]))["pixels", "none"]["rank1"]["difference"][
        "worse"
    ]
    data.thumbnails[:, 2] += 2 * data.thumbnails[:, 0]
    row = rows_of(findings(data, {"all": [0]}, [0]))["pixels", "none"]["rank1"]
    assert row["difference"]["worse"]
    assert row["beyond_decisions"]["worse"]


def test_knowing_the_method_needs_no_original_pixels(rng):
    row = rows_of(findings(gathered(rng), {"all": [0]}, [0]))["pixels", "method known"]["rank1"]
    assert row["anonymized"]["mean"] == row["adapted"]["mean"] == 1


def test_knowing_method_and_classifiers_narrows_the_search_by_both(rng):
    """Thumbnails that tell nothing, and decisions that two of twelve share: one of two."""
    data = gathered(rng)
    data.thumbnails[:] = 1
    rows = rows_of(findings(data, {"all": [0]}, [0]))
    both = rows["pixels and decisions", "method and classifiers known"]["rank1"]
    assert both["anonymized"]["mean"] == pytest.approx(1 / 12, abs=1e-4)
    assert both["adapted"]["mean"] == both["told"]["mean"] == pytest.approx(1 / 2)
    assert both["difference"]["worse"]
    assert not both["beyond_decisions"]["worse"]
    assert both["chance"] == pytest.approx(1 / 12, abs=1e-4)


def test_where_sources_are_not_at_hand_nothing_is_compared_with_their_decisions(rng):
    rows = rows_of(findings(gathered(rng), {"held out": [0]}, []))
    assert ("decisions", "classifiers known") not in rows
    assert all("told" not in row["rank1"] for row in rows.values())


def test_probes_go_in_blocks_and_nothing_depends_on_their_size(rng, monkeypatch):
    data = gathered(rng, n=24)
    whole = findings(data, {"all": [0]}, [0])
    monkeypatch.setattr(privacy, "PROBES", 7)
    assert findings(data, {"all": [0]}, [0]) == whole
