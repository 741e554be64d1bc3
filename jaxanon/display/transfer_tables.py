"""What `jaxanon transfer` prints."""

from __future__ import annotations

from collections.abc import Sequence

from jaxanon.display.tables import counted, decision, table
from jaxanon.evaluation.mistakes import Mistakes, MistakesRow
from jaxanon.evaluation.report import TransferReport
from jaxanon.evaluation.transfer import Robustness, Stage
from jaxanon.metrics import percent


def transfer(report: TransferReport) -> str:
    """The report of `jaxanon transfer`: its tables, and how many images were compared."""
    kind = "adapted" if report.rows[0].anonymized is None else "anonymized"
    first = report.sources[0]
    parts = [
        _transfer_rows(report),
        *decision(report.keep),
        f"same change: share of the adapted images with the mistake that {first} makes on "
        f"the {kind} image; different: with another mistake",
        *_ceilings(report),
    ]
    if report.under:
        parts.append(f"\n{_robustness(report.under)}")
    if report.mistakes is not None:
        parts += ["", _shared_mistakes(report.mistakes, kind, first)]
    parts.append(f"{counted(report.images, 'image')} compared, {len(report.failed)} failed")
    return "\n".join(parts)


def _transfer_rows(report: TransferReport) -> str:
    roles = dict.fromkeys(report.oracles, " (oracle)") | dict.fromkeys(report.sources, " (source)")
    head = ["classifier", "anonymized", "adapted", "ceiling", "of ceiling", "repaired"]
    head += ["same change", "different"]
    body = [
        [
            row.name + roles.get(row.name, ""),
            percent(row.anonymized.kept if row.anonymized else None),
            percent(row.adapted.kept),
            percent(row.ceiling.agreement if row.ceiling else None),
            percent(row.reached),
            percent(row.repair),
            percent(row.adapted.same),
            percent(row.adapted.different),
        ]
        for row in report.rows
    ]
    return table(head, body)


def _ceilings(report: TransferReport) -> list[str]:
    """What the ceiling is, and what is kept above it."""
    found = [(row.name, row.ceiling) for row in report.rows if row.ceiling]
    if not found:
        return []
    return [
        f"ceiling: share of the originals on which the classifier decides as "
        f"{' or '.join([*report.sources, *report.oracles])}",
        *(
            f"where they do not ({counted(ceiling.disagreeing, 'image')}), {name} keeps "
            f"{percent(ceiling.kept_disagreeing)}, elsewhere {percent(ceiling.kept_agreeing)}"
            for name, ceiling in found
            if ceiling.disagreeing
        ),
    ]


def _robustness(under: Robustness) -> str:
    """Concordance under changes, by classifier and stage."""
    stages: tuple[Stage, ...] = ("original", "anonymized", "adapted")
    body = [
        [change, name, *(percent(shares.get(stage)) for stage in stages)]
        for change, classifiers in under.items()
        for name, shares in classifiers.items()
    ]
    return table(["under", "classifier", *stages], body, left=["under", "classifier"])


def _shared_mistakes(mistakes: Mistakes, kind: str, source: str) -> str:
    """How many images fool the source, and what each classifier decides on these."""
    if not mistakes.images:
        return f"no {kind} image fools {source}, so there are no mistakes to compare"
    fooling = counted(mistakes.images, f"{kind} image")
    fool = "fools" if mistakes.images == 1 else "fool"
    return f"{fooling} {fool} {source}; decisions on these:\n{_mistakes(mistakes.rows)}"


def _mistakes(rows: Sequence[MistakesRow]) -> str:
    """Three definitions of transfer side by side, and what they say of the images before."""
    head = ["classifier", "images", "non-targeted", "targeted", "unfooled", "different", "same"]
    body = []
    for row in rows:
        for name, kind, split in ((row.name, "result", row.split), ("", "baseline", row.baseline)):
            class_aware = [split.unfooled, split.different, split.same]
            shares = [split.non_targeted, split.targeted, *class_aware]
            body.append([name, kind, *map(percent, shares)])
    return table(head, body, left=head[:2])
