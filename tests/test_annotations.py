"""Annotations that people have give the regions that the box format gives, or are refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from globox import Annotation, AnnotationSet, BoundingBox
from PIL import Image
from pycocotools import mask as run_lengths

from jaxanon.errors import ImageError, UsageError
from jaxanon.regions.finder import Search, region_finder
from jaxanon.regions.run_lengths import RunLengths

BOXES = {
    "a.jpg": [("face", (20, 10, 60, 50)), ("plate", (70, 20, 90, 44))],
    "sub/b.jpg": [("face", (1, 2, 33, 40))],
    "c.jpg": [],
}
SIZE = 120, 90
BLANK = np.zeros((90, 120, 3), np.uint8)


def as_box_list(boxes=BOXES, scale=(1, 1)):
    x, y = scale
    return [
        {
            "url": name,
            "bboxes": [
                {"x0": x0 * x, "y0": y0 * y, "x1": x1 * x, "y1": y1 * y, "label": label}
                for label, (x0, y0, x1, y1) in found
            ],
        }
        for name, found in boxes.items()
    ]


def as_globox() -> AnnotationSet:
    return AnnotationSet(
        Annotation(
            name, SIZE, [BoundingBox.create(label=label, coords=box) for label, box in found]
        )
        for name, found in BOXES.items()
    )


def write_json(path: Path, data: object) -> Path:
    path.write_text(json.dumps(data))
    return path


def write(form: str, folder: Path) -> Path:
    """The boxes in a format, by its library's own writer where there is one."""
    ours, path = as_globox(), folder / form
    if form == "coco":
        ours.save_coco(folder / "coco.json", auto_ids=True)
        return folder / "coco.json"
    if form == "cvat":
        ours.save_cvat(folder / "cvat.xml")
        return folder / "cvat.xml"
    if form == "shares":
        return write_json(folder / "shares.json", as_box_list(scale=(1 / 120, 1 / 90)))
    if form == "lines":
        lines = [json.dumps(entry) for entry in as_box_list()]
        (folder / "lines.jsonl").write_text("\n".join(lines))
        return folder / "lines.jsonl"
    if form == "windows":
        text = json.dumps(as_box_list()).replace("sub/", r"C:\\\\photos\\\\sub\\\\")
        (folder / "windows.json").write_text(text, encoding="utf-8-sig")
        return folder / "windows.json"
    (path / "sub").mkdir(parents=True)
    for one in ours:
        stem = path / Path(one.image_id).with_suffix("")
        if form == "voc":
            one.save_pascal_voc(stem.with_suffix(".xml"))
        elif form == "labelme":
            one.save_labelme(stem.with_suffix(".json"))
        else:
            one.save_yolo_v5(stem.with_suffix(".txt"), label_to_id={"face": 0, "plate": 1})
    if form == "yolo":
        (path / "classes.txt").write_text("face\r\nplate\r\n")
    return path


FORMS = ["coco", "voc", "yolo", "labelme", "cvat", "shares", "lines", "windows"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("classes", [None, ("plate",)])
def test_every_format_gives_the_regions_of_the_box_format(tmp_path, form, classes):
    kept = {
        name: [entry for entry in found if classes is None or entry[0] in classes]
        for name, found in BOXES.items()
    }
    wanted = region_finder(str(write_json(tmp_path / "wanted.json", as_box_list(kept))))
    where = region_finder(str(write(form, tmp_path)), search=Search(classes=classes))
    for name in BOXES:
        region, expected = (find(Path(name), BLANK) for find in (where, wanted))
        np.testing.assert_array_equal(region.core, expected.core)
        np.testing.assert_array_equal(region.mask, expected.mask)
        np.testing.assert_allclose(region.boxes, expected.boxes, atol=1e-9)
        assert region.nothing == expected.nothing == (not kept[name])


def test_a_category_that_stands_nowhere_is_refused(tmp_path):
    path = write("coco", tmp_path)
    with pytest.raises(UsageError, match="--classes: unknown category 'fase'; near matches: face"):
        region_finder(str(path), search=Search(classes=("fase",)))
    with pytest.raises(UsageError, match="--classes goes with annotations, not with --regions wh"):
        region_finder("whole", search=Search(classes=("face",)))


def test_what_has_no_category_is_private(tmp_path):
    entries = [{"url": "a.jpg", "bboxes": [
        {"x0": 2, "y0": 2, "x1": 9, "y1": 9},
        {"x0": 20, "y0": 2, "x1": 29, "y1": 9, "label": "tree"},
        {"x0": 40, "y0": 2, "x1": 49, "y1": 9, "label": "face"},
    ]}]  # fmt: skip
    path = write_json(tmp_path / "boxes.json", entries)
    region = region_finder(str(path), search=Search(classes=("face",)))(Path("a.jpg"), BLANK)
    assert [box[0] for box in region.boxes] == [2, 40]


def coco_of(segmentation, bbox=(10, 20, 30, 25)):
    return {
        "images": [{"id": 7, "file_name": "a.jpg", "width": 120, "height": 90}],
        "annotations": [{"image_id": 7, "bbox": list(bbox), "segmentation": segmentation}],
    }


def test_polygons_and_run_lengths_of_coco(tmp_path):
    triangle = [10, 20, 40, 20, 10, 45]
    area = np.zeros((90, 120), np.uint8)
    for y in range(20, 45):
        area[y, 10 : 40 - round(30 * (y - 20) / 25)] = 1
    runs = run_lengths.encode(np.asfortranarray(area))
    plain = np.diff(np.flatnonzero(np.diff(area.T.ravel(), prepend=2, append=2)))
    forms = [
        [triangle],
        {"size": [90, 120], "counts": runs["counts"].decode()},
        {"size": [90, 120], "counts": plain.tolist()},
    ]
    for segmentation in forms:
        path = write_json(tmp_path / "coco.json", coco_of(segmentation))
        region = region_finder(str(path), search=Search(growth=0.0))(Path("a.jpg"), BLANK)
        missed = (area > 0) & ~region.core
        assert missed.sum() == 0
        assert region.core.sum() < 1.15 * area.sum()
        np.testing.assert_array_equal(region.mask, region.core)
        grown = region_finder(str(path), search=Search(growth=0.2))(Path("a.jpg"), BLANK)
        assert grown.mask[20 - 5, 12]
        assert not grown.mask[44, 45]
        assert (grown.core == region.core).all()
    path = write_json(tmp_path / "coco.json", coco_of(forms[1]))
    with pytest.raises(ImageError, match="160x100 pixels, but annotated as 120x90"):
        region_finder(str(path))(Path("a.jpg"), np.zeros((100, 160, 3), np.uint8))
    with pytest.raises(ImageError, match="is it turned, against the annotation"):
        region_finder(str(path))(Path("a.jpg"), BLANK.swapaxes(0, 1))


@pytest.mark.parametrize("seed", range(20))
def test_run_lengths_are_those_of_cocos_own_code(seed):
    generator = np.random.default_rng(seed)
    height, width = generator.integers(1, 60, 2)
    area = generator.random((height, width)) < generator.choice([0, 0.02, 0.5, 0.98, 1])
    theirs = run_lengths.encode(np.asfortranarray(area, np.uint8))
    ours = RunLengths.from_coco({"size": [height, width], "counts": theirs["counts"].decode()})
    np.testing.assert_array_equal(ours.drawn(), area)
    x, y, w, h = run_lengths.toBbox(theirs)
    assert ours.box == (x, y, x + w, y + h)


def test_where_a_segmentation_of_coco_falls_short_of_its_box_both_count(tmp_path):
    small = [[10, 20, 14, 20, 14, 24]]
    for box, covered in (((10, 20, 4, 4), False), ((10, 20, 60, 50), True)):
        path = write_json(tmp_path / "coco.json", coco_of(small, box))
        region = region_finder(str(path))(Path("a.jpg"), BLANK)
        assert region.core[22, 13]
        assert region.core[20:70, 10:70].all() == covered


SQUARE = [(20, 20), (80, 20), (80, 60), (20, 60)]
STAR = [
    (50 + 40 * np.sin(4 * np.pi * k / 5), 45 - 40 * np.cos(4 * np.pi * k / 5)) for k in range(5)
]
OUTLINES = {
    "once": SQUARE,
    "twice": SQUARE * 2,
    "there and back": [*SQUARE, SQUARE[0], *SQUARE[::-1]],
    "closed": [*SQUARE, SQUARE[0]],
    "beyond the edge, twice": [(-50, 20), (80, 20), (80, 60), (-50, 60)] * 2,
    "crossing itself": STAR,
}


@pytest.mark.parametrize("name", OUTLINES)
def test_what_an_outline_encloses_is_private_however_often(tmp_path, name):
    path = write_json(tmp_path / "a.json", labelme_of("polygon", OUTLINES[name]))
    core = region_finder(str(path))(Path("a.jpg"), BLANK).core
    assert core[40, 50], "its middle"
    if name != "crossing itself":
        left = 0 if "beyond" in name else 20
        assert core[20:60, left:80].all()
        assert not core[62:].any()
        assert not core[:, 82:].any()


def test_lines_of_yolo_with_key_points_are_boxes_too(tmp_path, caplog):
    """A face detector's box with five landmarks; a pose; a tracker's box with its number."""
    face = "0 0.5 0.5 0.4 0.6 0.42 0.35 0.58 0.35 0.5 0.5 0.44 0.65 0.56 0.65"
    pose = "0 0.5 0.5 0.4 0.6 0.42 0.35 1 0.58 0.35 1 0.5 0.5 1 0.44 0.65 1"
    seen = "0 0.5 0.5 0.4 0.6 0.42 0.35 2 0.58 0.35 2 0.5 0.5 0 0.44 0.65 1"
    for line in (face, pose, seen, "0 0.5 0.5 0.4 0.6 0.91 1", "0 0.5 0.5 0.4 0.6 0.91 17"):
        (tmp_path / "a.txt").write_text(line)
        core = region_finder(str(tmp_path))(Path("a.jpg"), BLANK).core
        assert core[18:72, 36:84].all(), line
    with caplog.at_level("INFO"):
        (tmp_path / "a.txt").write_text(face)
        region_finder(str(tmp_path))
    assert "of 14 numbers a line: polygons, or boxes with more; both are private" in caplog.text
    triangle = "0 0.2 0.2 0.4 0.2 0.2 0.6"
    (tmp_path / "a.txt").write_text(f"{triangle}\n0 0.5 0.5 0.6 0.5 0.6 0.6 0.5 0.6\n")
    core = region_finder(str(tmp_path))(Path("a.jpg"), BLANK).core
    assert core[20, 26], "in the triangle"
    assert not core[12:20, 4:10].any(), "lines of several lengths are polygons alone"


@pytest.mark.parametrize("label", ["Face", " face ", "FACE", "fa ce"])
def test_categories_are_told_apart_by_their_words(tmp_path, label):
    shapes = [
        {"label": "face", "shape_type": "rectangle", "points": [[1, 1], [9, 9]]},
        {"label": label, "shape_type": "rectangle", "points": [[20, 20], [60, 60]]},
    ]
    path = write_json(tmp_path / "a.json", {"imagePath": "a.jpg", "shapes": shapes})
    core = region_finder(str(path), search=Search(classes=("face",)))(Path("a.jpg"), BLANK).core
    assert core[20:60, 20:60].all() == (label != "fa ce")
    (tmp_path / "a.txt").write_text("0 0.1 0.1 0.1 0.1\n0.0 0.5 0.5 0.2 0.2\n")
    found = region_finder(str(tmp_path / "a.txt"), search=Search(classes=("0",)))
    assert found(Path("a.jpg"), BLANK).core[45, 60]


def labelme_of(kind, points):
    return {"imagePath": r"..\a.jpg", "shapes": [
        {"label": "face", "shape_type": kind, "points": points},
        {"label": "tree", "shape_type": "rectangle", "points": [[9, 9], [4, 4]]},
    ]}  # fmt: skip


def test_shapes_of_labelme(tmp_path):
    path = tmp_path / "a.json"
    for kind, points, box in (
        ("circle", [[50, 40], [53, 44]], (45, 35, 55, 45)),
        ("mask", [[50, 40], [70, 60]], (50, 40, 70, 60)),
        ("polygon", [[50, 40], [70, 40], [60, 60]], (50, 40, 70, 60)),
        (None, [[50, 40], [70, 40], [60, 60]], (50, 40, 70, 60)),
    ):
        write_json(path, labelme_of(kind, points))
        region = region_finder(str(path))(Path("a.jpg"), BLANK)
        assert region.boxes == (box, (4, 4, 9, 9))
        assert region.core[(box[1] + box[3]) // 2, (box[0] + box[2]) // 2]
    write_json(path, labelme_of("linestrip", [[50, 40], [70, 60]]))
    with pytest.raises(ImageError, match=r"a\.jpg: a linestrip has no inside.*draw a box or a pol"):
        region_finder(str(path))(Path("a.jpg"), BLANK)


def test_boxes_that_cannot_be_are_named(tmp_path):
    good = {"x0": 20, "y0": 10, "x1": 60, "y1": 50}
    for change, text in (
        ({"x1": 20}, r"\(20, 10, 20, 50\) is empty"),
        ({"y1": 5}, r"\(20, 10, 60, 5\) is inverted"),
        ({"x0": 130, "x1": 150}, "lies outside the 120x90 image"),
        ({"x0": 0.1, "y0": 0.1, "x1": 0.2, "y1": 0.2}, "unclear whether these are shares"),
    ):
        entries = [{"url": "a.jpg", "bboxes": [good, good | change]}]
        path = write_json(tmp_path / "boxes.json", entries)
        with pytest.raises(ImageError, match=f"a.jpg: .*{text}"):
            region_finder(str(path))(Path("a.jpg"), BLANK)
    entries = [{"url": "a.jpg", "bboxes": [good, good | {"x1": 20}]}]
    path = write_json(tmp_path / "boxes.json", entries)
    lenient = region_finder(str(path), search=Search(skip_empty=True))
    assert lenient(Path("a.jpg"), BLANK).boxes == ((20, 10, 60, 50),)


def coco_text(annotation: str) -> str:
    return f'{{"images": [{{"id": 1, "file_name": "a"}}], "annotations": [{annotation}]}}'


def runs_of(size: str, counts: str = "[0, 1]") -> str:
    return f'{{"image_id": 1, "segmentation": {{"size": {size}, "counts": {counts}}}}}'


MALFORMED = [
    ("a.json", coco_text('{"image_id": 3, "bbox": [1, 2, 3, 4]}'), "not listed"),
    ("a.json", '{"images": [{"id": 1}], "annotations": []}', "nothing in any of them; where that"),
    ("a.json", coco_text('{"image_id": 1, "bbox": [1, 2, 3, 4]}').replace("file_", ""), "no 'file"),
    ("a.json", '[{"url": "a", "bboxes": [1], "bboxes": []}]', "bboxes, bboxes are the same"),
    ("a.json", coco_text(runs_of("[2147483648, 2147483648]")), "has 2147483648x2147483648 pixels"),
    ("a.json", coco_text(runs_of("[300000, 300000]")), "has 300000x300000 pixels"),
    ("a.json", coco_text(runs_of("[90, 120]", "[5, 9]")), "do not fill its 120x90 pixels"),
    ("a.json", coco_text(runs_of("[90, 120]", "[10790, -10, 20]")), "do not fill its 120x90"),
    ("a.json", coco_text(runs_of("[90, 120]", '"o"')), "is cut off"),
    ("a.json", coco_text(runs_of("[90, 120]", '"~"')), "is damaged"),
    ("a.xml", "<annotation><Object><bndbox/></Object></annotation>", "<Object> is no element"),
    ("a.json", coco_text('{"image_id": 1, "bbox": [1, 2]}'), "annotation 0 is malformed"),
    ("a.json", coco_text('{"image_id": 1, "segmentation": [[1, 2]]}'), "fewer than three corners"),
    ("a.json", '{"shapes": 3}', "no list of shapes"),
    ("a.json", '[{"url": "a.jpg", "bboxes": [[8, 8, 8, 8]]}]', "entry 0 is malformed"),
    ("a.xml", "<annotation><object/></annotation>", "without a whole <bndbox>"),
    ("a.xml", "<svg/>", "its root is <svg>"),
    ("a.xml", "no XML", "not XML"),
    ("a.xml", "<annotations><track/></annotations>", "tracks in a video"),
    ("a.txt", "0 80 80 40 40", "outside 0 to 1"),
    ("a.txt", "0 0.5 0.5 0.1", "line 1 is no box and no polygon"),
    ("a.txt", "face at the left", "could not convert"),
]


@pytest.mark.parametrize(("name", "content", "text"), MALFORMED)
def test_malformed_annotations_are_refused(tmp_path, name, content, text):
    (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match=rf"{name}: not a file of annotations \(.*{text}.*COCO"):
        region_finder(str(tmp_path / name))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / name).write_text(content)
    with pytest.raises(UsageError, match="not a folder of annotations"):
        region_finder(str(folder))


@pytest.mark.parametrize("form", ["labelme", "voc", "yolo"])
def test_annotations_may_lie_beside_their_photos(tmp_path, form, caplog):
    folder = write(form, tmp_path)
    alone = region_finder(str(folder))
    (folder / "sub").mkdir(exist_ok=True)
    for name in BOXES:
        Image.fromarray(BLANK).save(folder / name)
    inputs = [Path(name) for name in BOXES]
    photos = {(folder / name).resolve() for name in BOXES}
    together = region_finder(str(folder), inputs, photos=photos)
    for relative in inputs:
        found, wanted = together(relative, BLANK), alone(relative, BLANK)
        np.testing.assert_array_equal(found.mask, wanted.mask)
    one = region_finder(str(folder), inputs[:1], photos=[(folder / "a.jpg").resolve()])
    np.testing.assert_array_equal(one(inputs[0], BLANK).mask, alone(inputs[0], BLANK).mask)
    (folder / "labels.json").write_text("{}")
    (folder / "notes.txt").write_text("of this and that")
    with caplog.at_level("INFO"):
        region_finder(str(folder), inputs, photos=photos)
    assert "annotations: 2 files are of no photo and left out, labels.json the" in caplog.text
    Image.fromarray(BLANK).save(folder / "mask.png")
    with pytest.raises(UsageError, match="files of several kinds"):
        region_finder(str(folder), inputs, photos=photos)


def test_photos_are_not_masks_of_themselves(tmp_path):
    Image.fromarray(BLANK).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match="it holds the photos themselves, and no annotations"):
        region_finder(str(tmp_path), [Path("a.png")], photos={(tmp_path / "a.png").resolve()})


def test_a_folder_of_several_kinds_is_refused(tmp_path):
    (tmp_path / "a.xml").write_text("<annotation/>")
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(UsageError, match=r"files of several kinds, such as a\.xml and a\.png"):
        region_finder(str(tmp_path))


def test_an_image_without_an_entry_gets_the_near_matches(tmp_path):
    where = region_finder(str(write("yolo", tmp_path)))
    with pytest.raises(ImageError, match=r"sub/b1\.jpg: no entry .*near matches: sub/b"):
        where(Path("sub/b1.jpg"), BLANK)


def test_masks_with_an_ending(tmp_path):
    for name in ("zebra_mask.png", "cat_mask.png"):
        mask = np.zeros((90, 120), np.uint8)
        mask[3:9, 4:8] = 255
        Image.fromarray(mask).save(tmp_path / name)
    where = region_finder(str(tmp_path), [Path("zebra.jpg"), Path("cat.jpg"), Path("cat_mask.jpg")])
    assert where(Path("zebra.jpg"), BLANK).mask.sum() == 24
    assert where(Path("cat_mask.jpg"), BLANK).mask.sum() == 24
    with pytest.raises(ImageError, match=r"no masks named cat\.\*"):
        where(Path("cat.jpg"), BLANK)
    with pytest.raises(ImageError, match=r"no masks named zebr\.\* .*near matches: zebra_mask"):
        where(Path("zebr.jpg"), BLANK)
