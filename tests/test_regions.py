import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxanon.errors import ImageError, UsageError
from jaxanon.regions.finder import region_finder


def blank(height, width):
    return np.zeros((height, width, 3), np.uint8)


def boxes_file(tmp_path, entries):
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(entries))
    return str(path)


def test_boxes_in_the_format_of_the_imagenet_face_annotations(tmp_path):
    box = {"x0": 20.0, "y0": 10.0, "x1": 40.0, "y1": 30.0}
    empty = {"x0": 5, "y0": 5, "x1": 5, "y1": 9}
    reversed_ = {"x0": 40.0, "y0": 30.0, "x1": 20.0, "y1": 10.0}
    where = region_finder(
        boxes_file(
            tmp_path,
            [
                {"url": "val/ILSVRC2012_val_00000001.JPEG", "bboxes": [box]},
                {"url": "z/empty.JPEG", "bboxes": [box, empty]},
                {"url": "train/n01/a.JPEG", "bboxes": []},
                {"url": "x/b.JPEG", "bboxes": [box]},
                {"url": "y/b.JPEG", "bboxes": []},
                {"url": "z/r.JPEG", "bboxes": [reversed_]},
                {"url": "z/far.JPEG", "bboxes": [{"x0": -1e308, "y0": 0, "x1": 1e308, "y1": 9}]},
            ],
        )
    )
    region = where(Path("ILSVRC2012_val_00000001.jpg"), blank(60, 80))
    assert region.core is not None
    assert region.mask is not None
    assert region.core.sum() == 20 * 20
    np.testing.assert_array_equal(np.argwhere(region.mask)[[0, -1]], [[8, 18], [31, 41]])
    assert region.feather == pytest.approx(2.0)

    nothing = where(Path("train/n01/a.png"), blank(60, 80))
    assert nothing.mask is not None
    assert not nothing.mask.any()
    assert nothing.nothing
    assert where(Path("y/b.png"), blank(60, 80)).mask is not None
    with pytest.raises(ImageError, match="2 entries of that name"):
        where(Path("b.png"), blank(60, 80))
    with pytest.raises(ImageError, match=r"c\.png: no entry in .*nothing was written"):
        where(Path("c.png"), blank(60, 80))
    for name, text in (("r.png", "inverted"), ("empty.png", "empty")):
        with pytest.raises(ImageError, match=rf"{name}: the box \(.*\) is {text}"):
            where(Path("z") / name, blank(60, 80))
    assert where(Path("far.png"), blank(60, 80)).core.sum() == 9 * 80
    with pytest.raises(ImageError, match="no entry"):
        where(Path("other/far.png"), blank(60, 80))
    with pytest.raises(ImageError, match="lies outside the 15x12 image"):
        where(Path("x/b.png"), blank(12, 15))


def test_no_image_gets_the_boxes_of_another(tmp_path):
    box = {"x0": 20.0, "y0": 10.0, "x1": 40.0, "y1": 30.0}
    file = boxes_file(tmp_path, [{"url": "x/1.jpg", "bboxes": [box]}])
    both = region_finder(file, inputs=[Path("1.jpg"), Path("x/1.jpg")])
    assert both(Path("x/1.jpg"), blank(60, 80)).core.sum() == 20 * 20
    with pytest.raises(ImageError, match=r"1\.jpg: no entry"):
        both(Path("1.jpg"), blank(60, 80))
    alone = region_finder(file, inputs=[Path("1.jpg")])
    assert alone(Path("1.jpg"), blank(60, 80)).core.sum() == 20 * 20
    file = boxes_file(tmp_path, [{"url": "z/x/1.jpg", "bboxes": [box]}])
    unclear = region_finder(file, inputs=[Path("1.jpg"), Path("x/1.jpg")])
    with pytest.raises(ImageError, match=r"1\.jpg: an entry of several inputs of that name"):
        unclear(Path("1.jpg"), blank(60, 80))


def test_the_validation_images_of_imagenet_may_lie_in_folders_of_classes(tmp_path):
    box = {"x0": 20.0, "y0": 10.0, "x1": 40.0, "y1": 30.0}
    entries = [
        {"url": "val/ILSVRC2012_val_00000001.JPEG", "bboxes": [box]},
        {"url": "val/other.JPEG", "bboxes": [box]},
    ]
    where = region_finder(boxes_file(tmp_path, entries))
    for folder in ("n01751748", "val/n01751748"):
        found = where(Path(folder) / "ILSVRC2012_val_00000001.JPEG", blank(60, 80))
        assert found.core.sum() == 20 * 20
    with pytest.raises(ImageError, match="no entry"):
        where(Path("n01751748/other.JPEG"), blank(60, 80))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[3]",
        "[" * 90000,
        '[{"url": "a"}]',
        '[{"url": "a", "bboxes": {}}]',
        '[{"url": "a", "bboxes": ""}]',
        '[{"url": "a", "bboxes": [{"x0": 1}]}]',
        '[{"url": "a", "bboxes": [{"x0": NaN, "y0": 1, "x1": 2, "y1": 3}]}]',
        '[{"url": "a", "bboxes": [{"x0": 1' + "0" * 400 + ', "y0": 1, "x1": 2, "y1": 3}]}]',
    ],
)
def test_malformed_boxes_are_refused_with_the_format(tmp_path, content):
    path = tmp_path / "boxes.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=r"boxes\.json: not a file of annotations .*expected"):
        region_finder(str(path))


def test_unknown_region_file_names_its_near_matches(tmp_path):
    boxes_file(tmp_path, [])
    with pytest.raises(UsageError, match=r"near matches: boxes\.json"):
        region_finder(str(tmp_path / "boxs.json"))
    with pytest.raises(UsageError, match="near matches: whole"):
        region_finder("whle")
    (tmp_path / "faces").mkdir()
    with pytest.raises(UsageError, match=r"near matches: faces$"):
        region_finder(str(tmp_path / "face"))


def test_masks(tmp_path):
    (tmp_path / "sub").mkdir()
    mask = np.zeros((40, 50), np.uint8)
    mask[10:20, 5:30] = 255
    Image.fromarray(mask).save(tmp_path / "sub" / "a.png")
    where = region_finder(str(tmp_path))
    region = where(Path("sub/a.jpg"), blank(40, 50))
    np.testing.assert_array_equal(region.mask, mask > 0)
    with pytest.raises(ImageError, match="50x40 pixels, the image 40x50"):
        where(Path("sub/a.jpg"), blank(50, 40))
    with pytest.raises(ImageError, match=r"sub/b\.jpg: no masks named b"):
        where(Path("sub/b.jpg"), blank(40, 50))
    Image.fromarray(mask // 255).save(tmp_path / "sub" / "ones.png")
    np.testing.assert_array_equal(where(Path("sub/ones.jpg"), blank(40, 50)).mask, mask > 0)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(mask).save(tmp_path / "sub" / "turned.png", exif=exif)
    np.testing.assert_array_equal(
        where(Path("sub/turned.jpg"), blank(50, 40)).mask, np.rot90(mask > 0, -1)
    )
    for orientation, turn in ((5, np.transpose), (6, lambda m: np.rot90(m, -1)), (8, np.rot90)):
        exif[0x0112] = orientation  # uncompressed, so that it might be mapped into memory
        Image.fromarray(mask).save(tmp_path / "sub" / "turned.tif", exif=exif)
        (tmp_path / "sub" / "turned.png").unlink(missing_ok=True)
        np.testing.assert_array_equal(
            where(Path("sub/turned.jpg"), blank(50, 40)).mask, turn(mask > 0)
        )
    (tmp_path / "sub" / "c.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match="not an image"):
        where(Path("sub/c.jpg"), blank(40, 50))
