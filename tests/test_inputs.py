"""A further kind of input is a class for an image and one for all of them; nothing else knows."""

import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePath

import pytest
from PIL import Image
from samples import picture

from jaxanon.errors import UsageError
from jaxanon.io.files import fingerprint
from jaxanon.io.inputs import INPUT_KINDS, register_inputs
from jaxanon.io.kinds import open_inputs


@dataclass(frozen=True)
class Member:
    """A picture in a tar file."""

    archive: Path
    relative: PurePath

    @property
    def name(self):
        return f"{self.archive}:{self.relative}"

    def open(self):
        with tarfile.open(self.archive) as archive:
            return io.BytesIO(archive.extractfile(str(self.relative)).read())

    def fingerprint(self):
        return fingerprint(self.archive)


class Archive:
    """All pictures in a tar file."""

    length = None

    def __init__(self, path):
        self.path, self.name = path, str(path)

    def __iter__(self):
        with tarfile.open(self.path) as archive:
            names = archive.getnames()
        yield from (Member(self.path, PurePath(name)) for name in names)


@pytest.fixture
def archive(tmp_path):
    """A file of two pictures, and the kind that opens it, registered for this test alone."""
    register_inputs(".box")(Archive)
    path = tmp_path / "photos.box"
    with tarfile.open(path, "w") as file:
        for i in range(2):
            data = io.BytesIO()
            Image.fromarray(picture(i, 50, 60)).save(data, "png")
            info = tarfile.TarInfo(f"sub/{i}.png")
            info.size = len(data.getvalue())
            data.seek(0)
            file.addfile(info, data)
    yield path
    del INPUT_KINDS[".box"]


def test_several_kinds_are_one_after_the_other(archive, photos_dir):
    inputs = open_inputs([archive, photos_dir])
    assert inputs.length is None
    assert [str(image.relative) for image in inputs][-2:] == ["sub/0.png", "sub/1.png"]
    assert len(list(inputs)) == 7, "it can be gone through again"
    assert open_inputs([photos_dir]).length == 5
    with pytest.raises(UsageError, match="no such file"):
        open_inputs([archive, photos_dir / "gone"])


def test_a_command_takes_any_kind(archive, tmp_path, tiny_main):
    out = tmp_path / "out"
    words = ["anonymize", archive, "-o", out, "--sources", "tf_efficientnet_lite0", "--quiet"]
    assert tiny_main([*map(str, words)]) == 0
    report = json.loads((out / "report.json").read_text())
    assert [image["input"] for image in report["images"]] == [
        f"{archive}:sub/0.png",
        f"{archive}:sub/1.png",
    ]
    assert (out / "sub" / "1.png").exists()
    assert tiny_main([*map(str, words), "--resume"]) == 0
