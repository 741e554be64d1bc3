"""Targeted attacks of torchattacks and foolbox on one of our classifiers, with the same weights."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import torch
from attack_rows import EPS, Attack
from compare_with_timm import timm_filled
from torch_peers import DEVICE, constants, to_batch, to_levels

from jaxanon.classifiers import registry
from jaxanon.classifiers.config import Config
from jaxanon.classifiers.finding import find_weights


class Victim(torch.nn.Module):
    """A frozen classifier as the peers take it: pixels in [0, 1] in, logits out.

    Args:
        name: of the classifier, with `@PATH` or not.
        config: its preprocessing and number of classes.

    Attributes:
        gradients: forward passes that a gradient was taken of, so far.
    """

    def __init__(self, name: str, config: Config) -> None:
        super().__init__()
        plain, _, path = name.partition("@")
        file = find_weights(registry.find(name), plain, path or None).file
        model = timm_filled(name, file, config.num_classes)
        self.model = model.to(DEVICE, memory_format=torch.channels_last)
        self.mean, self.std = constants(config)
        self.gradients = 0
        self.eval()

    def forward(self, images: Any) -> Any:
        """Logits `(n, classes)` of images `(n, 3, size, size)`."""
        self.gradients += images.requires_grad
        return self.model((images - self.mean) / self.std)


class Result(NamedTuple):
    """What an attack made of a batch.

    Attributes:
        images: `(size, size, 3)` uint8 each.
        steps: steps made.
        gradients: gradients taken of each image.
    """

    images: list[np.ndarray]
    steps: int
    gradients: int


def run_attack(
    attack: Attack, victim: Victim, views: list[np.ndarray], wanted: np.ndarray
) -> Result:
    """Change views until the classifier decides as wanted, as far as the attack gets.

    Args:
        attack: which one.
        victim: the classifier.
        views: what it sees of the anonymized images, `(size, size, 3)` uint8 each.
        wanted: `(images,)` int, its decisions on the originals.
    """
    torch.manual_seed(0)
    pixels, labels = to_batch(views), torch.tensor(wanted, device=DEVICE)
    options = {} if attack.steps is None else {"steps": attack.steps}
    victim.gradients = 0
    if attack.package == "foolbox":
        foolbox = import_module("foolbox")
        made = getattr(foolbox.attacks, attack.kind)(**options)
        model = foolbox.PyTorchModel(victim, bounds=(0, 1), device=DEVICE)
        goal = foolbox.criteria.TargetedMisclassification(labels)
        _, images, _ = made(model, pixels, goal, epsilons=EPS / 255)
    else:
        made = getattr(import_module("torchattacks"), attack.kind)(victim, eps=EPS / 255, **options)
        made.set_mode_targeted_by_label(quiet=True)
        images = made(pixels, labels)
    return Result(to_levels(images.detach()), made.steps, victim.gradients)
