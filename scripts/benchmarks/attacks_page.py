"""The figures of `compare_attacks.py` as tables.

All of them, as Markdown:

    PYTHONPATH=scripts/experiments python scripts/benchmarks/attacks_page.py \
        docs/benchmarks/attacks.json
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from ablation_report import Table
from ablation_results import short
from attack_results import (
    Comparison,
    best_of_ours,
    best_peer,
    equal,
    fixed_and_per_gradient,
    gap,
    gradients_per_image,
    measured,
    photos_in,
    ratios,
    rounds_of,
    rows_of,
    seconds_per_image,
    share_of,
    source_keeps,
    targets_of,
)
from attack_rows import BASE, PEERS

from jaxanon.display.tables import table
from jaxanon.metrics import Interval


def with_interval(found: Interval | None) -> str:
    """A mean in percent with its interval; a dash where there is none."""
    return "-" if found is None else f"{found.mean:.1f} ({found.low:.0f}-{found.high:.0f})"


def with_spread(values: np.ndarray) -> str:
    """The median of rounds, with the least and the most."""
    return f"{np.median(values):.2f} ({values.min():.2f}-{values.max():.2f})"


def in_percent(share: float | None) -> str:
    """A share in percent; a dash where there is none."""
    return "-" if share is None else f"{share:.0f}"


def called(row: str) -> str:
    """A row's name with its package."""
    return f"{PEERS[row].package} {row}" if row in PEERS else f"jaxanon `{row}`"


def kept(result: Comparison) -> Table:
    """Head and body of the table of what sources and targets keep, in percent."""
    body = []
    for row in rows_of(result):
        rounds = rounds_of(result, row)
        made = [each for _, each in measured(rounds, row)]
        larger = [each["enlarged_psnr"] for each in made if each["enlarged_psnr"] is not None]
        body.append(
            [
                called(row),
                str(photos_in(rounds)),
                f"{source_keeps(rounds, row):.0f}",
                f"**{with_interval(targets_of(rounds, row, 'kept'))}**",
                *(
                    in_percent(share_of(rounds, name, [each["kept"] for each in made]))
                    for name in result["classifiers"]
                ),
                f"{np.mean([each['psnr'] for each in made]):.1f}",
                with_interval(targets_of(rounds, row, "enlarged")),
                f"{np.mean(larger):.1f}" if larger else "-",
            ]
        )
    head = ["row", "photos", "source", "targets", *map(short, result["classifiers"])]
    return [*head, "PSNR", "targets, as a photo", "its PSNR"], body


def costs(result: Comparison) -> Table:
    """Head and body of the table of what an image costs."""
    body = []
    for row in rows_of(result):
        rounds, beside = rounds_of(result, row), rounds_of(result, row, BASE)
        gradients = gradients_per_image(rounds, row)
        seconds = seconds_per_image(rounds, row, "cpu_seconds")
        body.append(
            [
                called(row),
                f"{np.mean([made['steps'] for _, made in measured(rounds, row)]):.0f}",
                f"{gradients:.0f}",
                f"{seconds:.2f}",
                f"{1000 * seconds / gradients:.0f}",
                f"{1 / seconds:.3f}",
                f"{1 / seconds_per_image(rounds, row, 'seconds'):.3f}",
                with_spread(ratios(beside, row, BASE, "cpu_seconds")) if beside else "-",
                with_spread(ratios(beside, row, BASE, "seconds")) if beside else "-",
                f"{np.mean(result['cold'][row]):.0f}",
            ]
        )
    head = ["row", "steps", "gradients", "core-s per image", "core-ms per gradient"]
    head += ["images per core-s", "images/s", f"core time over `{BASE}`'s", "wall time over it"]
    head.append("first call, s")
    told = [i for i, cells in enumerate(zip(*body, strict=True)) if set(cells) != {"-"}]
    return [head[i] for i in told], [[row[i] for i in told] for row in body]


def at_equal_concordance(result: Comparison) -> Table:
    """Head and body of the table of our fastest row that keeps what a peer's does."""
    body, best = [], best_peer(result)
    for row in (name for name in rows_of(result) if name in PEERS):
        ours = equal(result, row)
        rounds = rounds_of(result, row, *([ours] if ours else []))
        cells = [called(row), with_interval(targets_of(rounds, row, "kept"))]
        if ours:
            cells += [
                f"`{ours}`",
                with_interval(targets_of(rounds, ours, "kept")),
                with_spread(ratios(rounds, row, ours, "cpu_seconds")),
                with_spread(ratios(rounds, row, ours, "seconds")),
            ]
        cells += ["-"] * (6 - len(cells))
        body.append([f"**{cell}**" for cell in cells] if row == best else cells)
    head = ["peer", "its targets", "our fastest row that keeps as much", "our targets"]
    return [*head, "peer's core time over ours", "wall time"], body


def ceilings(result: Comparison) -> Table:
    """Head and body of the table of what bounds each target, and what it keeps unadapted."""
    rounds = result["rounds"]
    body = [
        [
            short(name),
            in_percent(share_of(rounds, name, [each["agree"] for each in rounds])),
            in_percent(share_of(rounds, name, [each["anonymized"] for each in rounds])),
        ]
        for name in result["classifiers"]
    ]
    return ["target", "ceiling", "anonymized"], body


def beside_the_loop(result: Comparison) -> Table:
    """Head and body of the table of what our run does beside the loop, in seconds per image."""
    rounds = rounds_of(result, BASE)
    host = [made["host_seconds"] or {} for _, made in measured(rounds, BASE)]
    stages = [stage for stage in host[0] if stage != "compile"]
    photos = photos_in(rounds)
    body = [[s, f"{sum(each[s] for each in host) / photos:.3f}"] for s in stages]
    whole = seconds_per_image(rounds, BASE, "seconds")
    return [f"`{BASE}`", "s per image"], [*body, ["the whole run", f"{whole:.3f}"]]


def title_of(result: Comparison) -> str:
    """What was measured, in one line."""
    counts = Counter(each["source"] for each in result["rounds"])
    names = ", ".join(f"{short(name)} ({counts[name]})" for name in result["classifiers"])
    return (
        f"{result['method']} {result['strength']:g}, {photos_in(result['rounds'])} photos, "
        f"{len(result['rounds'][0]['photos'])} in a round; rounds with each source: {names}."
    )


def headline(result: Comparison) -> str:
    """The best peer beside our row that keeps as much, or else our best, in one line."""
    peer = best_peer(result)
    if peer is None:
        return ""
    enough = equal(result, peer)
    ours = enough or best_of_ours(rounds_of(result, peer))
    rounds = rounds_of(result, peer, ours)
    theirs, mine = (with_interval(targets_of(rounds, row, "kept")) for row in (peer, ours))
    points = gap(rounds, ours, peer)
    said = "keeps as much" if enough else "keeps most of ours, and less"
    return (
        f"**{called(peer)} keeps most of the peers, {theirs} %. `{ours}` {said}: {mine} %, by "
        f"photo {points.mean:+.1f} ({points.low:+.0f} to {points.high:+.0f}) points. The peer's "
        f"core time over ours: {with_spread(ratios(rounds, peer, ours, 'cpu_seconds'))}.**"
    )


def cost_of(result: Comparison) -> str:
    """What our costs are made of, in one line; empty where too few rows tell."""
    found = fixed_and_per_gradient(result)
    if found is None:
        return ""
    fixed, slope = found
    return (
        f"By the line through our rows an image costs us {fixed:.2f} core-s, whatever is done, and "
        f"{1000 * slope:.0f} core-ms for each gradient."
    )


def versions_of(result: Comparison) -> str:
    """What it was measured with, in one line."""
    packages = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    tags = ", ".join(f"`{name}`" for name in result["classifiers"])
    return f"Measured on {result['device']}, with {packages} and the weights {tags}."


def show(result: Comparison, *, markdown: bool = False) -> str:
    """All tables of a comparison."""
    parts = [title_of(result), "", headline(result)]
    for made in (kept, ceilings, at_equal_concordance, costs):
        parts += ["", table(*made(result), markdown=markdown)]
    if rounds_of(result, BASE):
        parts += ["", cost_of(result), "", table(*beside_the_loop(result), markdown=markdown)]
    return "\n".join([*parts, "", versions_of(result)])


def report(results: Mapping[str, Comparison]) -> str:
    """All comparisons in Markdown."""
    return "\n\n".join(show(result, markdown=True) for result in results.values())


if __name__ == "__main__":
    print(report(json.loads(Path(sys.argv[1]).read_text())))
