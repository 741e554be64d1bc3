import numpy as np
import pytest

from jaxanon.evaluation.transfer import Ceiling, Roles, StageShares, transfer
from jaxanon.pipeline.record import Record
from jaxanon.pipeline.tally import Tally


def test_class_aware_split_by_hand():
    reference = np.array([[0, 1, 2, 3], [0, 1, 2, 3]])
    anonymized = np.array([[9, 9, 2, 9], [9, 8, 7, 3]])
    adapted = np.array([[0, 1, 2, 3], [9, 1, 7, 5]])
    source, target = transfer(["s", "t"], reference, adapted, anonymized, Roles([0]), [10, 10])
    assert source.anonymized == StageShares(0.25, 0.75, 0.0)
    assert source.adapted == StageShares(1.0, 0.0, 0.0)
    assert source.repair == 1.0
    # lost: image 0 to the source's 9, image 1 to another, image 2 where the source was unchanged
    assert target.anonymized == StageShares(0.25, 0.25, 0.5)
    # image 0 is still the source's mistake; images 2 and 3 are different ones
    assert target.adapted == StageShares(0.25, 0.25, 0.5)
    assert target.repair == pytest.approx(1 / 3)


def test_the_ceiling_is_where_source_and_target_agree_on_the_originals():
    reference = np.array([[0, 1, 2, 3, 4], [0, 1, 2, 5, 6]])
    adapted = np.array([[0, 1, 2, 3, 4], [0, 1, 9, 5, 9]])
    source, target, other = transfer(
        ["s", "t", "o"],
        np.vstack([reference, reference[:1]]),
        np.vstack([adapted, adapted[:1]]),
        None,
        Roles([0]),
        [10, 10, 7],
    )
    assert target.ceiling == Ceiling(0.6, 2, pytest.approx(2 / 3), 0.5)
    assert target.reached == pytest.approx(0.6 / 0.6)
    assert source.ceiling is source.reached is None
    assert other.ceiling is None, "its numbers mean other classes"


def test_two_sources_bring_what_either_does():
    reference = np.array([[0, 1, 2, 3], [0, 7, 2, 7], [0, 7, 6, 3]])
    for roles in Roles([0, 1]), Roles([0], [1]):  # an oracle's decisions are kept as well
        one, other, target = transfer(
            ["s", "u", "t"], reference, reference, None, roles, [10, 10, 10]
        )
        assert one.ceiling is other.ceiling is None
        assert target.ceiling == Ceiling(0.75, 1, 1.0, 1.0)


def test_without_anonymized_images_the_change_is_read_on_the_adapted_ones():
    reference = np.array([[0, 1, 2], [0, 1, 2]])
    adapted = np.array([[5, 1, 6], [5, 7, 8]])
    _, target = transfer(["s", "t"], reference, adapted, None, Roles([0]), [10, 10])
    assert target.adapted == StageShares(0.0, pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert target.anonymized is None
    assert target.repair is None


def test_no_split_between_classifiers_of_different_classes():
    reference, adapted = np.array([[0, 1], [0, 1]]), np.array([[2, 1], [2, 1]])
    _, target = transfer(["s", "t"], reference, adapted, None, Roles([0]), [10, 7])
    assert target.adapted == StageShares(0.5, None, None)


def test_repair_counts_only_what_was_lost():
    def record(reference, anonymized, adapted):
        row = {"reference": reference, "anonymized": anonymized, "adapted": adapted}
        return Record("i", "o", "kept", decisions={"m": row})

    records = [record(1, 1, 1), record(1, 2, 1), record(1, 2, 2), Record("x", None, "failed")]

    def shares(records):
        tally = Tally(["m"])
        for one in records:
            tally.add(one)
        return tally.shares("m")

    assert shares(records) == {
        "anonymized": pytest.approx(1 / 3),
        "adapted": pytest.approx(2 / 3),
        "repair": 0.5,
    }
    assert shares(records[:1])["repair"] is None
    assert shares([])["adapted"] is None
