"""Classifiers from outside: files, functions and services, trusted by nobody."""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from command_line import anonymize, jaxanon
from local_service import CLASSES, LocalService
from test_shards import anonymize as anonymize_shards
from test_shards import shards  # noqa: F401

from jaxanon.classifiers.keeping import TOP1, keeping
from jaxanon.classifiers.outside import remembered
from jaxanon.classifiers.outside.answers import as_scores, ask
from jaxanon.classifiers.outside.classifier import AnswerError, Known, Question
from jaxanon.classifiers.outside.loading import load
from jaxanon.classifiers.outside.naming import WAYS, parse, without_place
from jaxanon.classifiers.outside.remembered import Remembered
from jaxanon.classifiers.outside.service import DOUBTS
from jaxanon.cli.task_options import ModelOptions
from jaxanon.errors import UsageError

KNOWN = Known(3, CLASSES, "here")


@pytest.fixture
def service():
    with LocalService().running() as running:
        yield running


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("\n".join(CLASSES) + "\n")
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(remembered, "user_cache", lambda: tmp_path / "cache")
    monkeypatch.setattr(sys, "path", [*sys.path])  # functions add the working directory


def named(service, labels, more=""):
    return f"{service.address}#label=result[0].label&labels={labels}{more}"


def grey(value=100):
    return Question(np.full((8, 8, 3), value, np.uint8))


def tinted(channel):
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[..., channel] = 200
    return Question(pixels)


@pytest.mark.parametrize(
    ("answer", "decision"),
    [("green", 1), (2, 2), (np.int64(0), 0), ([0.1, 0.7, 0.2], 1), (np.arange(3), 2)],
)
def test_what_counts_as_an_answer(answer, decision):
    scores = as_scores(answer, KNOWN)
    assert scores.shape == (3,)
    assert scores.dtype == np.float32
    assert scores.argmax() == decision


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("mauve", "'mauve', which is none of its 3 classes"),
        (3, "class 3; its classes are 0 to 2"),
        (-1, "class -1"),
        (True, "answered True"),
        (None, "answered None"),
        (0.5, "answered 0.5"),
        ([0.5, 0.5], "expected a class 0 to 2, a name of one, or 3 scores"),
        ([[0.1, 0.2, 0.7]], "3 scores"),
        ([0.1, float("nan"), 0.2], "not finite"),
        ({"a": 1}, "answered {'a': 1}"),
        ("x" * 500, "..."),
    ],
)
def test_what_does_not(answer, reason):
    with pytest.raises(AnswerError) as caught:
        as_scores(answer, KNOWN)
    assert reason.replace("'mauve'", "mauve") in str(caught.value)
    assert len(str(caught.value)) < 200


def test_one_picture_that_a_function_cannot_bear_takes_no_other_with_it():
    class Fragile:
        name, known = "python:fragile:decide", KNOWN

        def answers(self, pictures):
            if any(each.pixels.max() == 13 for each in pictures):
                raise ValueError("unlucky")
            return [1 for _ in pictures]

    first, second, third = ask(Fragile(), [grey(1), grey(13), grey(2)])
    assert first.argmax() == third.argmax() == 1
    assert str(second) == "python:fragile:decide failed: ValueError: unlucky"
    assert ask(Fragile(), []) == []


OF_TORCH = "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."


class Unshowable:
    def __repr__(self):
        raise RuntimeError("no words")


class Unreadable:
    def __array__(self, *_, **__):
        raise RuntimeError(OF_TORCH)


def nested(depth):
    found = 1
    for _ in range(depth):
        found = [found]
    return found


@pytest.mark.parametrize("keep", [TOP1, keeping("top2")])
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Unshowable(), "answered a Unshowable that cannot be shown"),
        (Unreadable(), f"failed: RuntimeError: {OF_TORCH}"),
        (nested(50_000), "answered a list that cannot be shown; expected a class 0 to 2"),
    ],
)
def test_an_answer_that_fails_when_it_is_looked_at_fails_its_image(answer, reason, keep):
    class Strange:
        name, known = "python:strange:decide", KNOWN

        def answers(self, pictures):
            return [answer if each.pixels.max() == 13 else [0, 1, 0] for each in pictures]

    first, second, third = ask(Strange(), [grey(1), grey(13), grey(2)], keep)
    assert first.argmax() == third.argmax() == 1
    assert reason in str(second)


def test_a_function(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "def decide(images):\n    return [image[0, 0].argmax() for image in images]\n"
    )
    function = load("python:mine:decide#classes=3")
    assert [row.argmax() for row in ask(function, [tinted(2), tinted(0)])] == [2, 0]
    with pytest.raises(UsageError, match="how many classes"):
        load("python:mine:decide")
    with pytest.raises(UsageError, match="ModuleNotFoundError"):
        load("python:theirs:decide#classes=3")
    with pytest.raises(UsageError, match=r"unknown option 'clases'.*near matches: classes"):
        load("python:mine:decide#clases=3")


def test_a_function_may_import_as_it_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "late.py").write_text("def decide(images):\n    import later\n    return [1]\n")
    (tmp_path / "later.py").write_text("")
    before = [*sys.path, str(tmp_path)]
    for _ in range(2):
        (scores,) = ask(load("python:late:decide#classes=3"), [grey()])
        assert not isinstance(scores, AnswerError), scores
        assert sys.path == before, "once, after the user's own"


@pytest.mark.parametrize("channels_first", [True, False])
def test_an_onnx_file(tmp_path, channels_first):
    path = tmp_path / "brightest.onnx"
    path.write_bytes(onnx_model(channels_first))
    with pytest.raises(UsageError, match=r"Put brightest\.json beside it"):
        load(f"onnx:{path}")
    config = {"input_size": [3, 8, 8], "crop_pct": 1.0, "mean": [0.5] * 3, "std": [0.5] * 3}
    path.with_suffix(".json").write_text(json.dumps(config))
    model = load(f"onnx:{path}")
    assert model.known.num_classes == 3
    scores = ask(model, [tinted(1), tinted(2)])
    assert [row.argmax() for row in scores] == [1, 2]
    assert scores[0] == pytest.approx([-1, 2 * 200 / 255 - 1, -1], abs=1e-5), "preprocessed"
    path.with_suffix(".json").write_text(json.dumps({**config, "input_size": [3, 9, 9]}))
    with pytest.raises(UsageError, match="with input_size 9 it must be"):
        load(f"onnx:{path}")
    path.write_bytes(b"nothing")
    with pytest.raises(UsageError, match="no model that onnxruntime can run"):
        load(f"onnx:{path}")


def onnx_model(channels_first):
    """A model whose scores are the means of the channels."""
    from onnx import TensorProto, helper

    shape = ["n", 3, 8, 8] if channels_first else ["n", 8, 8, 3]
    mean = helper.make_node(
        "ReduceMean", ["images"], ["scores"], axes=[2, 3] if channels_first else [1, 2], keepdims=0
    )
    graph = helper.make_graph(
        [mean],
        "brightest",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return model.SerializeToString()


def test_a_service_in_trouble(service, labels, monkeypatch):
    monkeypatch.setenv("TOKEN", "secret")
    asked = load(named(service, labels, "&header=Authorization:TOKEN&retries=2&at_once=1"))
    service.trouble = [(429, "later"), (503, "busy")]
    (scores,) = ask(asked, [tinted(1)])
    assert not isinstance(scores, AnswerError), scores
    assert scores.argmax() == 1
    assert service.headers["Authorization"] == "secret"
    assert service.headers["Content-Type"] == "image/png"
    for trouble, reason in (
        ((200, "no JSON"), "begins with 'no JSON'"),
        ((200, "{}"), "without result[0].label"),
        ((200, '{"result": [{"label": "mauve"}]}'), "mauve, which is none of its 3 classes"),
        ((400, ""), "status 400"),
    ):
        service.trouble = [trouble]
        wrong, right = ask(asked, [tinted(1), tinted(2)])
        assert reason in str(wrong)
        assert right.argmax() == 2
    service.trouble = [(500, "")] * 3
    assert "did not answer, asked 3 times: status 500" in str(ask(asked, [grey()])[0])
    service.trouble = [(401, "")]
    first, second = ask(asked, [tinted(1), tinted(2)])
    assert "refuses: status 401" in str(first)
    assert "refuses: status 401" in str(second), "and it was not asked"
    assert service.trouble == []


@pytest.mark.parametrize("status", [403, 404, 405])
def test_a_picture_that_is_refused_takes_no_other_with_it(service, labels, status):
    asked = load(named(service, labels, "&at_once=1"))
    service.trouble = [(status, "")]  # as where a resumed run takes up a failed image first
    first, second = ask(asked, [tinted(1), tinted(2)])
    assert f"answered with status {status}" in str(first)
    assert second.argmax() == 2
    service.trouble = [(status, "")] * 9
    assert all(str(status) in str(each) for each in ask(asked, [grey(i) for i in range(9)]))
    assert service.trouble == [], "each was asked about"
    assert ask(asked, [tinted(0)])[0].argmax() == 0


def test_a_wrong_address_is_given_up_after_a_few_questions(service, labels):
    asked = load(named(service, labels, "&at_once=1"))
    service.trouble = [(404, "")] * 9
    *_, last = ask(asked, [grey(i) for i in range(9)])
    assert "refuses: status 404; see its address" in str(last)
    assert len(service.trouble) == 9 - DOUBTS


@pytest.mark.parametrize("first", ["headers", "content"])
def test_a_service_that_drips_is_given_up(service, labels, first):
    asked = load(named(service, labels, "&timeout=0.4&retries=1"))
    service.drip, service.drip_from = 0.1, first
    begin = time.monotonic()
    (reason,) = ask(asked, [tinted(1)])
    assert "asked 2 times: no answer in full within 0.4 seconds" in str(reason)
    assert time.monotonic() - begin < 5
    service.drip = 0
    assert ask(asked, [tinted(1)])[0].argmax() == 1


def test_an_answer_without_end_is_not_read_to_its_end(service, labels):
    asked = load(named(service, labels, "&timeout=20&retries=0"))
    service.endless = True
    (reason,) = ask(asked, [tinted(1)])
    assert "gave no JSON that can be used: it is longer than 10000000 bytes" in str(reason)
    assert service.sent < 40_000_000, "what waits in buffers aside"


def test_a_budget_and_a_rate(service, labels):
    asked = load(named(service, labels, "&budget=2&at_once=1"))
    *answered, spent = ask(asked, [tinted(0), tinted(1), tinted(2)])
    assert [row.argmax() for row in answered] == [0, 1]
    assert "budget=2 is spent" in str(spent)


def test_an_answer_is_kept_and_what_is_none_is_asked_for_again(service, labels):
    asked = load(named(service, labels))
    asked.remember(Remembered("out", resume=False))
    service.trouble = [(200, '{"result": [{"label": "mauve"}]}')]
    assert "mauve" in str(ask(asked, [tinted(1)])[0])
    for _ in range(2):
        assert ask(asked, [tinted(1)])[0].argmax() == 1
    assert service.asked.total() == 2
    resumed = load(named(service, labels))
    resumed.remember(Remembered("out", resume=True))
    assert ask(resumed, [tinted(1)])[0].argmax() == 1
    assert service.asked.total() == 2


def test_whoever_asks_what_is_being_asked_waits_for_that_answer(service, labels):
    asked, service.delay = load(named(service, labels, "&at_once=2")), 0.1
    asked.remember(Remembered("out", resume=False))
    with ThreadPoolExecutor(4) as threads:
        pictures = [[tinted(0), tinted(0), grey(i)] for i in range(4)]
        answers = list(threads.map(partial(ask, asked), pictures))
    assert all(first.argmax() == second.argmax() == 0 for first, second, _ in answers)
    assert set(service.asked.values()) == {1}
    assert len(service.asked) == 5
    assert service.busiest == 2, "however many ask"


def test_originals_leave_the_machine_only_where_that_is_said(labels):
    elsewhere = load(f"https://example.invalid/classify#labels={labels}&retries=0")
    private = Question(np.zeros((8, 8, 3), np.uint8), private=True)
    (reason,) = ask(elsewhere, [private])
    assert "add originals=send" in str(reason)


def test_a_run_does_not_begin_where_originals_would_leave(
    zoo, photos_dir, tmp_path, labels, capsys
):
    out, target = tmp_path / "out", f"https://example.invalid/classify#labels={labels}"
    assert anonymize(zoo, photos_dir, out, "--targets", target) == 2
    assert "https://example.invalid/classify is not sent originals" in capsys.readouterr().err
    assert jaxanon("transfer", photos_dir, photos_dir, "--classifiers", f"{zoo[0]},{target}") == 2


def test_names():
    assert without_place("onnx:/home/me/shop.onnx") == "onnx:shop.onnx"
    assert without_place("https://inside.example.com:8/secret") == "https://inside.example.com"
    assert without_place("python:mine:decide") == "python:mine:decide"
    assert parse("onnx:a.onnx#labels=x.txt").options == {"labels": "x.txt"}
    for wrong in ("onnx:a#labels", "onnx:a#=3", "onnx:a#labels=a&labels=b"):
        with pytest.raises(UsageError, match="is no option"):
            parse(wrong)


def test_names_and_options_with_what_separates_them():
    text = "onnx:a%2Cb%23c.onnx#labels=x%2Cy%26z.txt&preprocess=100%25.json"
    listed = ModelOptions("resnet18", f"{text},onnx:d.onnx")
    assert listed.names()[1] == [text, "onnx:d.onnx"]
    assert listed.files() == ["a,b#c.onnx", "x,y&z.txt", "100%.json", "d.onnx"]
    assert listed.recorded()["targets"] == f"{text},onnx:d.onnx"
    assert parse(text).name == "onnx:a,b#c.onnx"
    address = "https://example.com/a%2Cb%23c%20d?e=%26"
    assert parse(f"{address}#labels=x%2Cy").name == address, "its escapes are the service's"


def test_an_expression_with_what_separates_options(service, labels):
    label = "max_by(result%2C%26score).label"
    asked = load(f"{service.address}#labels={labels}&label={label}")
    found = [{"label": "red", "score": 0.1}, {"label": "blue", "score": 0.9}]
    service.trouble = [(200, json.dumps({"result": found}))]
    assert ask(asked, [tinted(1)])[0].argmax() == 2


def test_nothing_is_asked_that_cannot_matter(zoo, photos_dir, tmp_path, service, labels):
    service.trouble = [(400, "")]
    with LocalService().running() as second:
        targets = f"{named(service, labels, '&at_once=1')},{named(second, labels)}"
        assert anonymize(zoo, photos_dir, tmp_path / "out", "--targets", targets, "--quiet") == 1
        assert service.asked.total() == 1 + 4 * 3, "of the first photo the original alone"
        assert second.asked == service.answered
        assert second.asked.total() == 4 * 3


def test_a_run_with_all_kinds(zoo, photos_dir, tmp_path, service, labels, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "constant.py").write_text("def decide(images):\n    return [0 for _ in images]\n")
    (tmp_path / "m.onnx").write_bytes(onnx_model(channels_first=True))
    (tmp_path / "m.json").write_text(json.dumps({"input_size": [3, 8, 8]}))
    targets = f"onnx:m.onnx,python:constant:decide#classes=2,{named(service, labels)},{zoo[2]}"
    out = tmp_path / "out"
    status = anonymize(zoo, photos_dir, out, "--targets", targets, "--quiet")
    report = json.loads((out / "report.json").read_text())
    assert status == 0, [row["error"] for row in report["images"]]
    address = service.address
    names = [each["name"] for each in report["classifiers"]]
    assert names[3:] == ["onnx:m.onnx", "python:constant:decide", address]
    assert all(row["decisions"][address].keys() == {"reference", "anonymized", "adapted"}
               for row in report["images"])  # fmt: skip
    assert report["summary"]["concordance"]["python:constant:decide"]["adapted"] == 1
    assert set(service.answered.values()) == {1}
    assert len(service.answered) == 5 * 3, "original, anonymized and saved image of each"
    card = (out / "README.md").read_text()
    assert "| http://127.0.0.1 | target |" in card
    assert "classify" not in card


def test_a_killed_run_asks_no_question_twice(zoo, photos_dir, tmp_path, service, labels):
    out, target = tmp_path / "out", named(service, labels)
    assert anonymize(zoo, photos_dir, out, "--targets", target, "--quiet") == 0
    (out / ".jaxanon.jsonl").exists()
    before = dict(service.answered)
    for file in out.rglob("*.png"):
        file.unlink()
    assert anonymize(zoo, photos_dir, out, "--targets", target, "--quiet", "--resume") == 0
    assert service.answered == before


def test_a_resumed_run_may_ask_in_another_way(
    zoo, photos_dir, tmp_path, service, labels, monkeypatch, capsys
):
    monkeypatch.setenv("TOKEN", "secret")
    out, target = tmp_path / "out", named(service, labels)
    ways = "&timeout=9&retries=1&rate=900&budget=90&at_once=2&header=Authorization:TOKEN"
    assert {part.partition("=")[0] for part in ways[1:].split("&")} == {*WAYS}
    assert anonymize(zoo, photos_dir, out, "--targets", target + ways, "--quiet") == 0
    recorded = json.loads((out / "report.json").read_text())["settings"]["targets"]
    assert recorded == target
    before = dict(service.answered)
    next(out.rglob("*.png")).unlink()
    again = f"{service.address}#timeout=8&{target.partition('#')[2]}"
    assert anonymize(zoo, photos_dir, out, "--targets", again, "--quiet", "--resume") == 0
    assert service.answered == before
    more = f"{target}&field=image"
    assert anonymize(zoo, photos_dir, out, "--targets", more, "--quiet", "--resume") == 2
    assert "cannot resume, the settings differ: targets" in capsys.readouterr().err


def test_a_run_that_is_refused_leaves_the_answers_of_the_one_before(
    zoo,
    photos_dir,
    shards,  # noqa: F811
    tmp_path,
    service,
    labels,
):
    words = ["--targets", named(service, labels), "--quiet"]
    assert anonymize(zoo, photos_dir, tmp_path / "out", *words) == 0
    assert anonymize_shards(zoo, shards, tmp_path / "tars", *words) == 0
    kept = {path: path.read_bytes() for path in (tmp_path / "cache").rglob("*.jsonl")}
    assert len(kept) == 2
    for wrong in ("python:nowhere:decide#classes=2", "https://example.invalid#classes=2"):
        words = ["--targets", wrong, "--quiet", "--overwrite"]
        assert anonymize(zoo, photos_dir, tmp_path / "out", *words) == 2
        assert anonymize_shards(zoo, shards, tmp_path / "tars", *words) == 2
    left = {path: path.read_bytes() for path in (tmp_path / "cache").rglob("*.jsonl")}
    assert left == kept


def test_sources_need_gradients(zoo, photos_dir, tmp_path, service, labels, capsys):
    words = ["anonymize", photos_dir, "-o", tmp_path / "out"]
    assert jaxanon(*words, "--sources", named(service, labels)) == 2
    assert "of which no gradients are to be had" in capsys.readouterr().err


def test_transfer_asks_them_too(zoo, photos_dir, tmp_path, service, labels):
    out, target = tmp_path / "out", named(service, labels)
    assert anonymize(zoo, photos_dir, out, "--quiet") == 0
    words = ["--classifiers", f"{target},{zoo[0]}", "--json", tmp_path / "t.json", "--quiet"]
    assert jaxanon("transfer", photos_dir, out, *words) == 0
    found = json.loads((tmp_path / "t.json").read_text())
    assert service.address in json.dumps(found)
    service.trouble = [(400, "")]
    assert jaxanon("transfer", photos_dir, out, *words, "--overwrite") == 1


def test_a_run_over_shards_asks_no_question_twice(zoo, shards, tmp_path, service, labels):  # noqa: F811
    out, words = tmp_path / "out", ["--targets", named(service, labels), "--quiet"]
    assert anonymize_shards(zoo, shards, out, *words) == 0
    before = dict(service.answered)
    assert len(before) == 9 * 3
    (out / "train-1.tar").unlink()
    assert anonymize_shards(zoo, shards, out, *words, "--resume") == 0
    assert service.answered == before
    assert (out / "train-1.tar").exists()
    assert anonymize_shards(zoo, shards, tmp_path / "other", *words) == 0
    assert service.answered == dict.fromkeys(before, 2), "another run asks anew"
