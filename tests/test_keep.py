"""What is to be kept: the largest class, the first few, their order, or all labels present."""

import json
import math
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from command_line import NAMES, jaxanon
from samples import picture
from test_outside import onnx_model
from test_shards import anonymize as anonymize_shards
from test_shards import shards  # noqa: F401

import jaxanon as library
from jaxanon.adaptation.guarantee import guarantee
from jaxanon.adaptation.losses import BY_KIND, losses_of, margin
from jaxanon.adaptation.settings import Settings, preset
from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.classifiers.keeping import TOP1, keeping
from jaxanon.classifiers.loading import load_classifier
from jaxanon.classifiers.outside.answers import ask
from jaxanon.classifiers.outside.classifier import AnswerError, Known, Question
from jaxanon.classifiers.outside.loading import load
from jaxanon.classifiers.outside.panel import Panel
from jaxanon.cli.privacy import _groups
from jaxanon.errors import UsageError, WeightsError
from jaxanon.io.images import read_image

RULES = ("top1", "top3", "top3!", "labels")
FIVE = Known(5, None, "here", thresholds=(0.5,))
LOGITS = np.array([0.5, 3.0, -1.0, 2.0, -0.25], np.float32)


@pytest.mark.parametrize(
    ("keep", "decision", "listed", "distance"),
    [
        ("top1", 1, [1], 1.0),
        ("top2", [1, 3], [1, 3], 1.5),
        ("top3", [0, 1, 3], [0, 1, 3], 0.75),
        ("top3!", [1, 3, 0], [1, 3, 0], 0.75),
        ("top2!", [1, 3], [1, 3], 1.0),
        ("labels", [1, 1, 0, 1, 0], [0, 1, 3], 0.25),
    ],
)
def test_decisions_and_margins_by_hand(keep, decision, listed, distance):
    rule = keeping(keep)
    made = rule.decide(LOGITS, FIVE)
    np.testing.assert_array_equal(made, decision)
    assert rule.listed(made) == listed
    np.testing.assert_array_equal(rule.read(listed if rule.several else listed[0], 5), made)
    assert rule.margin(LOGITS, made) == pytest.approx(distance)
    assert float(margin(rule, jnp.asarray(LOGITS), jnp.asarray(made))) == pytest.approx(distance)
    assert rule.same(made, made)
    other = rule.decide(np.roll(LOGITS, 1), FIVE)
    assert not rule.same(made, other)
    assert rule.margin(LOGITS, other) < 0
    assert made.shape == rule.shape([FIVE])
    assert rule.problem(np.stack([made, other]), 5) is None


def test_only_an_order_heeds_the_order():
    swapped = LOGITS[[0, 3, 2, 1, 4]]
    for keep, same in (("top2", True), ("top2!", False)):
        rule = keeping(keep)
        assert rule.same(*(rule.decide(each, FIVE) for each in (LOGITS, swapped))) == same


def test_thresholds_decide_which_labels_are_present():
    rule, strict = keeping("labels"), replace(FIVE, thresholds=(0.9, 0.9, 0.9, 0.9, 0.4))
    np.testing.assert_array_equal(rule.decide(LOGITS, strict), [0, 1, 0, 0, 1])
    at = replace(FIVE, thresholds=(1 / (1 + math.exp(-0.5)),))
    assert rule.decide(np.array([0.5, 0.4999], np.float32), at).tolist() == [1, 0], "at or above"
    smaller = rule.decide(np.zeros((2, 3), np.float32), FIVE)
    both = rule.together([smaller, rule.decide(np.stack([LOGITS, LOGITS]), FIVE)])
    np.testing.assert_array_equal(both[0], [[1, 1, 1, 0, 0]] * 2)
    assert rule.problem(both[0], 3) is None
    assert rule.problem(both[0] * 2, 3) == "must be 0 or 1, for 3 labels"


@pytest.mark.parametrize("keep", ["top3", "top3!", "labels"])
def test_each_loss_leads_to_what_is_to_be_kept(keep):
    """Plain gradient descent on the logits alone; one class of many is no fixed point of it."""
    rule, start = keeping(keep), jnp.asarray(LOGITS[::-1].copy())
    wanted = jnp.asarray(rule.decide(LOGITS, FIVE))
    assert margin(rule, start, wanted) < 0
    for name, loss in losses_of(rule).items():
        soft = jax.nn.softmax(jnp.asarray(LOGITS))
        slope = jax.jit(jax.grad(lambda logits, loss=loss, soft=soft: loss(logits, wanted, soft)))
        logits = start
        for _ in range(400):
            logits -= 0.1 * slope(logits)
        assert margin(rule, logits, wanted) > 0, name


def test_losses_of_several_by_hand():
    p = np.exp(LOGITS) / np.exp(LOGITS).sum()
    sets, nothing = losses_of(keeping("top2")), jnp.zeros(0)
    two = jnp.array([1, 3])
    assert sets["cross_entropy"](LOGITS, two, nothing) == pytest.approx(-np.log(p[[1, 3]]).mean())
    assert sets["logit"](LOGITS, two, nothing) == pytest.approx(-2.5)
    drawn = np.log(p[3]) + np.log(p[1] / (1 - p[3]))
    backwards = losses_of(keeping("top2!"))["cross_entropy"](LOGITS, jnp.array([3, 1]), nothing)
    assert backwards == pytest.approx(-drawn / 2, abs=1e-5)
    present = np.array([1, 1, 0, 1, 0])
    binary = losses_of(keeping("labels"))["cross_entropy"](LOGITS, present, nothing)
    shares = np.where(present, 1, -1) * LOGITS
    assert binary == pytest.approx(np.log1p(np.exp(-shares)).mean())
    assert BY_KIND.keys() == {keeping(keep).kind for keep in RULES}


@pytest.mark.parametrize(
    "value", ["top0", "top1!", "top", "3", "top-2", "top3?", "label", "", "TOP3"]
)
def test_a_rule_that_is_none_is_refused(value):
    with pytest.raises(UsageError, match=r"keep is '.*'; it must be top1, topK such as top3"):
        Settings(keep=value)


def test_what_does_not_go_together_is_refused(tinies, pictures):
    with pytest.raises(UsageError, match="keep is 'top3'; it must be top1 for an attack"):
        Settings(keep="top3", goal="avoid")
    with pytest.raises(UsageError, match="keep is 'labels'; it must be top1 for an attack"):
        library.attack(pictures[:1], Ensemble(tinies[:1]), Settings(keep="labels"))
    with pytest.raises(UsageError, match=r"loss is 'logit'; .* cross_entropy.* for keep top3!"):
        Settings(keep="top3!", loss="logit")
    with pytest.raises(UsageError, match=r"loss is 'soft'; it must be one of .* for keep labels"):
        Settings(keep="labels", loss="soft")
    ensemble = Ensemble(tinies[:2])
    with pytest.raises(UsageError, match=r"'top7'; it must be top6 at most, .* tiny_b has 7 class"):
        ensemble.decide(pictures[:1], keep="top7")
    settings = Settings(keep="top2")
    for decisions, wrong in (
        ([[1], [1]], r"expected \(sources, images, ...\) = \(2, 1, 2\), as ensemble.decide\(orig"),
        ([[[1, 2]], [[1, 7]]], r"tiny_b must be in 0\.\.6"),
        ([[[1, 2]], [[3, 3]]], "tiny_b must be 2 different classes"),
        ([[[2, 1]], [[1, 2]]], "tiny_a must be in ascending order"),
    ):
        with pytest.raises(UsageError, match=wrong):
            library.adapt(pictures[:1], np.array(decisions), ensemble, settings)


class Answering:
    """A classifier from outside that answers as it is told."""

    name, sees_originals = "python:mine:decide", True

    def __init__(self, known, answer):
        self.known, self.answer = known, answer

    def answers(self, pictures):
        return [self.answer for _ in pictures]


def test_a_bare_decision_tells_nothing_of_several_classes(tinies):
    question = Question(np.zeros((8, 8, 3), np.uint8))
    outside = Answering(Known(3, None, "here"), 1)
    assert ask(outside, [question])[0].argmax() == 1
    (said,) = ask(outside, [question], keeping("top2"))
    assert isinstance(said, AnswerError)
    assert "one class, of which keep top2 cannot be told; it must answer 3 scores, or" in str(said)
    outside.answer = [0.1, 0.7, 0.2]
    (said,) = ask(outside, [question], keeping("top2"))
    assert said.argmax() == 1
    with pytest.raises(UsageError, match=r"'top3'; it must be top2 at most, .* has 3 classes"):
        Panel(Ensemble(tinies[:1]), [outside], keep=keeping("top3"))
    with pytest.raises(UsageError, match="'labels'; it must be top1, or topK, with python:mine"):
        Panel(Ensemble(tinies[:1]), [outside], keep=keeping("labels"))


def test_an_onnx_file_states_its_thresholds(tmp_path, tinies):
    path, rule = tmp_path / "means.onnx", keeping("labels")
    path.write_bytes(onnx_model(channels_first=True))

    def loaded(**more):
        usual = {"input_size": [3, 8, 8], "crop_pct": 1.0, "mean": [0.5] * 3, "std": [0.5] * 3}
        path.with_suffix(".json").write_text(json.dumps({**usual, **more}))
        return load(f"onnx:{path}")

    model = loaded(thresholds=[0.9, 0.5, 0.4])
    panel = Panel(Ensemble(tinies[:1]), [model], keep=rule)
    bright = np.full((8, 8, 3), 200, np.uint8)
    scores = panel.ask([panel.look(bright)]).of(0)
    assert panel.decide(scores).shape == (2, 10)
    assert panel.decide(scores)[1].tolist() == [0, 1, 1] + [0] * 7
    with pytest.raises(UsageError, match=r"has 3 classes, but .* has 2 thresholds"):
        loaded(thresholds=[0.5, 0.6])
    with pytest.raises(UsageError, match="an ONNX file can state `thresholds`"):
        Panel(Ensemble(tinies[:1]), [loaded()], keep=rule)


def test_the_guarantee_counts_what_was_told():
    bits = {keep: guarantee(preset(keep=keep), [10, 7], regions=False) for keep in RULES}
    assert bits["top1"]["bits"] == pytest.approx(math.log2(70), abs=0.01)
    assert bits["top3"]["bits"] == pytest.approx(math.log2(120 * 35), abs=0.01)
    assert bits["top3!"]["bits"] == pytest.approx(math.log2(720 * 210), abs=0.01)
    assert bits["labels"]["bits"] == 17
    assert bits["top1"]["text"].endswith("the decision of each source on it, one of 10 x 7")
    assert (
        "set of the 3 largest classes of each source on it, one of 120 x 35"
        in (bits["top3"]["text"])
    )
    many = guarantee(preset(keep="labels"), [1000], regions=False, oracles=[5])
    assert many["bits"] == 1005
    assert "one of 2^1000, the set of labels of each oracle, one of 32" in many["text"]


@pytest.mark.slow
def test_adapted_images_keep_more_than_the_first_class(tinies):
    photos = [picture(i, 60 + 3 * i, 90) for i in range(3)]
    hidden = [library.anonymize(photo, "blur", strength=10) for photo in photos]
    ensemble = Ensemble(tinies[:2])
    for keep in RULES[1:]:
        wanted = ensemble.decide(photos, keep)
        settings = preset("fast", keep=keep, eps=40)
        assert not settings.reached(ensemble.decide(hidden, keep), wanted).all(), "to be repaired"
        result = library.adapt(hidden, wanted, ensemble, settings)
        assert result.status == ["kept"] * 3
        np.testing.assert_array_equal(ensemble.decide(result.images, keep), wanted)
        np.testing.assert_array_equal(result.decisions, wanted)
        report = library.measure_transfer(photos, result.images, ensemble, keep=keep)
        assert [row.adapted.kept for row in report.rows] == [1, 1]
        assert report.as_json()["keep"] == keep
        assert "<b>class " in result._repr_html_()


def thresholds(given, values):
    """Write thresholds into the `config.json` of a classifier of the zoo."""
    file = Path(given.partition("@")[2]) / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "thresholds": values}))


def test_thresholds_are_read_from_the_card(zoo):
    assert load_classifier(zoo[0]).config.thresholds == (0.5,)
    thresholds(zoo[0], [0.1 + 0.05 * i for i in range(10)])
    assert load_classifier(zoo[0]).config.thresholds[9] == pytest.approx(0.55)
    thresholds(zoo[0], 0.3)
    assert load_classifier(zoo[0]).config.thresholds == (0.3,)
    for wrong in ([0.5, 0.4], [1.0], 0, "high", []):
        thresholds(zoo[0], wrong)
        with pytest.raises(WeightsError, match=r"thresholds|high"):
            load_classifier(zoo[0])


def kept_by_hand(rule, classifier: Classifier, original, other):
    """Whether a classifier decides alike on two files."""
    decided = [
        rule.decide(np.asarray(Ensemble([classifier]).logits([read_image(path)])[0][0]), known)
        for path, known in ((original, classifier.config), (other, classifier.config))
    ]
    return bool(rule.same(*decided))


@pytest.mark.parametrize("keep", RULES[1:])
def test_a_run_verifies_reports_and_transfers_by_the_rule(zoo, photos_dir, tmp_path, capsys, keep):
    out, plain, rule = tmp_path / "out", tmp_path / "plain", keeping(keep)
    if keep == "labels":
        thresholds(zoo[0], [0.4 + 0.02 * i for i in range(10)])
    words = [photos_dir, "-o", out, "--sources", ",".join(zoo[:2]), "--targets", zoo[2]]
    words += ["--strength", 30, "--eps", 40, "--save-anonymized", plain, "--keep", keep]
    assert jaxanon("anonymize", *words) == 0
    assert f"a decision is the {rule.noun}" in capsys.readouterr().out
    report = json.loads((out / "report.json").read_text())
    assert report["settings"]["keep"] == keep
    assert report["guarantee"]["bits"] == pytest.approx(
        sum(math.log2(rule.ways(count)) for count in (10, 9)), abs=0.01
    )
    loaded = {each: load_classifier(name) for each, name in zip(NAMES, zoo, strict=True)}
    shares, changed = dict.fromkeys(NAMES, 0), 0
    for row in report["images"]:
        assert row["status"] == "kept"
        for name, decisions in row["decisions"].items():
            assert all(isinstance(decisions[stage], int) for stage in ("reference", "adapted"))
            classes = decisions["classes"]
            kept = classes["reference"] == classes["adapted"]
            assert kept == kept_by_hand(rule, loaded[name], row["input"], row["output"])
            assert kept or name == NAMES[2]
            shares[name] += kept / 5
            changed += classes["reference"] != classes["anonymized"] and name != NAMES[2]
    assert changed, "the anonymizer left something to repair"
    concordance = report["summary"]["concordance"]
    assert {name: concordance[name]["adapted"] for name in NAMES} == pytest.approx(shares)
    assert rule.noun in (out / "report.html").read_text()

    assert jaxanon("anonymize", *words, "--resume", "--quiet") == 0
    capsys.readouterr()
    assert jaxanon("anonymize", *words[:-2], "--resume") == 2
    assert "cannot resume, the settings differ: keep" in capsys.readouterr().err

    words = [photos_dir, out, "--anonymized", plain, "--classifiers", ",".join(zoo)]
    found = tmp_path / "t.json"
    assert jaxanon("transfer", *words, "--keep", keep, "--json", found) == 0
    assert f"a decision is the {rule.noun}" in capsys.readouterr().out
    transferred = json.loads(found.read_text())
    assert transferred["keep"] == keep
    for row in transferred["classifiers"]:
        assert row["adapted"]["kept"] == pytest.approx(concordance[row["name"]]["adapted"])
        assert row["anonymized"]["kept"] == pytest.approx(concordance[row["name"]]["anonymized"])


def test_by_default_nothing_is_said_of_it(zoo, photos_dir, tmp_path, capsys):
    out, words = tmp_path / "out", ["--sources", zoo[0], "--steps", 2, "--quiet"]
    assert jaxanon("anonymize", photos_dir / "a.png", "-o", out, *words) == 0
    report = json.loads((out / "report.json").read_text())
    assert "keep" not in report["settings"]
    (row,) = report["images"]
    assert list(row["decisions"][NAMES[0]]) == ["reference", "anonymized", "adapted"]
    assert TOP1.text == Settings().keep
    words = [photos_dir / "a.png", "-o", tmp_path / "b", "--sources", zoo[0]]
    assert jaxanon("attack", *words, "--keep", "top3") == 2
    assert "keep is 'top3'; it must be top1 for an attack" in capsys.readouterr().err
    assert jaxanon("anonymize", *words, "--keep", "top3", "--targets", f"{zoo[2]}") in (0, 1)
    assert jaxanon("anonymize", *words, "--keep", "top10", "--overwrite") == 2
    assert "'top10'; it must be top9 at most, or top1: tiny_a.test" in capsys.readouterr().err


def test_attackers_who_know_decisions_are_left_out_where_images_keep_more():
    run = {"classifiers": [{"name": "a", "role": "source"}], "settings": {"keep": "top3"}}
    assert _groups(["a"], run) == (
        {"sources": [0]},
        [],
        "the images keep top3, which tells more than the decisions compared here",
    )
    assert _groups(["a"], {**run, "settings": {}})[1:] == ([0], None)


def test_an_oracle_keeps_the_same(zoo, photos_dir, tmp_path):
    words = ["--sources", zoo[0], "--oracles", zoo[2], "--strength", 10, "--eps", 40, "--quiet"]
    words += ["--queries", 12, "--keep", "top2"]
    assert jaxanon("anonymize", photos_dir, "-o", tmp_path / "out", *words) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["guarantee"]["bits"] == pytest.approx(math.log2(45 * 28), abs=0.01)
    for row in report["images"]:
        rows = [each["classes"] for each in row["decisions"].values()]
        kept = all(each["reference"] == each["adapted"] for each in rows)
        assert (row["status"] == "kept") is kept
        assert kept or row["queries"] == 12
    assert any(row["queries"] > 1 for row in report["images"]), "the oracle was asked again"


@pytest.mark.slow
def test_a_run_over_shards_counts_by_the_rule_too(zoo, shards, tmp_path, capsys):  # noqa: F811
    out, words = tmp_path / "out", ["--keep", "top2", "--quiet"]
    assert anonymize_shards(zoo, shards, out, *words) == 0
    report = json.loads((out / "report.json").read_text())
    assert report["settings"]["keep"] == "top2"
    rows = [row["decisions"][NAMES[1]]["classes"] for row in report["images"]]
    kept = sum(row["reference"] == row["adapted"] for row in rows) / len(rows)
    assert report["summary"]["concordance"][NAMES[1]]["adapted"] == pytest.approx(kept, abs=1e-4)
    capsys.readouterr()
    assert anonymize_shards(zoo, shards, out, "--quiet", "--resume") == 2
    assert "the settings differ: keep" in capsys.readouterr().err
