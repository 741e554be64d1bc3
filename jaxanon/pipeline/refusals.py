"""What a run asks of its classifiers and options before anything is compiled, or refuses."""

from __future__ import annotations

from collections.abc import Sequence

from jaxanon.adaptation.settings import Settings
from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.labels import class_number
from jaxanon.errors import UsageError
from jaxanon.pipeline.cap import Cap


def refuse_idle_queries(settings: Settings, oracles: Sequence[str]) -> None:
    """Refuse queries without oracles, oracles without queries, and oracles of an attack.

    Raises:
        UsageError: naming the options.
    """
    if bool(settings.queries) != bool(oracles):
        raise UsageError(
            f"--queries {settings.queries} with {len(oracles)} --oracles: give both, or none"
        )
    if oracles and settings.goal != "keep":
        raise UsageError("--oracles: their decisions can only be kept, not attacked")


def refuse_judges(cap: Cap | None, targets: Sequence[Classifier]) -> None:
    """Refuse targets as judges whose logits tell no images apart: two always correlate whole.

    Raises:
        UsageError: naming the classifier.
    """
    if cap is not None and cap.judge == "targets":
        for classifier in targets:
            if classifier.config.num_classes < 3:
                raise UsageError(
                    f"--judge targets: {classifier.name} has two classes, too few to compare by; "
                    "give other --targets, or --judge faces"
                )


def target_classes(
    target_class: str | int | None, sources: Sequence[Classifier]
) -> list[int] | None:
    """Each source's number of the class that all are to see; None where they are to see none.

    Raises:
        UsageError: naming the first source that does not have it.
    """
    if target_class is None:
        return None
    numbers = []
    for classifier in sources:
        try:
            numbers.append(class_number(classifier.config, target_class))
        except UsageError as error:
            raise UsageError(f"--target-class: {classifier.name}: {error}") from error
    return numbers
