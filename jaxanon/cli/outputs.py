"""Where a run writes: the options of the command line, and what they rule out."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from jaxanon.cli.common import keep_apart
from jaxanon.errors import UsageError
from jaxanon.io.results import OutputFolder, ResultSink
from jaxanon.io.standard_streams import STANDARD, StandardOutput
from jaxanon.pipeline.journal import Journal
from jaxanon.pipeline.page import page_beside
from jaxanon.pipeline.report import REPORT


@dataclass(frozen=True)
class OutputOptions:
    """Where the results of a run go.

    Attributes:
        folder: for the adapted images; `-` is standard output, for one alone.
        format: `png`, `jpeg` or `webp`.
        overwrite: whether what an earlier run wrote may be replaced.
        resume: whether to go on with an earlier run.
        report: the report's file, by default in the folder; None for none.
        with_originals: whether the page shows the originals too.
        sheet: file for a contact sheet, which shows the originals.
        preview: file for a sheet of what is private, which shows the originals.
        save_anonymized: folder for the images before adaptation.
        save_views: folder for low-resolution views.
    """

    folder: Path
    format: str
    overwrite: bool
    resume: bool
    report: Path | None
    with_originals: bool
    sheet: Path | None
    preview: Path | None
    save_anonymized: Path | None
    save_views: Path | None

    @classmethod
    def from_args(cls, args: Namespace) -> OutputOptions:
        """The options of a command line; not every command has all of them."""
        report = None if args.output == STANDARD else args.output / REPORT
        return cls(
            folder=args.output,
            format=args.format,
            overwrite=args.overwrite,
            resume=args.resume,
            report=args.report or report,
            with_originals=args.with_originals,
            sheet=args.sheet,
            preview=args.preview,
            save_anonymized=vars(args).get("save_anonymized"),
            save_views=vars(args).get("save_views"),
        )

    @property
    def page(self) -> Path | None:
        """The file of the page, beside the report."""
        if self.report is None or self.streamed:
            return None
        return page_beside(self.report)

    @property
    def streamed(self) -> bool:
        """Whether the one adapted image goes to standard output."""
        return self.folder == STANDARD

    @cached_property
    def sink(self) -> ResultSink:
        """Where the adapted images go.

        Raises:
            UsageError: when it is standard output, but that is a terminal.
        """
        return StandardOutput() if self.streamed else OutputFolder(self.folder)

    def check_streamed(self, images: int, keeps_state: str | None) -> None:
        """Refuse what standard output cannot hold.

        Args:
            images: number of images that the run makes.
            keeps_state: name of the anonymizer, if it keeps a file beside the images.

        Raises:
            UsageError: naming it.
        """
        if not self.streamed:
            return
        if images != 1:
            raise UsageError(f"-o - writes one image to standard output, not {images}")
        needing = {
            "--resume": self.resume,
            "--sheet": self.sheet,
            "--with-originals": self.with_originals,
            f"--method {keeps_state}": keeps_state,
        }
        for name, given in needing.items():
            if given:
                raise UsageError(f"{name} needs an output folder, not -o -")

    @property
    def extra_folders(self) -> list[Path]:
        """Folders besides the output that hold what may be published."""
        return [folder for folder in (self.save_anonymized, self.save_views) if folder]

    def keep_apart(self, inputs: Sequence[Path]) -> None:
        """Refuse output folders that overlap with the inputs or with each other.

        Raises:
            UsageError: naming both.
        """
        others = list(inputs)
        if not self.streamed:
            keep_apart(self.folder, inputs)
            others.append(self.folder)
        for folder in self.extra_folders:
            keep_apart(folder, others)
            others.append(folder)

    def recorded(self) -> dict[str, object]:
        """What report and journal say of the outputs: what the results depend on."""
        anonymized = str(self.save_anonymized) if self.save_anonymized else None
        return {"format": self.format, "save_anonymized": anonymized}

    def may_overwrite(self, journal: Journal) -> bool:
        """Whether what lies beside the adapted images is this run's to replace."""
        return self.overwrite or (self.resume and journal.log.exists())
