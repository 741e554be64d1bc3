import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from samples import picture

from jaxanon.errors import ImageError, UsageError
from jaxanon.io import files, images, png
from jaxanon.io.files import output_names
from jaxanon.io.images import decode, encode, read_image, write_image
from jaxanon.io.kinds.folders import Folders


@pytest.fixture
def scene():
    return picture(0, 40, 60)


def test_modes_become_rgb(tmp_path, scene):
    image = Image.fromarray(scene)
    grey = np.asarray(image.convert("L"))
    cases = {
        "grey.png": (image.convert("L"), np.repeat(grey[..., None], 3, 2)),
        "bits.png": (image.convert("1"), None),
        "palette.png": (image.quantize(16), np.asarray(image.quantize(16).convert("RGB"))),
        "cmyk.tif": (image.convert("CMYK"), np.asarray(image.convert("CMYK").convert("RGB"))),
        "rgb.bmp": (image, scene),
    }
    for name, (picture_, wanted) in cases.items():
        picture_.save(tmp_path / name)
        got = read_image(tmp_path / name)
        assert got.shape == (40, 60, 3)
        assert got.dtype == np.uint8
        if wanted is not None:
            np.testing.assert_array_equal(got, wanted)


def test_sixteen_bit_grey_keeps_its_high_byte(tmp_path):
    deep = np.linspace(0, 65535, 40 * 60).reshape(40, 60).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(read_image(tmp_path / "deep.png")[..., 1], deep >> 8)


def test_float_samples_are_refused(tmp_path):
    Image.fromarray(np.zeros((30, 30), np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(ImageError, match=r"float\.tif: samples of type 'F'"):
        read_image(tmp_path / "float.tif")


def test_what_is_hidden_under_transparency_stays_hidden(tmp_path, scene):
    alpha = np.full((40, 60, 1), 255, np.uint8)
    alpha[:20] = 0
    Image.fromarray(np.concatenate([scene, alpha], 2)).save(tmp_path / "a.png")
    got = read_image(tmp_path / "a.png")
    assert (got[:20] == 255).all()
    np.testing.assert_array_equal(got[20:], scene[20:])

    keyed = Image.fromarray(scene).quantize(8)
    keyed.info["transparency"] = int(np.asarray(keyed)[0, 0])
    keyed.save(tmp_path / "keyed.png", transparency=keyed.info["transparency"])
    assert (read_image(tmp_path / "keyed.png")[0, 0] == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, scene, orientation):
    turn = {
        1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a, -1),
        7: lambda a: np.rot90(a, 2).transpose(1, 0, 2), 8: lambda a: np.rot90(a),
    }  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(scene).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "turned.png"), turn[orientation](scene))


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_no_metadata_passes_through(tmp_path, scene, form):
    """A photo with GPS, thumbnail-like comments, a profile and text leaves none of it behind."""
    exif = Image.Exif()
    exif[0x010E] = "SECRET description"
    exif.get_ifd(0x8825)[1] = "N"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(scene).save(
        tmp_path / "in.jpg", exif=exif, icc_profile=profile, comment=b"SECRET comment"
    )
    assert b"SECRET" in (tmp_path / "in.jpg").read_bytes()
    data = encode(read_image(tmp_path / "in.jpg"), form)
    assert b"SECRET" not in data
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert not dict(image.getexif())
        assert not {"exif", "icc_profile", "comment", "xmp", "XML:com.adobe.xmp"} & set(image.info)


@pytest.mark.parametrize(("form", "exact"), [("png", True), ("webp", True), ("jpeg", False)])
def test_formats(tmp_path, scene, form, exact):
    files.write(tmp_path / "a", encode(scene, form))
    got = read_image(tmp_path / "a")
    if exact:
        np.testing.assert_array_equal(got, scene)
    else:
        assert np.abs(got.astype(int) - scene).mean() < 4


def png_header(width, height):
    """A PNG that claims a size and holds almost nothing."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0"))
        + chunk(b"IEND", b"")
    )


def bad_files(folder: Path, scene: np.ndarray) -> dict[str, str]:
    """Write one file of each bad kind; name -> what its error must say."""
    whole = encode(scene, "png")
    jpeg = encode(scene, "jpeg")
    contents = {
        "empty.png": (b"", "the file is empty"),
        "text.jpg": (b"this is no picture", "not an image"),
        "notes": (b"nor is this", "not an image"),
        "truncated.png": (whole[: len(whole) // 2], "truncated|corrupt|cannot be read"),
        "truncated.jpg": (jpeg[: len(jpeg) // 2], "truncated|corrupt|cannot be read"),
        "corrupt.png": (whole[:60] + bytes(40) + whole[100:], "corrupt|cannot be read"),
        "dot.png": (encode(scene[:1, :1], "png"), "1x1 pixels; the short side must have at least"),
        "huge.png": (png_header(20000, 20000), "the limit|are accepted"),
    }
    for name, (data, _) in contents.items():
        (folder / name).write_bytes(data)
    return {name: text for name, (_, text) in contents.items()}


def test_bad_files_are_named_with_their_cause(tmp_path, scene):
    for name, text in bad_files(tmp_path, scene).items():
        with pytest.raises(ImageError, match=f"{name}: .*({text})"):
            read_image(tmp_path / name)


def test_a_huge_picture_costs_no_memory(tmp_path):
    import tracemalloc

    (tmp_path / "huge.png").write_bytes(png_header(20000, 20000))
    (tmp_path / "large.png").write_bytes(png_header(9500, 9500))
    tracemalloc.start()
    for name in ("huge.png", "large.png"):
        with pytest.raises(ImageError, match=f"{images.MAX_PIXELS:,}"):
            read_image(tmp_path / name)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_animations_are_refused(tmp_path, scene):
    frames = [Image.fromarray(np.roll(scene, 10 * i, 1)) for i in range(3)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match=r"a\.gif: 3 frames"):
        read_image(tmp_path / "a.gif")


def test_damage_of_any_kind_is_an_image_error(tmp_path, scene, rng):
    """One byte changed anywhere: a picture or an ImageError, nothing else."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "text"
    for form in ("JPEG", "TIFF", "WEBP", "PNG", "GIF", "AVIF"):
        buffer = io.BytesIO()
        more = {"exif": exif} if form in ("JPEG", "PNG", "WEBP", "TIFF") else {}
        Image.fromarray(scene).save(buffer, form, **more)
        whole = buffer.getvalue()
        outcomes = set()
        for _ in range(150):
            data = bytearray(whole)
            data[rng.integers(0, min(len(data), 400))] = rng.integers(256)
            (tmp_path / "a").write_bytes(data)
            try:
                outcomes.add(read_image(tmp_path / "a").dtype.name)
            except ImageError as error:
                outcomes.add(type(error).__name__)
        assert outcomes <= {"uint8", "ImageError"}
        assert "ImageError" in outcomes


def test_a_picture_that_cannot_be_turned_for_lack_of_memory_is_refused(
    tmp_path, scene, monkeypatch
):
    """Left as it lies, it would not fit its boxes and masks."""

    def exhausted(*_, **__):
        raise MemoryError

    Image.fromarray(scene).save(tmp_path / "a.png")
    monkeypatch.setattr(images.ImageOps, "exif_transpose", exhausted)
    with pytest.raises(ImageError, match=r"a\.png: out of memory"):
        read_image(tmp_path / "a.png")


def test_a_strip_is_refused(tmp_path):
    (tmp_path / "strip.png").write_bytes(png_header(16, 5000))
    with pytest.raises(ImageError, match="at most 20 times"):
        read_image(tmp_path / "strip.png")


def test_a_side_that_the_format_cannot_hold():
    with pytest.raises(ImageError, match="17000x20 pixels cannot be written as webp"):
        encode(np.zeros((20, 17000, 3), np.uint8), "webp")


def test_links_are_followed_but_not_in_circles(tmp_path):
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.png").touch()
    (tmp_path / "in" / "sub" / "back").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "there").symlink_to(tmp_path / "other")
    (tmp_path / "in" / "broken.png").symlink_to(tmp_path / "gone.png")
    found = [s.relative.as_posix() for s in Folders([tmp_path / "in"])]
    assert found == ["broken.png", "there/x.png"]
    with pytest.raises(ImageError, match="No such file"):
        read_image(tmp_path / "in" / "broken.png")


def test_find_leaves_hidden_files_out_and_lists_folders_that_it_cannot_read(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    (tmp_path / "locked").mkdir()
    for name in ("b.png", "a.png", ".hidden", "sub/c.png"):
        (tmp_path / name).touch()
    real = Path.iterdir

    def iterdir(self):
        if self.name == "locked":
            raise PermissionError(13, "Permission denied", str(self))
        return real(self)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    found = list(Folders([tmp_path, tmp_path / "a.png"]))
    assert [s.relative.as_posix() for s in found] == ["a.png", "b.png", "locked", "sub/c.png"]
    with pytest.raises(ImageError, match="locked: cannot be read: Permission denied"):
        decode(found[2])
    with pytest.raises(UsageError, match="nowhere: no such file or folder"):
        Folders([tmp_path / "nowhere"])
    (tmp_path / "void").mkdir()
    with pytest.raises(UsageError, match="no pictures in"):
        Folders([tmp_path / "void"])


def names(*relative, form="png"):
    return [path.as_posix() for path in output_names([Path(name) for name in relative], form)]


def test_what_is_no_picture_is_not_written(tmp_path, scene):
    """The colours under an alpha channel would be published with the rest."""
    path = tmp_path / "a.png"
    transparent = np.concatenate([scene, np.zeros_like(scene[..., :1])], 2)
    for pixels in (scene / 255, scene[..., 0], transparent, scene > 9, scene.tolist()):
        with pytest.raises(
            UsageError, match=r"a\.png: the picture is .*expected uint8 \(H, W, 3\)"
        ):
            write_image(path, pixels)
    with pytest.raises(ImageError, match=r"a\.webp: 17000x20 pixels cannot be written as webp"):
        write_image(tmp_path / "a.webp", np.zeros((20, 17000, 3), np.uint8))
    assert not list(tmp_path.iterdir())
    write_image(path, scene)
    np.testing.assert_array_equal(read_image(path), scene)
    with pytest.raises(ImageError, match=r"a\.png exists; give overwrite=True"):
        write_image(path, scene)


def test_two_inputs_never_share_an_output():
    assert names("a.png", "a.jpg", "b.jpg") == ["a.png.png", "a.jpg.png", "b.png"]
    assert names("a.png", "A.jpg") == ["a.png.png", "A.jpg.png"]
    assert names("a.jpg", "a.png", "a.jpg.png") == ["a.jpg-2.png", "a.png.png", "a.jpg.png"]
    assert names("d/a.jpg", "e/a.jpg", form="webp") == ["d/a.webp", "e/a.webp"]
    assert names("a.jpg", "a.jpg") == ["a.jpg.png", "a.jpg-2.png"]


def test_writing_is_whole_or_not_at_all(tmp_path, monkeypatch):
    target = tmp_path / "sub" / "a.png"
    files.write(target, b"one")
    with pytest.raises(ImageError, match="exists; not overwritten"):
        files.write(target, b"two", overwrite=False)
    assert target.read_bytes() == b"one"

    def full(self, data):
        with self.open("wb") as file:
            file.write(data[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ImageError, match="cannot be written: No space left"):
        files.write(target, b"three")
    monkeypatch.undo()
    assert target.read_bytes() == b"one"
    assert [path.name for path in target.parent.iterdir()] == ["a.png"]

    (tmp_path / "file").touch()
    with pytest.raises(ImageError, match="cannot be written"):
        files.write(tmp_path / "file" / "a.png", b"x")


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 7, 3), (9, 1, 3), (30, 41, 3), (1, 1), (30, 41)])
def test_pngs_are_written_without_loss(rng, shape):
    for pixels in (rng.integers(0, 256, shape, np.uint8), np.zeros(shape, np.uint8)):
        with Image.open(io.BytesIO(png.encode(pixels))) as file:
            file.verify()
        with Image.open(io.BytesIO(png.encode(pixels))) as file:
            assert (file.format, file.mode) == ("PNG", "RGB" if len(shape) == 3 else "L")
            np.testing.assert_array_equal(np.asarray(file), pixels)
