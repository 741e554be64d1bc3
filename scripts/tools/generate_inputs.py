"""Generated masks, annotations and pictures: each is hidden rightly, or refused by name.

`python scripts/tools/generate_inputs.py [NUMBER] [--seed N]` makes NUMBER of them (default:
20,000), a third of each kind, and prints what became of them; exit status 1 where one raised an
error that is not ours, or a private pixel came through. The truth is known beside each: it is drawn
first, then written in some form, which may keep it, spoil it, or leave it unclear.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from jaxanon import anonymize
from jaxanon.errors import JaxanonError
from jaxanon.io.images import read_image
from jaxanon.io.masks import decode_mask
from jaxanon.pipeline.hiding import Hiding
from jaxanon.regions.finder import Search, region_finder
from jaxanon.regions.region import Region

Outcome = str
Boxes = list[tuple[int, int, int, int]]
Random = np.random.Generator
METHODS = ("blur", "pixelate", "solid")
LOSSLESS = (".png", ".tif")
"""Suffixes of masks that are written as they are, whatever their type."""


def photo(generator: Random) -> np.ndarray:
    """A picture with texture everywhere, `(H, W, 3)` uint8."""
    height, width = generator.integers(40, 90, 2)
    small = generator.integers(0, 256, (height // 6 + 2, width // 6 + 2, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(small).resize((int(width), int(height))), int)
    return np.clip(smooth + generator.normal(0, 25, smooth.shape), 0, 255).astype(np.uint8)


def boxes_in(generator: Random, shape: tuple[int, ...]) -> Boxes:
    """Up to three boxes of at least 10 pixels a side in a picture: left, top, right, bottom."""
    height, width = shape[:2]
    found = []
    for _ in range(generator.integers(0, 4)):
        w, h = generator.integers(10, width // 2), generator.integers(10, height // 2)
        x, y = generator.integers(0, width - w), generator.integers(0, height - h)
        found.append((int(x), int(y), int(x + w), int(y + h)))
    return found


def truth_of(boxes: Boxes, shape: tuple[int, ...]) -> np.ndarray:
    """The pixels that must be hidden, `(H, W)` bool."""
    area = np.zeros(shape[:2], bool)
    for x0, y0, x1, y1 in boxes:
        area[y0:y1, x0:x1] = True
    return area


def hidden(original: np.ndarray, region: Region, truth: np.ndarray, method: str) -> Outcome:
    """Hide a region and look whether all that must be hidden was.

    Raises:
        JaxanonError: where it is refused.
        AssertionError: where something private has survived.
    """
    missed = 0 if region.mask is None else int((truth & ~region.mask).sum())
    assert not missed, f"{missed} private pixels are outside the region"
    pixels = anonymize(original, method, region=region, strength=strength_of(method))
    Hiding.checked(original, pixels, region, may_be_empty=not truth.any())
    left = Hiding.checked(original, pixels, Region(truth, truth), may_be_empty=True)
    assert left.objection(pixels) is None, "a private block survives"
    assert not truth.any() or left.changed > 0, "nothing changed"
    return "hidden" if truth.any() else "nothing private"


def strength_of(method: str) -> float | None:
    """A strength that hides something of the smallest picture."""
    return None if method == "solid" else 20.0


def mask_file(folder: Path, generator: Random) -> Outcome:
    """A mask in some type and format."""
    original = photo(generator)
    truth = truth_of(boxes_in(generator, original.shape), original.shape)
    value = int(generator.choice([1, 2, 7, 128, 200, 255, 256, 4000, 65535]))
    image = mask_image(truth, value, generator)
    suffix = str(
        generator.choice([".png", ".tif", ".gif", ".webp", ".bmp", ".jpg", ".pgm", ".jp2"])
    )
    path = folder / f"mask{suffix}"
    try:
        image.save(path, exif=turned(generator) if suffix == ".png" else Image.Exif())
    except (OSError, ValueError, KeyError):
        return "cannot be written so"
    if generator.random() < 0.1:
        path.write_bytes(spoiled(path.read_bytes(), generator))
        decode_mask(path)
        return "damaged, and read"
    mask = decode_mask(path)
    if suffix == ".png":  # EXIF may have turned it; how is known to the tests of reading
        assert mask.sum() == truth.sum(), "another number of private pixels"
        return "read, perhaps turned"
    if suffix not in LOSSLESS and not mask.any():  # lost when it was written: must be noticed
        truth = mask
        Hiding.checked(original, original, Region(mask, mask), may_be_empty=False)
    return hidden(original, Region(mask, mask), truth, str(generator.choice(METHODS)))


def turned(generator: Random) -> Image.Exif:
    """EXIF that turns a picture, or any number in its place."""
    exif = Image.Exif()
    exif[0x0112] = int(generator.integers(0, 12))
    return exif


def mask_image(truth: np.ndarray, value: int, generator: Random) -> Image.Image:
    """A mask, not zero where it is private, in a random mode."""
    one = truth.astype(np.int64) * value
    kind = generator.integers(0, 10)
    if kind == 0:
        return Image.fromarray(truth)
    if kind == 1:
        return Image.fromarray(one.astype(np.uint16))
    if kind == 2:
        return Image.fromarray(one.astype(np.int32))
    if kind == 3:
        return Image.fromarray((one * generator.choice([1e-6, 1.0])).astype(np.float32))
    eight = np.where(truth, max(1, value % 256), 0).astype(np.uint8)
    if kind == 4:
        colours = np.zeros((*truth.shape, 3), np.uint8)
        colours[..., generator.integers(0, 3)] = eight
        return Image.fromarray(colours)
    if kind == 5:
        alpha = [np.full_like(eight, 255), eight, 255 - eight][generator.integers(0, 3)]
        return Image.fromarray(np.stack([eight, alpha], 2), "LA")
    if kind == 6:
        alpha = [np.full_like(eight, 255), eight, 255 - eight][generator.integers(0, 3)]
        return Image.fromarray(np.stack([eight] * 3 + [alpha], 2), "RGBA")
    if kind == 7:
        image = Image.fromarray(eight).convert("P")
        image.putpalette(generator.integers(0, 256, 768, dtype=np.uint8).tobytes())
        return image
    if kind == 8:
        image = Image.fromarray(truth.astype(np.uint8)).convert("P")
        image.putpalette([0, 0, 0, 128, 0, 0])
        return image
    return Image.fromarray(eight)


def annotation_file(folder: Path, generator: Random) -> Outcome:
    """Boxes in some format, as they are or spoiled."""
    original = photo(generator)
    boxes = boxes_in(generator, original.shape)
    truth = truth_of(boxes, original.shape)
    write = WRITERS[generator.integers(0, len(WRITERS))]
    path = write(folder, boxes, original.shape, generator)
    damaged = generator.random() < 0.3
    if damaged:
        path.write_bytes(spoiled(path.read_bytes(), generator))
    search = Search(growth=float(generator.choice([0.0, 0.1, 0.5])))
    region = region_finder(str(path), search=search)(Path("a.jpg"), original)
    if damaged:
        assert region.mask is None or region.mask.any() or region.nothing, "boxes that hide nothing"
        return "damaged, and read"
    return hidden(original, region, truth, str(generator.choice(METHODS)))


Writer = Callable[[Path, Boxes, tuple[int, ...], Random], Path]


def _box_list(folder: Path, boxes: Boxes, shape: tuple[int, ...], generator: Random) -> Path:
    x, y = (1 / shape[1], 1 / shape[0]) if generator.random() < 0.5 else (1, 1)
    entries = [{"x0": x0 * x, "y0": y0 * y, "x1": x1 * x, "y1": y1 * y} for x0, y0, x1, y1 in boxes]
    path = folder / "a.json"
    path.write_text(json.dumps([{"url": "a.jpg", "bboxes": entries}]), encoding="utf-8-sig")
    return path


def _coco(folder: Path, boxes: Boxes, shape: tuple[int, ...], generator: Random) -> Path:
    annotations: list[dict[str, object]] = [
        {"image_id": 1, "bbox": [a, b, c - a, d - b]} for a, b, c, d in boxes
    ]
    if generator.random() < 0.5:
        for each, (a, b, c, d) in zip(annotations, boxes, strict=True):
            each["segmentation"] = [[a, b, c, b, c, d, a, d]]
    images = [{"id": 1, "file_name": "x\\a.jpg", "width": shape[1], "height": shape[0]}]
    path = folder / "a.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations}))
    return path


def _voc(folder: Path, boxes: Boxes, shape: tuple[int, ...], generator: Random) -> Path:
    edges = [
        f"<object><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax>"
        "</bndbox></object>"
        for a, b, c, d in boxes
    ]
    path = folder / "a.xml"
    path.write_text(f"<annotation><filename>a.jpg</filename>{''.join(edges)}</annotation>")
    return path


def _yolo(folder: Path, boxes: Boxes, shape: tuple[int, ...], generator: Random) -> Path:
    height, width = shape[:2]
    points = int(generator.choice([0, 1, 3, 5]))  # after each box, within it
    rows = []
    for a, b, c, d in boxes:
        numbers = [(a + c) / 2 / width, (b + d) / 2 / height, (c - a) / width, (d - b) / height]
        for _ in range(points):
            x, y = generator.uniform((a, b), (c, d))
            numbers += [x / width, y / height]
        rows.append(f"0 {' '.join(map(str, numbers))}")
    path = folder / "a.txt"
    path.write_text("\n".join(rows))
    return path


def _labelme(folder: Path, boxes: Boxes, shape: tuple[int, ...], generator: Random) -> Path:
    shapes = []
    for a, b, c, d in boxes:
        polygon = generator.random() < 0.5
        corners = [[a, b], [c, b], [c, d], [a, d]] if polygon else [[c, b], [a, d]]
        if polygon and generator.random() < 0.3:  # twice round, or there and back
            corners += corners if generator.random() < 0.5 else [corners[0], *corners[::-1]]
        shapes.append({"shape_type": "polygon" if polygon else "rectangle", "points": corners})
    path = folder / "a.json"
    path.write_text(json.dumps({"imagePath": "a.jpg", "shapes": shapes}))
    return path


WRITERS: list[Writer] = [_box_list, _coco, _voc, _yolo, _labelme]


def picture_file(folder: Path, generator: Random) -> Outcome:
    """A picture in some format, cut or with a byte changed."""
    original = photo(generator)
    form = str(generator.choice(["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "AVIF"]))
    buffer = io.BytesIO()
    mode = str(generator.choice(["RGB", "L", "P", "RGBA", "LA", "CMYK", "1", "I;16"]))
    try:
        image = Image.fromarray(original).convert("L" if mode == "I;16" else mode)
        if mode == "I;16":
            image = Image.fromarray(np.asarray(image).astype(np.uint16) << 4)
        image.save(buffer, form)
    except (OSError, ValueError, KeyError):
        return "cannot be written so"
    path = folder / "a"
    damaged = generator.random() < 0.7
    data = buffer.getvalue()
    path.write_bytes(spoiled(data, generator) if damaged else data)
    pixels = read_image(path)
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    if damaged:
        return "damaged, and read"
    assert pixels.shape == original.shape, "another size"
    region = Region()
    return hidden(pixels, region, np.ones(pixels.shape[:2], bool), str(generator.choice(METHODS)))


def spoiled(data: bytes, generator: Random) -> bytes:
    """Bytes cut off, or some of them changed."""
    if generator.random() < 0.3:
        return data[: generator.integers(0, len(data) + 1)]
    changed = bytearray(data)
    for _ in range(generator.integers(1, 4)):
        if changed:
            changed[generator.integers(0, len(changed))] = generator.integers(0, 256)
    return bytes(changed)


KINDS = {"mask": mask_file, "annotation": annotation_file, "picture": picture_file}


def run(number: int, seed: int) -> tuple[Counter[tuple[str, str]], list[str]]:
    """Make and try `number` inputs; how many came to what, and what went wrong."""
    counts: Counter[tuple[str, str]] = Counter()
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(number):
            kind = random.Random(f"{seed}/{i}").choice(list(KINDS))
            generator = np.random.default_rng([seed, i])
            place = Path(folder) / str(i % 50)
            place.mkdir(exist_ok=True)
            for old in place.iterdir():
                old.unlink()
            try:
                outcome = KINDS[kind](place, generator)
            except JaxanonError:
                outcome = "refused"
            except Exception:  # what must not be: another error, or something that survives
                outcome = "WRONG"
                wrong.append(f"{kind} {i} of seed {seed}:\n{traceback.format_exc()}")
            counts[kind, outcome] += 1
    return counts, wrong


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("number", nargs="?", type=int, default=20_000, help="how many to make")
    parser.add_argument("--seed", type=int, default=0, help="of all that is random")
    args = parser.parse_args()
    counts, wrong = run(args.number, args.seed)
    for (kind, outcome), times in sorted(counts.items()):
        print(f"{kind:12}{outcome:22}{times:7}")
    print(f"seed {args.seed}: {args.number} inputs, {len(wrong)} wrong")
    print("\n".join(wrong[:5]), end="")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
