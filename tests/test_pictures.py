"""Pictures that people have: colours, depths, frames, cut files, formats of plugins."""

import io
from pathlib import Path

import numpy as np
import pytest
from command_line import anonymize
from PIL import Image, ImageCms
from samples import picture
from skimage import data

from jaxanon.errors import ImageError
from jaxanon.io import images
from jaxanon.io.images import decode, read_image
from jaxanon.io.kinds.folders import InputFile
from jaxanon.io.reading import ReadAs, Reading

SCENE = picture(5, 60, 80)
DISPLAY_P3 = {
    "red": (0.680, 0.320), "green": (0.265, 0.690), "blue": (0.150, 0.060),
    "white": (0.3127, 0.3290),
}  # fmt: skip


def xyz(x, y):
    return np.array([x / y, 1, (1 - x - y) / y])


def display_p3() -> ImageCms.ImageCmsProfile:
    """Display P3 as an ICC profile: sRGB's with the colorants of P3, adapted to D50."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    white = xyz(*DISPLAY_P3["white"])
    primaries = np.stack([xyz(*DISPLAY_P3[name]) for name in ("red", "green", "blue")], 1)
    matrix = primaries * np.linalg.solve(primaries, white)
    bradford = np.array(
        [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
    )
    d50 = np.array([0.9642, 1.0, 0.8249])
    adapt = np.linalg.solve(bradford, np.diag(bradford @ d50 / (bradford @ white)) @ bradford)
    colorants = adapt @ matrix
    made = bytearray(srgb.replace("sRGB".encode("utf-16-be"), "DiP3".encode("utf-16-be")))
    count = int.from_bytes(made[128:132], "big")
    for i in range(count):
        place = 132 + 12 * i
        tag = bytes(made[place : place + 4])
        if tag in (b"rXYZ", b"gXYZ", b"bXYZ"):
            offset = int.from_bytes(made[place + 4 : place + 8], "big") + 8
            for value in colorants[:, b"rgb".index(tag[:1])]:
                made[offset : offset + 4] = round(value * 65536).to_bytes(4, "big", signed=True)
                offset += 4
    return ImageCms.ImageCmsProfile(io.BytesIO(bytes(made)))


def read(path: Path, **reading) -> np.ndarray:
    return decode(ReadAs(InputFile(path, Path(path.name)), Reading(**reading)))


def test_a_wide_gamut_photo_reads_like_its_srgb_twin(tmp_path):
    """Within what eight bits of Display P3 can hold of it."""
    profile, photo = display_p3(), data.astronaut()[:256, 100:356]
    wide = ImageCms.profileToProfile(
        Image.fromarray(photo), ImageCms.createProfile("sRGB"), profile, outputMode="RGB"
    )
    assert np.abs(np.asarray(wide).astype(int) - photo).max() > 10, "another encoding"
    see_through = wide.copy()
    see_through.putalpha(Image.new("L", wide.size, 255))
    see_through.save(tmp_path / "alpha.png", icc_profile=profile.tobytes())
    for name in ("wide.png", "wide.tif", "wide.webp"):
        more = {"lossless": True} if name == "wide.webp" else {}
        wide.save(tmp_path / name, icc_profile=profile.tobytes(), **more)
        np.testing.assert_array_equal(read(tmp_path / name, colour="as-stored"), np.asarray(wide))
    for name in ("wide.png", "wide.tif", "wide.webp", "alpha.png"):
        assert np.abs(read_image(tmp_path / name).astype(int) - photo).max() <= 2


def test_profiles_that_change_nothing(tmp_path):
    """sRGB, a damaged one, and one of another space than the picture's."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    grey = Image.fromarray(SCENE).convert("L")
    for profile in (srgb, srgb[:200], b"no profile", b""):
        Image.fromarray(SCENE).save(tmp_path / "a.png", icc_profile=profile)
        np.testing.assert_array_equal(read_image(tmp_path / "a.png"), SCENE)
    grey.save(tmp_path / "grey.png", icc_profile=srgb)
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png")[..., 0], np.asarray(grey))


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_grey_of_fewer_bits_than_sixteen(tmp_path, bits, caplog):
    caplog.set_level("INFO", "jaxanon")
    top = 2**bits - 1
    numbers = np.linspace(0, top, 60 * 80).reshape(60, 80).astype(np.uint16)
    for name in ("a.png", "a.tif"):
        caplog.clear()
        Image.fromarray(numbers).save(tmp_path / name)
        np.testing.assert_array_equal(read_image(tmp_path / name)[..., 0], numbers >> (bits - 8))
        said = f"{name}: read as {bits} bits in 16, its largest number being {top}"
        assert (said in caplog.text) == (bits < 16)


def test_what_the_file_says_of_its_depth_counts(tmp_path):
    """A dark picture of twelve bits is not brightened."""
    numbers = np.full((60, 80), 300, np.uint16)
    Image.fromarray(numbers).save(tmp_path / "a.tif", tiffinfo={281: 4095})
    assert (read_image(tmp_path / "a.tif") == 300 >> 4).all()
    Image.fromarray(numbers).save(tmp_path / "b.tif", tiffinfo={281: 255})
    assert (read_image(tmp_path / "b.tif") == 300 >> 2).all(), "what cannot be is not believed"


def test_the_first_frame_and_what_is_left_of_a_cut_jpeg(tmp_path):
    frames = [Image.fromarray(np.roll(SCENE, 10 * i, 1)) for i in range(3)]
    frames[0].save(tmp_path / "pages.tif", save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match=r"3 frames or pages; .* --first-frame reads the first"):
        read_image(tmp_path / "pages.tif")
    np.testing.assert_array_equal(read(tmp_path / "pages.tif", first_frame=True), SCENE)

    whole = io.BytesIO()
    Image.fromarray(SCENE).save(whole, "JPEG", quality=95)
    jpeg = whole.getvalue()
    (tmp_path / "cut.jpg").write_bytes(jpeg[: len(jpeg) * 2 // 3])
    with pytest.raises(ImageError, match="truncated"):
        read_image(tmp_path / "cut.jpg")
    cut = read(tmp_path / "cut.jpg", truncated=True)
    np.testing.assert_array_equal(cut[:16], np.asarray(Image.open(whole).convert("RGB"))[:16])
    (tmp_path / "cut.jpg").write_bytes(jpeg[:40])
    with pytest.raises(ImageError, match=r"cut\.jpg"):
        read(tmp_path / "cut.jpg", truncated=True)


def test_heic(tmp_path, monkeypatch):
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(Image.fromarray(SCENE)).save(tmp_path / "a.heic", quality=-1, chroma=444)
    got = read_image(tmp_path / "a.heic").astype(int)
    assert np.abs(got - SCENE).max() <= 3
    monkeypatch.setattr(images, "FORMATS", ["PNG"])
    with pytest.raises(
        ImageError, match=r"a\.heic: a picture in HEIF.*pip install 'jaxanon\[heif\]'"
    ):
        read_image(tmp_path / "a.heic")


def test_the_flags_reach_the_files_and_the_report(zoo, photos_dir, tmp_path):
    import json

    frames = [Image.fromarray(np.roll(SCENE, 10 * i, 1)) for i in range(3)]
    frames[0].save(photos_dir / "pages.tif", save_all=True, append_images=frames[1:])
    out = tmp_path / "out"
    assert anonymize(zoo, photos_dir, out, "--quiet") == 1
    words = ("--first-frame", "--truncated", "--colour", "as-stored", "--quiet", "--overwrite")
    assert anonymize(zoo, photos_dir, out, *words) == 0
    settings = json.loads((out / "report.json").read_text())["settings"]
    assert settings["first_frame"] is settings["truncated"] is True
    assert settings["colour"] == "as-stored"
