"""The methods that `ablate_transfer.py` compares."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from jaxanon.adaptation.settings import Settings, preset
from jaxanon.errors import UsageError

BASE_TRANSFORMS = "zoom:0.25,flip"
ADAM = {"rule": "adam", "momentum": 0.9}
MORE_ZOOM = {**ADAM, "transforms": "zoom:0.5,flip:0.5"}
TO_4_LOGITS = {"rule": "dual_averaging", "transform_confidence": 4.0}
MINIMISED_TO_10 = {"minimise": True, "minimise_confidence": 10.0}
SIGNS = {"rule": "sign", "step_size": 2.0, "transforms": "zoom:0.25,flip:0.5"}
"""What the preset `transfer` was before it averaged; most other rows change it."""
ROWS: dict[str, dict[str, Any]] = {
    "fast": {"preset": "fast"},
    "balanced": {"preset": "balanced"},
    "transfer": {"preset": "transfer"},
    "signs": {},
    "signs, 10 steps": {"steps": 10, "step_size": 4.0},
    "signs, 25 steps": {"steps": 25},
    "signs, 20 steps of 3": {"steps": 20, "step_size": 3.0},
    "signs, 30 steps": {"steps": 30},
    "signs, 30 steps of 3": {"steps": 30, "step_size": 3.0},
    "signs, 30 steps of 4": {"steps": 30, "step_size": 4.0},
    "signs, 40 steps of 3": {"steps": 40, "step_size": 3.0},
    "signs, 50 steps": {"steps": 50},
    "MI alone": {"transforms": "", "confidence": float("inf"), "smoothing": 0.0},
    "DI": {"transforms": "di:0.5"},
    "RDI alone": {"transforms": "resize:0.2", "smoothing": 0.0},
    "resize": {"transforms": "resize:0.2"},
    "resize, flip": {"transforms": "resize:0.2,flip"},
    "zoom": {"transforms": "zoom:0.25"},
    "zoom 0.5, flip": {"transforms": "zoom:0.5,flip"},
    "rotate": {"transforms": f"{BASE_TRANSFORMS},rotate:15"},
    "shift": {"transforms": f"{BASE_TRANSFORMS},shift:0.1"},
    "BSR": {"transforms": f"{BASE_TRANSFORMS},blocks:2"},
    "SI": {"transforms": f"{BASE_TRANSFORMS},scale:5"},
    "Admix": {"transforms": f"{BASE_TRANSFORMS},mix:0.2,scale:5"},
    "local (Everywhere)": {"transforms": f"{BASE_TRANSFORMS},local:4"},
    "colour": {"transforms": f"{BASE_TRANSFORMS},colour:0.2"},
    "noise": {"transforms": f"{BASE_TRANSFORMS},noise:0.05"},
    "jpeg": {"transforms": f"{BASE_TRANSFORMS},jpeg:75"},
    "CFM": {"mixup": 0.1},
    "Nesterov": {"nesterov": True},
    "no TI": {"smoothing": 0.0},
    "TI 3": {"smoothing": 3.0},
    "VT, 25 steps": {"num_neighbors": 3, "steps": 25},
    "4 copies, 25 steps": {"num_copies": 4, "steps": 25},
    "logit": {"loss": "logit"},
    "margin": {"loss": "margin"},
    "soft": {"loss": "soft"},
    "proportional": {"rule": "proportional", "step_size": 3.0},
    "momentum 0.9": {"momentum": 0.9},
    "final 5 %": {"final_fraction": 0.05},
    "no final steps": {"final_fraction": 0.0},
    "patience 2": {"patience": 2},
    "patience 5": {"patience": 5, "confidence": 5.0},
    "mean logits": {"ensemble_mode": "logits"},
    "half of the sources": {"ensemble_mode": "subset"},
    "no momentum, TI 2.5": {"momentum": 0.0, "smoothing": 2.5, "final_fraction": 0.1},
    "no momentum, TI 2.5, 30 steps": {
        "momentum": 0.0,
        "smoothing": 2.5,
        "final_fraction": 0.1,
        "steps": 30,
    },
    "Adam": ADAM,
    "Adam, zoom 0.5, steps of 1": {**MORE_ZOOM, "step_size": 1.0},
    "Adam, zoom 0.5, 30 steps of 1": {**MORE_ZOOM, "steps": 30, "step_size": 1.0},
    "Adam, zoom 0.5, 30 steps of 2": {**MORE_ZOOM, "steps": 30},
    "Adam, bound 20": {**ADAM, "eps": 20, "transforms": BASE_TRANSFORMS},
    "Adam, bound 24": {**ADAM, "eps": 24, "transforms": BASE_TRANSFORMS},
    "Adam, bound 28": {**ADAM, "eps": 28, "transforms": BASE_TRANSFORMS},
    "averaging to 4 logits": TO_4_LOGITS,
    "averaging to 4 logits, zoom 0.5": {**TO_4_LOGITS, "transforms": "zoom:0.5,flip:0.5"},
    "transfer, bound 24": {"preset": "transfer", "eps": 24},
    "transfer, bound 32": {"preset": "transfer", "eps": 32},
    "bound 32 by luma": {"preset": "transfer", "eps": 32, "luma_weight": 0.6},
    "bound 31 by luma": {"preset": "transfer", "eps": 31, "luma_weight": 0.6},
    "bound 30 by luma": {"preset": "transfer", "eps": 30, "luma_weight": 0.6},
    "transfer, drawn": {"preset": "transfer", "ensemble_mode": "drawn"},
    "drawn, 150 steps": {"ensemble_mode": "drawn", "steps": 150},
    "drawn, 100 steps": {"ensemble_mode": "drawn"},
    "minimise to 10 logits": MINIMISED_TO_10,
    "transfer, minimise to 10 logits": {"preset": "transfer", **MINIMISED_TO_10},
    "transfer, minimise": {"preset": "transfer", "minimise": True},
    "bound 24": {"eps": 24},
    "bound 32": {"eps": 32},
}
"""Name of a row -> what it changes of `SIGNS`, or the preset and what is changed of it."""


def settings_of(row: str, seed: int) -> Settings:
    """Settings of the loop under a row and a seed, in float32 on every device."""
    base = {} if "preset" in ROWS[row] else SIGNS
    options = {"preset": "transfer", "precision": "float32", **base, **ROWS[row]}
    return preset(options.pop("preset"), **options, seed=seed)


def recorded(row: str) -> dict[str, object]:
    """Settings of the loop under a row, but for the seed, as they are written to a file."""
    settings = asdict(settings_of(row, 0))
    del settings["seed"]
    if not settings["minimise"]:
        del settings["minimise_confidence"]  # it has no effect
    return {name: "inf" if value == math.inf else value for name, value in settings.items()}


def still_holds(row: str, settings: Mapping[str, object]) -> bool:
    """Whether a row on record was measured with the settings that it has now.

    A setting that is younger than the record had its default's effect then.

    Args:
        row: its name.
        settings: as `recorded` gave them.
    """
    usual = asdict(Settings())
    return row in ROWS and {**usual, **settings} == {**usual, **recorded(row)}


def rows_of(text: str) -> list[str]:
    """Names of the rows in a text such as `fast;transfer`; for `all`, of all for one source.

    Raises:
        UsageError: for a name that is none.
    """
    single = [name for name, changes in ROWS.items() if "ensemble_mode" not in changes]
    names = single if text == "all" else [name.strip() for name in text.split(";")]
    if set(names) - set(ROWS):
        raise UsageError(f"--rows: {sorted(set(names) - set(ROWS))}; choose from {list(ROWS)}")
    return names
