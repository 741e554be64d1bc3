"""What happened: a record per image, kept on disk as the run goes on, and their sum."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from jaxanon import __version__
from jaxanon.adaptation.settings import Success
from jaxanon.errors import UsageError
from jaxanon.io.files import write
from jaxanon.metrics import concordance, repair_rate
from jaxanon.pipeline.item import key

JOURNAL = ".jaxanon-journal.jsonl"
REPORT = "report.json"

RecordStatus = Success | Literal["partly", "failed"]
Score = dict[Literal["anonymized", "adapted"], float]
Decisions = dict[str, dict[str, int]]
"""Classifier -> {"reference": class, "anonymized": class, "adapted": class}."""


@dataclass(frozen=True)
class Record:
    """What happened to one image; the fields of `images` in the report.

    Attributes:
        input: path of the original.
        output: path of the saved file, None where none was written.
        status: `kept` where every source keeps its reference decision in the saved file; after an
            attack `fooled` where none does, or `reached` where every source sees the class asked
            for; `partly` where it was saved but falls short, `failed` where it was not saved.
        steps: gradient steps made.
        linf: largest difference of the saved file to the anonymized image, in levels.
        psnr: of the saved file against the anonymized image, in dB; None where they are equal.
        decisions: of all classifiers; those on the adapted image are read off the saved file.
        error: the reason of a failure, or why an image was stopped.
        view: which of several images made from the same input this is, from 1; None for the only
            one.
        regions: private ones that were found in it; None where no boxes were looked for.
        score: the judge's of the anonymized and of the saved image, where there is a cap on it.
        partner: path of the anonymized file, where another tool made it.
    """

    input: str
    output: str | None
    status: RecordStatus
    steps: int = 0
    linf: int = 0
    psnr: float | None = None
    decisions: Decisions = field(default_factory=dict)
    error: str | None = None
    view: int | None = None
    regions: int | None = None
    score: Score | None = None
    partner: str | None = None

    @property
    def key(self) -> str:
        """Names the image among those of a run."""
        return key(self.input, self.view)


def fingerprint(path: Path) -> str:
    """What tells whether a file, or anything in a folder, has been changed: sizes and times."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        with suppress(OSError):  # what is gone or locked shows up when it is read
            state = file.stat()
            digest.update(f"{file}|{state.st_size}|{state.st_mtime_ns}\n".encode(errors="replace"))
    return digest.hexdigest()[:16]


class Journal:
    """The records of a run in its output folder, one JSON line each, so that it can be resumed.

    The first line holds the settings; a run resumes only under the same ones. Each record stands
    with the fingerprint of its input and partner, so that what has changed is done again.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.path = folder / JOURNAL
        self.settings = json.loads(json.dumps(settings))
        self._earlier: list[dict[str, Any]] = []

    def resume(self) -> tuple[dict[str, Record], set[Path]]:
        """What an earlier run did; nothing where there was none.

        Returns:
            The records of images that it saved and that have not changed since, by input, and all
            outputs that it wrote, resolved. An unfinished last line is left out.

        Raises:
            UsageError: when the journal belongs to a run with other settings, or is damaged.
        """
        if not self.path.is_file():
            return {}, set()
        try:
            return self._read()
        except (OSError, UnicodeError, TypeError, KeyError, AttributeError) as error:
            raise UsageError(
                f"{self.path}: unreadable ({error!r}); give --overwrite to begin anew"
            ) from error

    def _read(self) -> tuple[dict[str, Record], set[Path]]:
        lines = self.path.read_text(encoding="utf-8").splitlines()
        rows = [row for row in map(_parse, lines) if row is not None]
        if not rows:
            return {}, set()
        before = rows[0].get("settings")
        names = sorted(
            key
            for key in {*(before or {}), *self.settings}
            if (before or {}).get(key) != self.settings.get(key)
        )
        if before is None or names:
            raise UsageError(
                f"{self.path.parent}: cannot resume, the settings differ: {', '.join(names)}; "
                "use the same ones, or --overwrite to begin anew"
            )
        self._earlier = rows[1:]
        latest = {Record(**row["record"]).key: row for row in self._earlier}
        done = {
            name: Record(**row["record"])
            for name, row in latest.items()
            if row["record"]["status"] != "failed"
            and row["fingerprint"] == _state(Record(**row["record"]))
        }
        written = [row["record"]["output"] for row in self._earlier]
        return done, {Path(output).resolve() for output in written if output is not None}

    def outputs(self) -> set[Path]:
        """All images that the run on record has written, resolved, whatever its settings were.

        Those saved aside, before the adaptation, are among them.
        """
        try:
            first, *rows = filter(None, map(_parse, self.path.read_text("utf-8").splitlines()))
            found = [row["record"]["output"] for row in rows]
            aside = [first["settings"].get(name) for name in ("save_anonymized", "save_views")]
        except (OSError, UnicodeError, TypeError, KeyError, ValueError, AttributeError):
            return set()
        folder = self.path.parent.resolve()
        paths = {Path(output).resolve() for output in found if isinstance(output, str)}
        paths = {path for path in paths if folder in path.parents}
        return paths | {
            (Path(other).resolve() / path.relative_to(folder)).with_suffix(".png")
            for other in aside
            if other
            for path in paths
        }

    def start(self) -> None:
        """Begin the file; what `resume` found stays in it."""
        rows = [{"settings": self.settings}, *self._earlier]
        write(self.path, "".join(json.dumps(row) + "\n" for row in rows).encode())

    def add(self, record: Record) -> None:
        """Append one record."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(_row(record)) + "\n")


def _row(record: Record) -> dict[str, Any]:
    return {"record": asdict(record), "fingerprint": _state(record)}


def _state(record: Record) -> str:
    """What tells whether an image is still made of the same files."""
    return "".join(fingerprint(Path(each)) for each in (record.input, record.partner) if each)


def _parse(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def shares(records: Sequence[Record], name: str) -> dict[str, float | None]:
    """A classifier's concordance, before and after, and repair rate over the saved images."""
    rows = [record.decisions[name] for record in records if name in record.decisions]
    reference, anonymized, adapted = (
        np.array([row[stage] for row in rows], int)
        for stage in ("reference", "anonymized", "adapted")
    )
    return {
        "anonymized": concordance(reference, anonymized),
        "adapted": concordance(reference, adapted),
        "repair": repair_rate(reference, anonymized, adapted),
    }


def report(
    records: Sequence[Record],
    roles: Mapping[str, str],
    weights: Mapping[str, str],
    settings: Mapping[str, Any],
    seconds: float,
    processed: int,
) -> dict[str, Any]:
    """The report of a run, as its JSON file holds it.

    Args:
        records: one per image.
        roles: classifier -> `source` or `target`.
        weights: classifier -> where its weights come from.
        settings: the options of the run.
        seconds: from the first image to the last, loading of classifiers left out.
        processed: images handled in that time (a resumed run handles fewer than it reports).
    """
    import jax

    device = jax.devices()[0]
    return {
        "schema": 1,
        "version": __version__,
        "device": f"{device.platform}: {device.device_kind} x {jax.device_count()}",
        "settings": dict(settings),
        "classifiers": [{"name": name, "role": role} for name, role in roles.items()],
        "weights": dict(weights),
        "summary": {
            "images": len(records),
            "done": sum(record.status != "failed" for record in records),
            "failed": sum(record.status == "failed" for record in records),
            "seconds": round(seconds, 3),
            "images_per_second": round(processed / seconds, 4) if seconds > 0 else 0.0,
            "concordance": {name: shares(records, name) for name in roles},
        },
        "images": [asdict(record) for record in records],
    }


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write a JSON file whole or not at all."""
    write(path, (json.dumps(data, indent=1, allow_nan=False) + "\n").encode())
