"""The two shares that every table shows."""

from __future__ import annotations

import numpy as np


def concordance(reference: np.ndarray, decisions: np.ndarray) -> float | None:
    """Share of images on which the decision is the reference; None without images."""
    return float((decisions == reference).mean()) if reference.size else None


def repair_rate(reference: np.ndarray, anonymized: np.ndarray, adapted: np.ndarray) -> float | None:
    """Concordance among the images alone whose decision the anonymizer had changed, or None."""
    lost = anonymized != reference
    return concordance(reference[lost], adapted[lost])
