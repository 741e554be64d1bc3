"""How many questions it takes until a classifier that is only asked decides as on the original.

Each of the classifiers is the oracle in turn, the others, or one of them at a time, are sources. A
figure is read off the saved files: the share of photos on which the oracle decides as on the
original, after the first file that it was asked about, and after up to so many. Intervals are of
shares (Wilson).

    python scripts/experiments/ask_oracles.py --queries 20
    python scripts/experiments/ask_oracles.py --photos DIR --queries 200 --json FILE
    python scripts/experiments/ask_oracles.py --classifiers resnet18@DIR,mobilenetv2_100@DIR2 \
        --only --photos DIR --number 1
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import TypedDict

from ablate_transfer import photos_of

from jaxanon.adaptation.settings import DEFAULT, PRESETS, preset
from jaxanon.anonymizers import make, whole_image_methods
from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.classifiers.labels import known_names
from jaxanon.classifiers.outside.classifier import Known, Question
from jaxanon.classifiers.outside.remembered import Remembered
from jaxanon.cli.common import load_all, split_names
from jaxanon.cli.options import DEFAULT_SOURCES
from jaxanon.display.tables import table
from jaxanon.errors import JaxanonError
from jaxanon.io.files import write_json
from jaxanon.io.kinds.folders import InputFile
from jaxanon.io.results import OutputFolder
from jaxanon.metrics import Interval
from jaxanon.pipeline.stages import RunOptions
from jaxanon.pipeline.whole import bare_run, whole_items
from jaxanon.runtime import compilation, memory


class LabelsAlone:
    """A classifier that gives its decisions and nothing else, as many services do."""

    sees_originals = True

    def __init__(self, classifier: Classifier) -> None:
        config = classifier.config
        self.name = classifier.name
        self.known = Known(config.num_classes, known_names(config), config.origin)
        self._ensemble = Ensemble([classifier])

    def remember(self, answers: Remembered | None) -> None:
        """Asking again costs nothing."""

    def answers(self, questions: Sequence[Question]) -> Sequence[object]:
        """The decisions."""
        return [int(each) for each in self._ensemble.decide([q.pixels for q in questions])[0]]


class Asked(TypedDict):
    """One oracle with its sources.

    Attributes:
        oracle: its name.
        sources: names of those that were adapted to.
        kept: per photo how many files it took until the oracle agreed; 0 where it never did.
        sources_kept: share of the photos on which all sources keep their decisions in the end.
        steps: mean number of gradient steps of each source.
        seconds: time that the run took.
    """

    oracle: str
    sources: list[str]
    kept: list[int]
    sources_kept: float
    steps: float
    seconds: float


def arguments() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description="Questions until an oracle agrees.")
    add = parser.add_argument
    add("--photos", nargs="+", type=Path, default=[], metavar="PATH", help="with the packaged ones")
    add("--only", action="store_true", help="without the packaged ones")
    add("--classifiers", default=DEFAULT_SOURCES, metavar="A,B,C", help="default: %(default)s")
    add("--number", type=int, default=2, metavar="N", help="sources at once (default: 2)")
    add("--method", default="blur", choices=whole_image_methods(), help="default: %(default)s")
    add("--strength", type=float, metavar="X", help="of the anonymizer")
    add("--preset", default=DEFAULT, choices=list(PRESETS), help="default: %(default)s")
    add("--queries", type=int, default=200, metavar="N", help="default: %(default)s")
    add("--answers", default="labels", choices=("labels", "scores"), help="default: %(default)s")
    add("--json", type=Path, metavar="FILE", help="add the results to this file")
    return parser


def ask(
    args: argparse.Namespace,
    paths: Sequence[Path],
    oracle: Classifier | LabelsAlone,
    sources: Sequence[Classifier],
    folder: Path,
) -> Asked:
    """Adapt all photos until the oracle agrees.

    Args:
        args: anonymizer, preset and queries.
        paths: photos.
        oracle: the classifier that is asked.
        sources: classifiers to adapt to.
        folder: where the files are saved.
    """
    begin = time.perf_counter()
    results = OutputFolder(folder)
    images = [InputFile(path, Path(f"{i}{path.suffix}")) for i, path in enumerate(paths)]
    items = whole_items(images, results, make(args.method, strength=args.strength))
    settings = preset(args.preset, precision="float32", queries=args.queries)
    options = RunOptions(quiet=True, oracles=(oracle.name,))
    records = bare_run(results, items, sources, [oracle], settings, options).execute()["images"]
    rows = [record["decisions"] for record in records]

    def keeps(row: dict[str, dict[str, int]], name: str) -> bool:
        return row[name]["adapted"] == row[name]["reference"]

    names = [source.name for source in sources]
    return {
        "oracle": oracle.name,
        "sources": names,
        "kept": [
            record["queries"] if keeps(row, oracle.name) else 0
            for record, row in zip(records, rows, strict=True)
        ],
        "sources_kept": sum(all(keeps(row, name) for name in names) for row in rows) / len(rows),
        "steps": sum(record["steps"] for record in records) / len(records),
        "seconds": round(time.perf_counter() - begin, 1),
    }


def record(
    args: argparse.Namespace, paths: Sequence[Path], names: Sequence[str], runs: Sequence[Asked]
) -> None:
    """Add the runs so far to the file of `--json`, in place of earlier ones of the kind."""
    found = json.loads(args.json.read_text()) if args.json.exists() else {}
    kind = f"{args.method} {args.strength:g}; {args.number} source(s); {args.answers}"
    kind += f"; {args.preset}"
    photos = [path.name for path in paths]
    made = {"photos": photos, "queries": args.queries, "runs": runs}
    write_json(args.json, {**found, f"{'+'.join(names)}; {kind}": made})


def line_of(runs: Sequence[Asked], title: str) -> list[str]:
    """What some runs come to: kept at once, in the end, sources, questions, steps."""
    asked = [count for run in runs for count in run["kept"]]
    shares = [Interval.of_share(sum(k) / len(asked), len(asked)) for k in (
        [count == 1 for count in asked], [count > 0 for count in asked]
    )]  # fmt: skip
    answered = [count for count in asked if count]
    return [
        title,
        *(f"{100 * s.mean:.1f} ({100 * s.low:.0f}-{100 * s.high:.0f})" for s in shares),
        f"{100 * sum(run['sources_kept'] for run in runs) / len(runs):.1f}",
        f"{sum(answered) / max(len(answered), 1):.1f}",
        f"{sum(run['steps'] for run in runs) / len(runs):.0f}",
    ]


def title_of(run: Asked) -> str:
    """The oracle and the sources of a run."""
    return f"{run['oracle']} from {' + '.join(run['sources'])}"


HEAD = ["oracle", "at once", "in the end", "sources", "files where kept", "steps"]


def main(words: Sequence[str] | None = None) -> int:
    """Ask, print, write."""
    args = arguments().parse_args(words)
    memory.keep_freed()
    compilation.enable_compilation_cache()
    try:
        args.strength = make(args.method, strength=args.strength).recorded()["strength"]
        paths, loaded = photos_of(args), load_all(split_names(args.classifiers))
        runs: list[Asked] = []
        for oracle in loaded:
            others = [each for each in loaded if each is not oracle]
            for sources in combinations(others, args.number):
                with tempfile.TemporaryDirectory() as folder:
                    asked = LabelsAlone(oracle) if args.answers == "labels" else oracle
                    runs.append(ask(args, paths, asked, sources, Path(folder)))
                print("  ".join(line_of(runs[-1:], title_of(runs[-1]))), flush=True)
                if args.json:  # after each: they take long
                    record(args, paths, [each.name for each in loaded], runs)
        body = [line_of([run], title_of(run)) for run in runs]
        print(table(HEAD, [*body, line_of(runs, "all")]))
    except JaxanonError as error:
        print(f"ask_oracles.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
