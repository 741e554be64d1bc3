"""Inverse super resolution: views, and which are chosen."""

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from samples import picture

from jaxanon.anonymizers import anonymize, make, super_resolution
from jaxanon.anonymizers.motions import (
    Motion,
    as_json,
    candidates,
    entropy,
    read_motions,
    select,
)
from jaxanon.anonymizers.super_resolution import enlarged, low_resolution, parse_size
from jaxanon.errors import ImageError, UsageError
from jaxanon.io.images import read_image
from jaxanon.pipeline.run import Run
from jaxanon.regions.region import Region

STILL = Motion()


def spot(height, width, y, x, radius=6):
    """A white spot on black."""
    rows, columns = np.mgrid[:height, :width]
    inside = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
    return np.repeat(np.where(inside, 255, 0).astype(np.uint8)[..., None], 3, 2)


def centre(low):
    """Where the light is in a view, (row, column), in its pixels."""
    weight = low[..., 0].astype(float)
    rows, columns = np.mgrid[: low.shape[0], : low.shape[1]] + 0.5
    return np.array([(weight * rows).sum(), (weight * columns).sum()]) / weight.sum()


def test_a_view_has_the_size_asked_for_turned_for_portraits():
    assert low_resolution(picture(0, 120, 160), (16, 12), STILL).shape == (12, 16, 3)
    assert low_resolution(picture(0, 160, 120), (16, 12), STILL).shape == (16, 12, 3)
    for height, width in ((12, 16), (23, 64), (31, 24)):
        with pytest.raises(ImageError, match="hides next to nothing of it: give a smaller --size"):
            low_resolution(picture(0, height, width), (16, 12), STILL)
    assert low_resolution(picture(0, 24, 32), (16, 12), STILL).shape == (12, 16, 3)


def test_a_still_view_is_blur_and_decimation():
    image = picture(1, 96, 128)
    low = low_resolution(image, (16, 12), STILL).astype(float)
    means = image.reshape(12, 8, 16, 8, 3).mean((1, 3))
    assert np.abs(low - means).mean() < 6
    flat = np.full((96, 128, 3), 77, np.uint8)
    np.testing.assert_array_equal(low_resolution(flat, (16, 12), Motion(0.7, -0.4, 1.05, 5)), 77)


@pytest.mark.parametrize(
    ("motion", "wanted"),
    [
        (Motion(right=1.0), (6.0, 9.0)),
        (Motion(down=-0.5), (5.5, 8.0)),
        (Motion(right=0.25, down=0.75), (6.75, 8.25)),
    ],
)
def test_shifts_count_in_pixels_of_the_view(motion, wanted):
    image = spot(120, 160, 59.5, 79.5)
    np.testing.assert_allclose(centre(low_resolution(image, (16, 12), motion)), wanted, atol=0.06)


def test_scale_enlarges_and_rotation_is_counter_clockwise_about_the_centre():
    image = spot(120, 160, 59.5, 119.5)  # four pixels of the view to the right of the centre
    np.testing.assert_allclose(centre(low_resolution(image, (16, 12), STILL)), [6, 12], atol=0.05)
    larger = low_resolution(image, (16, 12), Motion(scale=1.1))
    np.testing.assert_allclose(centre(larger), [6, 12.4], atol=0.05)
    turned = low_resolution(image, (16, 12), Motion(degrees=30))
    wanted = [6 - 4 * np.sin(np.pi / 6), 8 + 4 * np.cos(np.pi / 6)]
    np.testing.assert_allclose(centre(turned), wanted, atol=0.06)


def test_content_from_beyond_the_edge_repeats_the_edge():
    image = np.full((120, 160, 3), 200, np.uint8)
    for size in ((16, 12), (2, 2), (3, 2)):
        for motion in (
            Motion(1, 1, 0.9, 6), Motion(-1, -1, 0.9, -6), Motion(4, -4, 0.5, 45), Motion(4, 4, 2)
        ):  # fmt: skip
            assert low_resolution(image, size, motion).min() == 200
    tall = np.full((300, 40, 3), 200, np.uint8)
    assert low_resolution(tall, (16, 12), Motion(1, 1, 0.9, 6)).min() == 200


def test_entropy_is_in_bits():
    np.testing.assert_allclose(
        entropy(np.array([[0.25] * 4, [1.0, 0, 0, 0], [0.5, 0.5, 0, 0]])), [2, 0, 1]
    )


def test_greedy_selection_by_maximum_entropy():
    """The most uncertain first; then what disagrees with it, not what is uncertain alike."""
    sure_a, sure_b = [0.98, 0.01, 0.01], [0.01, 0.01, 0.98]
    unsure = [0.45, 0.45, 0.1]
    table = np.array([sure_a, unsure, unsure, sure_b])[:, None]
    assert select([table], 1) == [1]
    assert select([table], 2) == [1, 3]
    assert sorted(select([table], 9)) == [0, 1, 2, 3]
    other = np.array([sure_a, sure_a, sure_a, [1 / 3] * 3])[:, None]
    assert select([other, other], 1) == [3]
    best = max(range(4), key=lambda i: entropy(table[i]).mean() + 3 * entropy(other[i]).mean())
    assert select([table, other, other, other], 1) == [best], "classifiers are averaged"


def test_candidates_follow_from_the_seed_and_stay_in_bounds():
    assert candidates(0) == candidates(0)
    assert candidates(0) != candidates(1)
    for motion in candidates(5, 200):
        assert max(abs(motion.right), abs(motion.down)) <= 1
        assert abs(motion.scale - 1) <= 0.1
        assert abs(motion.degrees) <= 6


def test_motions_read_as_they_were_written(tmp_path):
    path = tmp_path / "isr.json"
    path.write_text(json.dumps(as_json(candidates(3, 4))))
    assert read_motions(path) == candidates(3, 4)
    wrong = (
        "", "[]", '{"motions": []}', '{"motions": [{"right": 1}]}',
        json.dumps(as_json([Motion(scale=30)])), json.dumps(as_json([Motion(right=float("nan"))])),
    )  # fmt: skip
    for text in wrong:
        path.write_text(text)
        with pytest.raises(UsageError, match=r"isr\.json: no file of motions"):
            read_motions(path)


@pytest.mark.parametrize("text", ["16", "x12", "16x", "1x12", "16X12", "-16x12", ""])
def test_sizes_are_checked(text):
    assert make("isr").size == (16, 12)
    assert parse_size("20x10") == (20, 10)
    with pytest.raises(UsageError, match="give WIDTHxHEIGHT"):
        parse_size(text)


def test_from_python_without_sources_it_shows_the_first_motion_of_the_seed_or_the_file(tmp_path):
    image = picture(0, 60, 80)
    for seed in (0, 3):
        low = low_resolution(image, (8, 6), candidates(seed)[0])
        shown = anonymize(image, "isr", size="8x6", seed=seed)
        np.testing.assert_array_equal(shown, enlarged(low, 60, 80))
    path = tmp_path / "isr.json"
    path.write_text(json.dumps(as_json([STILL])))
    shown = make("isr", size="8x6", motions=path)(image, Region())
    np.testing.assert_array_equal(shown.low_resolution, low_resolution(image, (8, 6), STILL))


def test_a_state_that_is_too_short_or_damaged_is_refused():
    two = make("isr", views=2)
    two.restore(make("isr", views=3, seed=5).state())
    assert two.motions == candidates(5)[:2]
    with pytest.raises(UsageError, match="fewer than 2 motions; give --overwrite"):
        two.restore(make("isr").state())
    with pytest.raises(UsageError, match="no motions of an earlier run"):
        two.restore([])


@pytest.fixture
def run(tinies, tiny_main, tmp_path):

    photos = tmp_path / "photos"
    photos.mkdir()
    for i in range(3):
        Image.fromarray(picture(i, 60, 80)).save(photos / f"{i}.png")

    def call(*words):
        fixed = ("anonymize", photos, "--method", "isr", "--sources", "tf_efficientnet_lite0")
        return tiny_main([*map(str, (*fixed, *words)), "--steps", "30", "--quiet"])

    return call


def test_each_view_becomes_an_adapted_image_and_a_small_file(run, tmp_path):
    out, small, large = (tmp_path / name for name in ("out", "small", "large"))
    words = ("-o", out, "--size", "8x6", "--views", 3, "--save-views", small)
    assert run(*words, "--save-anonymized", large) == 0
    motions = read_motions(out / "isr.json")
    assert len(set(motions)) == 3
    for v, motion in enumerate(motions, 1):
        for i in range(3):
            low = np.asarray(Image.open(small / f"view-{v}" / f"{i}.png"))
            np.testing.assert_array_equal(low, low_resolution(picture(i, 60, 80), (8, 6), motion))
            anonymized = read_image(large / f"view-{v}" / f"{i}.png")
            np.testing.assert_array_equal(anonymized, enlarged(low, 60, 80))
            change = read_image(out / f"view-{v}" / f"{i}.png").astype(int) - anonymized
            assert 0 < np.abs(change).max() <= 16
    report = json.loads((out / "report.json").read_text())
    assert [(Path(i["input"]).stem, i["view"]) for i in report["images"]] == [
        (str(i), v) for v in (1, 2, 3) for i in range(3)
    ]
    assert report["settings"]["size"] == "8x6"


def test_a_resumed_run_goes_on_with_the_same_motions(run, tmp_path):
    out = tmp_path / "out"
    assert run("-o", out, "--size", "8x6", "--views", 2) == 0
    before = (out / "view-2" / "1.png").read_bytes()
    (out / "view-2" / "1.png").unlink()
    Image.fromarray(picture(77, 60, 80)).save(tmp_path / "photos" / "0-new.png")
    motions = (out / "isr.json").read_bytes()
    assert run("-o", out, "--size", "8x6", "--views", 2, "--resume") == 0
    assert (out / "isr.json").read_bytes() == motions
    assert (out / "view-2" / "1.png").read_bytes() == before
    assert (out / "view-1" / "0-new.png").is_file()
    other = tmp_path / "other"
    assert run("-o", other, "--size", "8x6", "--motions", out / "isr.json") == 0
    assert (other / "isr.json").read_bytes() == motions
    assert (other / "view-2" / "1.png").read_bytes() == before


def test_a_run_that_ended_before_its_first_image_resumes(run, tmp_path, monkeypatch, capsys):
    def die(*_):
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(Run, "execute", die)
        assert run("-o", out, "--size", "8x6", "--views", 2) == 130
    motions = (out / "isr.json").read_bytes()
    for damaged in ("[]", "no JSON"):
        (out / "isr.json").write_text(damaged)
        assert run("-o", out, "--size", "8x6", "--views", 2, "--resume") == 2
        assert f"jaxanon: {out / 'isr.json'}: " in capsys.readouterr().err
    (out / "isr.json").write_bytes(motions)
    assert run("-o", out, "--size", "8x6", "--views", 2, "--resume") == 0
    assert (out / "isr.json").read_bytes() == motions


def test_a_long_picture_is_moved_in_little_memory():
    """Both edges were once padded by as much as the longer one needs."""
    tracemalloc.start()
    long = np.full((100, 2000, 3), 90, np.uint8)
    moved = super_resolution._moved(long, Motion(1, 1, 0.9, 6), np.array([100.0, 50.0]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(moved, long)
    assert peak < 20 * long.nbytes


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--views", 0), "--views is 0; it must be 1 to 24"),
        (("--strength", 3), "method isr takes no strength"),
        (
            ("--method", "blur", "--save-views", "x"),
            "--save-views goes with --method isr, not with blur",
        ),
        (("--gan", "x"), "--gan goes with --method gan, not with isr"),
        (("--method", "blur", "--size", "16x12"), "--size goes with --method isr, not with blur"),
    ],
)
def test_options_that_do_not_fit_are_refused(run, tmp_path, capsys, words, message):
    assert run("-o", tmp_path / "out", *words) == 2
    assert message in capsys.readouterr().err


def test_overwriting_leaves_nothing_of_the_run_before(run, tmp_path):
    """Further views of the same photos would tell more than the run that is published."""
    out, small, large = (tmp_path / name for name in ("out", "small", "large"))
    aside = ("--save-views", small, "--save-anonymized", large)
    assert run("-o", out, "--size", "8x6", "--views", 2, *aside) == 0
    for folder in (out, small):
        (folder / "mine.txt").write_text("not of any run")
    assert run("-o", out, "--size", "8x6", "--overwrite", *aside) == 0

    def left(folder):
        return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}

    images = {"0.png", "1.png", "2.png"}
    ours = {"README.md", "report.json", "report.html"}
    ours |= {".jaxanon-journal.jsonl", ".jaxanon-thumbnails.jsonl"}
    assert left(out) == {*images, *ours, "isr.json", "mine.txt"}
    assert left(small) == {*images, "mine.txt"}
    assert left(large) == images
    assert run("-o", out, "--method", "blur", "--overwrite") == 0
    assert left(out) == {*images, *ours, "mine.txt"}
    assert left(small) == {"mine.txt"}


def test_sheets_that_show_originals_are_kept_out_of_the_views(run, tmp_path, capsys):
    small = tmp_path / "small"
    for option in ("--sheet", "--preview"):
        words = ("-o", tmp_path / "out", "--size", "8x6", "--save-views", small)
        assert run(*words, option, small / "x.png") == 2
        assert "shows the originals" in capsys.readouterr().err
