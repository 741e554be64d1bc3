"""The page of a run: what it counts and shows, that it is safe to pass on, and made anew."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
from command_line import anonymize, jaxanon
from test_shards import anonymize as anonymize_shards
from test_shards import shards  # noqa: F401

from jaxanon.pipeline import pace
from jaxanon.pipeline.gallery import GALLERY
from jaxanon.pipeline.page import contents_of, page, page_beside
from jaxanon.pipeline.shard_gallery import is_drawn
from jaxanon.pipeline.thumbnails import KEPT, Thumbnails, has_thumbnails

RUN = {
    "settings": {"goal": "keep", "method": "blur", "strength": 6.0, "eps": 16, "preset": "fast"},
    "classifiers": [{"name": "a", "role": "source"}, {"name": "b", "role": "target"}],
    "classes": {"a": 10, "b": 10},
    "weights": {"a": "here", "b": "there"},
    "summary": {"images": 10, "seconds": 2.0, "images_per_second": 5.0},
    "device": "cpu: cpu x 1",
}


class Parsed(HTMLParser):
    """Tags with their attributes, and the text outside of scripts and styles."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text, self._in = [], "", ""
        self.feed(html)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._in = tag

    def handle_data(self, data):
        if self._in not in ("script", "style"):
            self.text += " ".join(data.split()) + " "

    def of(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def row(number, adapted=1, status="kept", **more):
    decisions = {
        "a": {"reference": 1, "anonymized": 0, "adapted": 1},
        "b": {"reference": 1, "anonymized": 0, "adapted": adapted},
    }
    return {
        "input": f"{number}.png", "output": f"out/{number}.png", "status": status, "steps": number,
        "linf": 4, "psnr": 40.0, "decisions": decisions, "error": None, "view": None,
        "private": 1.0, **more,
    }  # fmt: skip


def parsed(rows, thumbnails=None, run=RUN):
    return Parsed(page(contents_of(run, rows, thumbnails or {})).decode())


def test_what_a_page_counts():
    rows = [row(i, adapted=i % 2) for i in range(20)]
    rows.append(row(20, status="failed", output=None, decisions={}, error="20.png: no picture"))
    text = parsed(rows).text
    assert "20 kept" in text
    assert "20 images were hidden (blur, strength 6; private: whole)" in text
    assert "1 failed" in text
    assert "a 0.0 (0-16) 100.0 (84-100) - 100.0 (84-100) here" in text.replace("\u2013", "-")
    assert "b 0.0 (0-16) 50.0 (30-70) 100.0 (84-100) 50.0 (30-70)" in text.replace("\u2013", "-")
    assert "a, b 100.0 (84-100) 50.0 (30-70)" in text.replace("\u2013", "-")
    assert "20.png no picture" in text
    other = parsed(rows, run={**RUN, "classes": {"a": 10, "b": 11}}).text
    assert "Agreement" not in other, "their numbers mean different classes"


def test_what_no_source_can_bring():
    rows = [row(i) for i in range(4)]
    rows[3]["decisions"]["b"] = {"reference": 7, "anonymized": 0, "adapted": 7}
    rows[2]["decisions"]["b"] = {"reference": 7, "anonymized": 0, "adapted": 1}
    text = parsed(rows).text.replace("\u2013", "-")
    assert "b 0.0 (0-49) 75.0 (30-95) 50.0 (15-85) 75.0 (30-95) there" in text
    assert "no source agrees (2) 50.0 (9-91)" in text


def test_throughput_over_the_run():
    ends = [0.5, 1, 1.5, 2, 9, 10]  # four images in the first third of it
    assert pace.over_time(ends) == {
        "0.0-3.3 s": pytest.approx(1.2),
        "3.3-6.7 s": 0,
        "6.7-10.0 s": pytest.approx(0.6),
    }
    assert list(pace.over_time([3600.0 * i for i in range(1, 25)]))[:2] == [
        "0.0-2.0 h",
        "2.0-4.0 h",
    ]
    assert pace.over_time([]) == pace.over_time([1.0]) == {}
    markers = [SimpleNamespace(images=8, seconds=2.0 + i % 2) for i in range(14)]
    assert list(pace.over_shards(markers).items())[:2] == [("1-2", 3.2), ("3-4", 3.2)]
    assert pace.over_shards(markers[:1]) == pace.over_shards([]) == {}

    run = {**RUN, "timing": {"throughput": {"0-4 s": 1.25, "4-8 s": 0.5}}}
    text = parsed([row(i) for i in range(6)], run=run).text
    assert "Images per second over the run 1.25 0-4 s 0.5 4-8 s" in text


def test_a_rate_that_was_rounded_is_no_earlier_run():
    summary = {"images": 1_000_003, "seconds": 2e6, "images_per_second": 0.5}
    text = parsed([row(0)], run={**RUN, "summary": summary}).text
    assert "That took 2,000,000.0 s, 0.50 images per second" in text
    resumed = {"images": 10, "seconds": 2.0, "images_per_second": 2.0}
    text = parsed([row(0)], run={**RUN, "summary": resumed}).text
    assert "2.0 s for the 4 that no earlier run had done" in text


def test_a_report_is_never_replaced_by_its_page():
    assert page_beside(Path("out/report.json")) == Path("out/report.html")
    assert page_beside(Path("mine.html")) == Path("mine.html.html")


def test_names_and_reasons_cannot_command_the_page():
    evil = "<script>alert(1)</script>\udcff\".png'"
    small = Thumbnails(evil, {"adapted": "AAAA"}, {"a": dict.fromkeys(STAGES, evil)})
    rows = [row(1, input=evil), row(2, status="failed", error=evil, decisions={})]
    found = parsed(rows, {evil: small})
    assert len(found.of("script")) == 1
    assert found.text.count("<script>alert(1)</script>") >= 3
    (policy,) = (meta for meta in found.of("meta") if "http-equiv" in meta)
    assert policy["content"].startswith("default-src 'none'; img-src data:;")


STAGES = ("reference", "anonymized", "adapted")


def test_a_run_of_many_images_stays_small():
    words = {"a": dict.fromkeys(STAGES, "a class"), "b": dict.fromkeys(STAGES, "a class")}
    pictures = dict.fromkeys(("anonymized", "adapted", "difference x8"), "A" * 15_000)
    shown = [i for i in range(20_000) if has_thumbnails(i, 20_000)]
    assert len(shown) == KEPT
    thumbnails = {f"{i}.png": Thumbnails(f"{i}.png", pictures, words) for i in shown}
    html = page(contents_of(RUN, (row(i) for i in range(20_000)), thumbnails))
    assert len(html) < 5e6
    assert "100 of 20000 saved images" in Parsed(html.decode()).text
    drawn = sum(is_drawn(f"shard/{i}", 20_000) for i in range(20_000))
    assert 60 < drawn < 150


def test_a_run_writes_its_page_and_it_is_made_anew(zoo, photos_dir, tmp_path, capsys):
    out = tmp_path / "out"
    assert anonymize(zoo, photos_dir, out, "--quiet") == 0
    first = (out / "report.html").read_text()
    found = Parsed(first)
    assert "5 kept" in found.text
    images = found.of("img")
    assert len(images) == 5 * 3
    assert all(image["src"].startswith("data:image/jpeg;base64,") for image in images)
    assert not re.findall(r'(?:src|href)="(?!data:|#)', first)
    assert {image["alt"] for image in images} == {"anonymized", "adapted", "difference x8"}
    assert "steps" in found.text
    (out / "report.html").unlink()
    assert jaxanon("report", out) == 0
    assert (out / "report.html").read_text() == first
    assert "5 images: 5 kept" in capsys.readouterr().out

    (out / "report.json").unlink()  # as of a run that was stopped
    (out / GALLERY).write_text("damaged\n")
    assert jaxanon("report", out, "--quiet") == 0
    stopped = Parsed((out / "report.html").read_text())
    assert "The run was stopped" in stopped.text
    assert "5 kept" in stopped.text
    assert stopped.of("img") == []


def test_originals_are_shown_where_that_was_asked_for(zoo, photos_dir, tmp_path, capsys):
    out = tmp_path / "out"
    assert anonymize(zoo, photos_dir, out, "--quiet", "--with-originals") == 0
    found = Parsed((out / "report.html").read_text())
    assert len(found.of("img")) == 5 * 4
    assert "This page shows the originals. Do not pass it on" in found.text
    assert '"original"' not in (out / GALLERY).read_text()
    assert jaxanon("report", out, "--quiet") == 0
    found = Parsed((out / "report.html").read_text())
    assert len(found.of("img")) == 5 * 3
    assert "shows the originals" not in found.text
    capsys.readouterr()
    words = ["--sources", zoo[0], "--with-originals"]
    assert jaxanon("anonymize", photos_dir / "a.png", "-o", "-", *words) == 2
    assert "--with-originals needs an output folder" in capsys.readouterr().err


def test_an_attack_shows_no_originals(zoo, photos_dir, tmp_path):
    out = tmp_path / "out"
    words = ["--sources", zoo[0], "--targets", zoo[1], "--eps", 40, "--quiet"]
    assert jaxanon("attack", photos_dir, "-o", out, *words) == 0
    found = Parsed((out / "report.html").read_text())
    assert "Attacked images" in found.text
    assert found.of("img") == []


@pytest.mark.usefixtures("capsys")
def test_runs_over_shards_have_a_page_too(zoo, shards, tmp_path):  # noqa: F811
    out = tmp_path / "out"
    assert anonymize_shards(zoo, shards, out, "--quiet") == 0
    first = (out / "report.html").read_bytes()
    assert "9 kept" in Parsed(first.decode()).text
    assert len(Parsed(first.decode()).of("img")) == 9 * 3
    for path in (out / "lists" / "thumbnails").glob("*.jsonl"):
        for line in path.read_text().splitlines():
            assert set(json.loads(line)["pictures"]) == {"anonymized", "adapted", "difference x8"}
    (out / "report.html").unlink()
    assert jaxanon("report", out, "--quiet") == 0
    assert (out / "report.html").read_bytes() == first
    assert anonymize_shards(zoo, shards[:1], out, "--overwrite", "--quiet") == 0
    assert len(Parsed((out / "report.html").read_text()).of("img")) == 3 * 3
