"""Nothing is called hidden that was not."""

import io
import json

import numpy as np
import pytest
from command_line import anonymize, jaxanon
from PIL import Image
from samples import picture

from jaxanon import anonymize as hide
from jaxanon.anonymizers import blur
from jaxanon.anonymizers.anonymizer import Anonymized
from jaxanon.errors import ImageError
from jaxanon.io.images import decode, read_image
from jaxanon.io.standard_streams import StreamedImage
from jaxanon.pipeline.blocks import PrivateBlocks
from jaxanon.pipeline.hiding import Hiding
from jaxanon.regions.region import Region
from jaxanon.regions.shapes import region_from_boxes

ORIGINAL = picture(3, 90, 120)
BOX = region_from_boxes([(30, 20, 90, 70)], 90, 120)


@pytest.mark.parametrize("method", ["blur", "pixelate", "solid", "isr"])
@pytest.mark.parametrize("region", [Region(), BOX], ids=["whole", "box"])
def test_what_an_anonymizer_hides_passes(method, region):
    hiding = Hiding.checked(
        ORIGINAL, hide(ORIGINAL, method, region=region), region, may_be_empty=False
    )
    assert hiding.private == (1 if region.mask is None else region.mask.mean())
    assert 0.5 * hiding.private < hiding.changed <= 1
    assert hiding.objection(ORIGINAL) is not None


def test_one_block_that_survives_is_enough():
    blocks = PrivateBlocks.of(ORIGINAL, BOX)
    assert blocks.survivors(ORIGINAL) == blocks.watched.sum() > 20
    hidden = hide(ORIGINAL, "solid", region=BOX)
    assert blocks.survivors(hidden) == 0
    hidden[44:52, 54:62] = ORIGINAL[44:52, 54:62]
    with pytest.raises(ImageError, match="1 block of 8x8 private pixels are still as in the orig"):
        Hiding.checked(ORIGINAL, hidden, BOX, may_be_empty=True)
    hidden[44, 54] ^= 1
    assert blocks.survivors(hidden) == 0


def test_what_has_no_texture_is_not_watched():
    """Blur leaves even slopes as they are: there is nothing to be hidden in them."""
    slope = np.broadcast_to(np.arange(120, dtype=np.uint8)[None, :, None], (90, 120, 3)).copy()
    assert not PrivateBlocks.of(slope, Region()).watched.any()
    beside = ORIGINAL.copy()
    beside[40:48, 40:48] = 0
    watched = PrivateBlocks.of(beside, Region()).watched
    assert not watched[5, 5], "flat in itself, whatever lies beside it"
    assert watched.mean() > 0.8
    assert Hiding.checked(slope, slope, Region(), may_be_empty=True).changed == 0


def test_next_to_nothing_is_not_hidden_unless_the_annotation_says_so():
    nothing = region_from_boxes([], 90, 120)
    assert Hiding.checked(ORIGINAL, ORIGINAL, nothing, may_be_empty=False).private == 0
    speck = Region(np.zeros((90, 120), bool), np.zeros((90, 120), bool))
    with pytest.raises(ImageError, match=r"next to nothing was hidden: 0 % .* --allow-empty"):
        Hiding.checked(ORIGINAL, ORIGINAL, speck, may_be_empty=False)
    assert Hiding.checked(ORIGINAL, ORIGINAL, speck, may_be_empty=True).private == 0


def recoded(pixels):
    """What a tool gives that found nothing to hide: the picture, compressed once more."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "jpeg", quality=85)
    return decode(StreamedImage(buffer.getvalue()))


def brighter(pixels):
    return np.clip(pixels * 1.1 + 4, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("leave", [np.copy, recoded, brighter])
def test_what_another_tool_left_as_it_was_is_not_hidden(photos, leave):
    for path, _ in photos[::4]:
        photo = read_image(path)
        height, width = photo.shape[:2]
        boxes = [(0, 0, width // 3, height // 3), (width // 2, height // 2, width, height)]
        region = region_from_boxes(boxes, height, width, growth=0.0)
        for known in (Region(), region):
            with pytest.raises(ImageError, match=r"to nothing was hidden|looks as in the original"):
                Hiding.by_others(photo, leave(photo), known, may_be_empty=False)
        one = region_from_boxes(boxes[:1], height, width)
        half = recoded(hide(photo, "blur", strength=6, region=one))
        with pytest.raises(
            ImageError, match=rf"the box \({width // 2}, .* looks as in the original"
        ):
            Hiding.by_others(photo, half, region, may_be_empty=False)


@pytest.mark.parametrize("method", ["blur", "pixelate", "solid"])
def test_what_another_tool_has_hidden_passes_recoded_too(photos, method):
    for path, _ in photos:
        photo = read_image(path)
        height, width = photo.shape[:2]
        box = (width // 4, height // 4, 3 * width // 4, 3 * height // 4)
        region = region_from_boxes([box], height, width, growth=0.0)
        for strong in (hide(photo, method), recoded(hide(photo, method))):
            found = Hiding.by_others(photo, strong, Region(), may_be_empty=False)
            assert 0 < found.private <= 1
        part = recoded(hide(photo, method, region=region))
        told = Hiding.by_others(photo, part, region, may_be_empty=False)
        assert told.private == region.mask.mean()
        found = Hiding.by_others(photo, part, Region(), may_be_empty=False)
        assert found.private < 0.35, "what was compressed once more alone is not private"


@pytest.fixture
def masks(photos_dir, tmp_path):
    """A mask for each photo, all of which but one hide something."""
    folder = tmp_path / "masks"
    for path in sorted(photos_dir.rglob("*.*")):
        with Image.open(path) as photo:
            mask = np.zeros(photo.size[::-1], np.uint16)
        if path.stem != "a":
            mask[4:40, 4:40] = 1
        place = (folder / path.relative_to(photos_dir)).with_suffix(".png")
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(place)
    return folder


def test_an_image_of_which_nothing_is_hidden_fails_by_name(
    zoo, photos_dir, masks, tmp_path, capsys
):
    out = tmp_path / "out"
    assert anonymize(zoo, photos_dir, out, "--regions", masks) == 1
    shown = capsys.readouterr()
    assert f"{photos_dir / 'a.png'}: next to nothing was hidden" in shown.out
    assert "private: " in shown.out
    rows = json.loads((out / "report.json").read_text())["images"]
    assert [row["status"] == "failed" for row in rows] == [True, False, False, False, False]
    assert not (out / "a.png").exists()
    assert rows[0]["private"] is None
    assert all(0 < row["changed"] <= row["private"] < 1 for row in rows[1:])

    words = ("--regions", masks, "--allow-empty", "--overwrite", "--quiet")
    assert anonymize(zoo, photos_dir, out, *words) == 0
    rows = json.loads((out / "report.json").read_text())["images"]
    assert rows[0]["private"] == rows[0]["changed"] == 0
    assert rows[0]["error"].startswith("next to nothing was hidden: 0 % of its pixels are private")
    assert [row["error"] for row in rows[1:]] == [None] * 4
    assert (out / "a.png").is_file()


def test_an_anonymizer_that_hides_nothing_is_found_out(
    zoo, photos_dir, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(
        blur.Blur, "__call__", lambda _self, original, _region, _view=0: Anonymized(original.copy())
    )
    assert anonymize(zoo, photos_dir, tmp_path / "out") == 1
    assert "private pixels are still as in the original; hide more" in capsys.readouterr().out
    assert not list((tmp_path / "out").rglob("*.png"))


def test_pairs_that_do_not_differ_are_refused(zoo, photos_dir, tmp_path, capsys):
    """Another tool was asked to hide something; of one image it hid nothing."""
    for path in photos_dir.rglob("*.*"):
        place = tmp_path / "hidden" / path.relative_to(photos_dir)
        place.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as photo:
            pixels = np.asarray(photo.convert("RGB"))
        shown = pixels if path.stem == "a" else hide(pixels, "pixelate", strength=30)
        Image.fromarray(shown).save(place.with_suffix(".png"))
    words = ["adapt", photos_dir, tmp_path / "hidden", "-o", tmp_path / "out", "--sources", zoo[0]]
    assert jaxanon(*words) == 1
    text = f"{tmp_path / 'hidden' / 'a.png'}: next to nothing was hidden"
    assert text in capsys.readouterr().out
    assert jaxanon(*words, "--overwrite", "--allow-empty", "--quiet") == 0
