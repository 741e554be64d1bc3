"""Measures and intervals, against scipy where it has them."""

import math

import numpy as np
import pytest
from scipy import stats

from jaxanon.metrics import MOST_EXACT, Interval, difference, directions, sign_flip_p, softmax


def test_softmax_is_bit_for_bit_what_it_was(rng):
    """Saved files of the loss `soft` and of isr depend on it."""
    for shape in ((1000,), (7, 1000), (2, 3, 244)):
        logits = (30 * rng.normal(size=shape)).astype(np.float32)
        powers = np.exp(logits - logits.max(-1, keepdims=True))
        found = softmax(logits)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, powers / powers.sum(-1, keepdims=True))


def test_difference():
    a = np.full((4, 4, 3), 100, np.uint8)
    b = a.copy()
    b[0, 0, 0] = 90
    assert difference(a, a) == (0, None)
    linf, psnr = difference(b, a)
    assert linf == 10
    assert psnr == pytest.approx(10 * np.log10(255**2 / (100 / 48)), abs=0.01)


def test_directions_give_correlations(rng):
    a, b = rng.normal(size=(4, 9)), rng.normal(size=(5, 9))
    wanted = np.corrcoef(np.concatenate([a, b]))[:4, 4:]
    np.testing.assert_allclose(directions(a) @ directions(b).T, wanted, atol=1e-12)
    np.testing.assert_allclose(directions(a), directions(3 * a + 7), atol=1e-12)
    np.testing.assert_array_equal(directions(np.full((1, 5), 3.0)), 0)


def test_the_interval_of_a_mean_covers_the_truth_as_often_as_it_says():
    draw = np.random.default_rng(0)
    inside = 0
    for trial in range(200):
        found = Interval.from_values(draw.normal(size=60), seed=trial)
        assert found.low <= found.mean <= found.high
        inside += found.low <= 0 <= found.high
    assert 0.89 <= inside / 200 <= 0.985


def test_one_value_has_no_width():
    assert Interval.from_values(np.array([0.3])) == Interval(0.3, 0.3, 0.3)


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
    found = Interval.from_shares(np.ones(20))
    assert (round(found.low, 3), found.high) == (0.839, 1)  # Wilson, as tables have it


@pytest.mark.parametrize(("count", "trials"), [(0, 5), (3, 11), (20, 20), (41, 97)])
def test_the_interval_of_whole_counts_is_that_of_scipy(count, trials):
    found = Interval.from_shares(np.arange(trials) < count)
    wanted = stats.binomtest(count, trials).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


def test_the_sign_flip_test_by_hand():
    """Of the eight ways to sign three gaps, two have a mean as large."""
    assert sign_flip_p(np.array([1.0, 0.5, 0.0, -0.2])) == 2 / 8
    assert sign_flip_p(np.array([1.0])) == 1 / 2
    assert sign_flip_p(np.zeros(5)) == 1
    gaps = np.resize([1.0, 1.0, -1.0], MOST_EXACT)
    more = np.resize([1.0, 1.0, -1.0], MOST_EXACT + 1)
    assert sign_flip_p(more) == pytest.approx(sign_flip_p(gaps), abs=0.1), "exact, then normal"
