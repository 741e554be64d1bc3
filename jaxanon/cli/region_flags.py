"""The flags that say what is private, and the finder of regions that they ask for."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jaxanon.errors import UsageError, printable
from jaxanon.io.files import real_path

if TYPE_CHECKING:
    from jaxanon.io.inputs import InputImage
    from jaxanon.regions.finder import RegionFinder

log = logging.getLogger("jaxanon")


def add_region_flags(command: argparse.ArgumentParser) -> None:
    """Add `--regions` and what goes with it."""
    add = command.add_argument
    add(
        "--regions",
        default="whole",
        metavar="WHERE",
        help="what is private: whole (all of the image), faces (found by a detector), the path of "
        "a file or folder of annotations (boxes, COCO, Pascal VOC, YOLO, LabelMe, CVAT), or the "
        "path of a folder of masks, named like the photos, not black where private; a folder named "
        "faces is ./faces (default: whole; formats: docs/reading.md)",
    )
    add(
        "--classes",
        metavar="A,B",
        help="categories of the annotations that are private; what has none is private as well "
        "(default: all)",
    )
    add("--threshold", type=float, metavar="X", help="score of a face, 0 to 1 (default: 0.2)")
    add(
        "--grow",
        type=float,
        metavar="X",
        help="how far a box or face grows on each side, as a share of its longer one "
        "(default: 0.1)",
    )
    add("--also", type=Path, metavar="FILE.json", help="boxes that are private besides the faces")
    add(
        "--exempt",
        type=Path,
        metavar="FILE.json",
        help="boxes; a face whose centre lies in one of them is left as it is",
    )
    add(
        "--preview",
        type=Path,
        metavar="FILE.png",
        help="sheet of the first inputs with what is private; it shows the originals",
    )
    add(
        "--allow-empty",
        action="store_true",
        help="accept images of which next to nothing is hidden although nobody says that nothing "
        "is private in them, and leave empty boxes out; without it they fail",
    )


@dataclass(frozen=True)
class RegionOptions:
    """What is private in the images of a run.

    Attributes:
        where: `whole`, `faces`, or a file or folder of annotations, or a folder of masks.
        threshold: score from which something is a face; None for the detector's own.
        grow: share of its longer side by which a box grows on each side; None for the default.
        also: a file of boxes that are private besides the faces.
        exempt: a file of boxes; a face whose centre lies in one of them is left as it is.
        allow_empty: whether images of which next to nothing is hidden are accepted.
        classes: categories of annotations that are private; None for all.
    """

    where: str
    threshold: float | None
    grow: float | None
    also: Path | None
    exempt: Path | None
    allow_empty: bool
    classes: tuple[str, ...] | None

    @classmethod
    def from_args(cls, args: argparse.Namespace) -> RegionOptions:
        """The options that the flags of `add_region_flags` set."""
        return cls(
            where=args.regions,
            threshold=args.threshold,
            grow=args.grow,
            also=args.also,
            exempt=args.exempt,
            allow_empty=args.allow_empty,
            classes=_names(args.classes),
        )

    def finder(self, inputs: Sequence[InputImage]) -> RegionFinder:
        """What finds the regions of the inputs.

        Raises:
            UsageError: for regions that cannot be had, options that mean nothing for them, or a
                file of further boxes that lists what is not among the inputs.
        """
        # Pillow, which `--help` can do without
        from jaxanon.regions.finder import Search, region_finder

        search = Search(
            growth=self.grow,
            threshold=self.threshold,
            also=self.also,
            exempt=self.exempt,
            classes=self.classes,
            skip_empty=self.allow_empty,
        )
        photos = {real_path(image.name) for image in inputs}
        relative = [image.relative for image in inputs]
        return region_finder(self.where, relative, search, photos=photos)

    def say_how_read(self, image: InputImage) -> None:
        """Say that masks and annotations are those of the upright photo, where it was turned."""
        if self.where in ("whole", "faces"):
            return
        from jaxanon.io.orientation import turned_by_exif

        if turned_by_exif(image):
            text = "%s was turned upright by its EXIF; what %s says is taken to be of it upright"
            log.info(text, printable(image.name), self.where)

    def recorded(self) -> dict[str, object]:
        """What report and journal say of the regions: those options that were given."""
        search = {"threshold": self.threshold, "grow": self.grow}
        listed = {"also": self.also, "exempt": self.exempt}
        return {
            "regions": self.where,
            **{name: value for name, value in search.items() if value is not None},
            **{name: str(path) for name, path in listed.items() if path},
            **({"allow_empty": True} if self.allow_empty else {}),
            **({"classes": list(self.classes)} if self.classes else {}),
        }

    def files(self) -> list[str]:
        """Files and folders that the regions are read from."""
        listed = [str(path) for path in (self.also, self.exempt) if path]
        return listed if self.where in ("whole", "faces") else [self.where, *listed]


def _names(text: str | None) -> tuple[str, ...] | None:
    """The names in a list separated by commas; None for no list."""
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise UsageError(f"--classes is {text!r}; give categories, such as face,license_plate")
    return names
