"""Options of the commands that adapt, besides those of outputs, regions and the loop."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass

from jaxanon.classifiers import registry
from jaxanon.classifiers.outside.naming import is_outside, parse, without_ways
from jaxanon.cli.common import classifiers_named, split_names
from jaxanon.errors import UsageError
from jaxanon.pipeline.cap import Cap


@dataclass(frozen=True)
class ModelOptions:
    """The classifiers of a run.

    Attributes:
        sources: names of those to adapt to, separated by commas.
        targets: names of those to evaluate only, separated by commas; None for none.
        oracles: names of those that are asked, and must keep their decisions too; None for none.
    """

    sources: str
    targets: str | None
    oracles: str | None = None

    @classmethod
    def from_args(cls, args: Namespace) -> ModelOptions:
        """The classifiers of a command line."""
        return cls(args.sources, args.targets, vars(args).get("oracles"))

    def names(self) -> tuple[Sequence[str], Sequence[str]]:
        """The names of the sources, and those of the targets.

        Raises:
            UsageError: when there is no source, or a source is also a target.
        """
        sources, targets = classifiers_named("--sources", self.sources), split_names(self.targets)
        for name in sources:
            if is_outside(name):
                raise UsageError(
                    f"--sources has {name}, of which no gradients are to be had; give it as one of "
                    "--targets"
                )
        asked = split_names(self.oracles)
        if again := {*asked} & {*sources, *targets}:
            raise UsageError(
                f"--oracles has {', '.join(sorted(again))}, which is among --sources or --targets; "
                "name it once"
            )
        inside = [name for name in (*targets, *asked) if not is_outside(name)]
        found = [{registry.find(name).name for name in group} for group in (sources, inside)]
        twice = found[0] & found[1]
        if twice and not any("@" in name for name in (*sources, *targets)):
            raise UsageError(
                f"--targets has {', '.join(sorted(twice))}, which is among --sources "
                f"{self.sources}; a target is never adapted to: name other targets, or give "
                "--sources without it"
            )
        return sources, targets

    def recorded(self) -> dict[str, object]:
        """What report and journal say of the classifiers: all that the results depend on."""
        return {
            "sources": self.sources,
            "targets": _without_ways(self.targets),
            "oracles": _without_ways(self.oracles),
        }

    def files(self) -> list[str]:
        """Where weights are read from that were named with `NAME@PATH`, and files of others."""
        names = split_names(f"{self.sources},{self.targets or ''},{self.oracles or ''}")
        others = [file for name in names if is_outside(name) for file in parse(name).files()]
        inside = [name for name in names if not is_outside(name)]
        return [*(name.partition("@")[2] for name in inside if "@" in name), *others]


def _without_ways(names: str | None) -> str | None:
    """Names separated by commas, without the options by which a resumed run may differ."""
    if names is None:
        return None
    listed = names.split(",")
    return ",".join(without_ways(each) if is_outside(each.strip()) else each for each in listed)


@dataclass(frozen=True)
class CapOptions:
    """How similar a saved image may be to its original.

    Attributes:
        limit: the highest similarity that it may have, -1 to 1; None for no bound.
        judge: what computes it, `targets` or `faces`; None for what suits the regions.
    """

    limit: float | None
    judge: str | None

    @classmethod
    def from_args(cls, args: Namespace) -> CapOptions:
        """The bound that a command line asks for."""
        return cls(args.cap, args.judge)

    def cap(self, regions: str, num_sources: int, num_targets: int) -> Cap | None:
        """The bound and its judge, or None.

        Args:
            regions: value of `--regions`.
            num_sources: number of classifiers that are adapted to.
            num_targets: number of those that are evaluated only.

        Raises:
            UsageError: for a limit out of range, or a judge that cannot judge.
        """
        if self.limit is None:
            return None
        judge = self.judge or ("faces" if regions == "faces" else "targets")
        if self.judge is None and judge == "targets" and not num_targets:
            raise UsageError(
                "--cap needs --targets (classifiers not among the sources), or --regions faces"
            )
        return Cap(self.limit, judge, num_sources, num_targets)

    def recorded(self) -> dict[str, object]:
        """What report and journal say of the bound: nothing where there is none."""
        return {} if self.limit is None else {"cap": self.limit, "judge": self.judge}
