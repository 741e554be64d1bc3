"""Loading a classifier by its name: find its weights, convert them, keep the result."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from flax import nnx

from jaxanon.classifiers import registry
from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.classifiers.finding import WeightsFile, find_weights, missing, repository_of
from jaxanon.classifiers.registry import Entry, find
from jaxanon.classifiers.weights import hub
from jaxanon.classifiers.weights.cache import CachedParameters
from jaxanon.classifiers.weights.checkpoint import read_state_dict
from jaxanon.classifiers.weights.naming import TIMM, Translation, agreement, translate
from jaxanon.classifiers.weights.port import MisfitError, expected, port
from jaxanon.classifiers.weights.pth import StateDict
from jaxanon.errors import UsageError, WeightsError, printable
from jaxanon.runtime.arrays import is_many
from jaxanon.runtime.devices import available

log = logging.getLogger(__name__)


def load_classifier(name: str, weights: str | Path | None = None) -> Classifier:
    """Build a classifier and fill it with its weights.

    Args:
        name: `architecture` or `architecture.tag`; `NAME@PATH` is the same as `weights=PATH`.
        weights: a `.safetensors` file or an index of several, a PyTorch file (`.pth`, `.ckpt`,
            ...), a folder in hub layout, or `hf-hub:OWNER/REPOSITORY[@REVISION]`. A `config.json`
            there overrides the table's preprocessing and class count. Default: the installed
            package or the hub's cache, or else the hub.

    Raises:
        UsageError: for an unknown name, or where `JAX_PLATFORMS` names no device that is there.
        WeightsError: when there are no weights, or they do not fit.
    """
    entry = find(name)
    available()  # before the work: says what is wrong where no device can be used
    if weights is None:
        weights = name.partition("@")[2] or None
    if not isinstance(weights, str | Path | None):
        raise UsageError(f"weights is {weights!r}; give the path of a file or folder")
    found = find_weights(entry, name.partition("@")[0], weights)
    place = CachedParameters.for_weights(found.digest, entry.architecture, found.config.input_size)
    facts = place.facts()
    if facts is not None:
        _say(found, facts.notes)
        config = found.with_head(facts.num_classes)
        empty = Classifier.from_model(found.name, config, _build(entry, found, facts.num_classes))
        params = place.load(empty.params, facts)
        if params is not None:
            return replace(empty, params=params)
    classifier, outputs, notes = _port(entry, found)
    _say(found, notes)
    place.save(classifier.params, outputs, notes)
    return classifier


def load_ensemble(names: Sequence[str]) -> Ensemble:
    """Load several classifiers as one ensemble: sources to adapt to, or targets.

    Args:
        names: as for `load_classifier`, at least one, all different.

    Raises:
        UsageError: for an unknown name, one that stands twice, no name, or a text, not a list.
        WeightsError: when there are no weights, or they do not fit.
    """
    if isinstance(names, str):
        raise UsageError(f"names is the text {names!r}; it must be a list: [{names!r}]")
    if not is_many(names):
        raise UsageError(f"names is {names!r}; it must be a list of names")
    return Ensemble([load_classifier(name) for name in names])


def pull(name: str) -> None:
    """Fetch the newest weights of a classifier into the hub's cache.

    Args:
        name: `architecture` or `architecture.tag`, with `@PATH` or not, as for `load_classifier`.
            What is installed or local is left as it is.

    Raises:
        WeightsError: when the weights cannot be fetched and are not cached.
    """
    entry, path = find(name), name.partition("@")[2]
    repository = repository_of(entry, path or None)
    if repository is None:
        return
    try:
        hub.fetch(repository).checked()
    except hub.DamagedError:
        hub.fetch(repository, again=True).checked()
    except hub.MissingError as error:
        if hub.cached(repository) is None:
            raise missing(entry, path or None, error) from error
        log.info("%s: not compared with the hub: %s", entry.name, error)


def _build(entry: Entry, found: WeightsFile, num_classes: int) -> nnx.Module:
    try:
        return entry.build(num_classes, found.config.input_size)
    except ValueError as error:
        raise WeightsError(f"{found.what}: {error}") from error


def _say(found: WeightsFile, notes: Sequence[str]) -> None:
    for note in notes:
        log.info("%s: %s", found.name, note)


def _port(entry: Entry, found: WeightsFile) -> tuple[Classifier, int, list[str]]:
    """The classifier with its file's weights, the outputs of its head, and what is to be said."""
    state = read_state_dict(found.file)
    shapes = expected(_build(entry, found, found.config.num_classes))
    translation = translate(entry.family, entry.architecture, state, shapes)
    if translation.rivals:
        rivals = ", ".join(f"{rival}.*" for rival in translation.rivals)
        raise WeightsError(f"{found.what}: several networks fit: {printable(rivals)}; save one")
    head = translation.stored.get(entry.family.head)
    outputs = state[head].shape[0] if head and state[head].ndim and state[head].size else 0
    config = found.with_head(outputs) if outputs else found.config
    model = _build(entry, found, outputs or found.config.num_classes)
    try:
        port(model, state, found.what, translation)
    except MisfitError as error:
        raise WeightsError(f"{error}{_nearest(entry, state)}") from error
    if head:
        _refuse_one_answer(found, state[head])
    return (
        Classifier.from_model(found.name, config, model),
        outputs,
        _notes(entry, found, state, translation),
    )


def _notes(
    entry: Entry, found: WeightsFile, state: Mapping[str, np.ndarray], translation: Translation
) -> list[str]:
    """What is to be said of weights: which of the file they are, and whose names they have."""
    notes = []
    if isinstance(state, StateDict) and state.note:
        notes.append(state.note)
    if translation.inside:
        inside = f"{translation.inside}."
        others = sum(not key.startswith(inside) for key in state)
        notes.append(f"the network is {printable(inside)}*; {others} other keys are unused")
    if translation.naming is not TIMM and found.file != entry.installed:
        notes.append(f"the file has the key names of {translation.naming.project}")
    return notes


def _refuse_one_answer(found: WeightsFile, head: np.ndarray) -> None:
    """Refuse a head whose decision no image can change: its classes have all the same weights.

    Args:
        found: the file.
        head: weights of the head, outputs first; a single output is weighed against none.

    Raises:
        WeightsError: naming the file.
    """
    other = head[:1] if len(head) > 1 else np.zeros_like(head)
    if (head == other).all():
        raise WeightsError(
            f"{found.what}: its head gives the same answer for every image; was it trained?"
        )


def _nearest(entry: Entry, state: Mapping[str, np.ndarray]) -> str:
    """A line that names the architecture closest to a state dict; empty where that is `entry`."""
    shapes = {key: value.shape for key, value in state.items()}
    best, name = 0.0, entry.architecture
    for other in registry.ENTRIES.values():
        wanted = expected(other.build(other.config.num_classes))
        found = translate(other.family, other.architecture, shapes, wanted)
        share = agreement(found, shapes, wanted)
        if share > best:
            best, name = share, other.architecture
    if name == entry.architecture or best < 0.5:
        return ""
    return f"\nnearest known architecture: {name} ({best:.0%} of the keys agree, shapes too)"
