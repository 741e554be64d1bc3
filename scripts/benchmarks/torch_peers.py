"""What a user of PyTorch would run: the same classifiers, images and update rule.

Everything but the classifiers and the loop is ours: the same anonymized images go in, and the same
encoder writes the files, in the same pool of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from compare_with_timm import timm_filled, timm_model
from torch.nn.functional import cross_entropy, interpolate

from jaxanon.adaptation.settings import Settings
from jaxanon.anonymizers import anonymize
from jaxanon.classifiers import registry
from jaxanon.classifiers.config import Config
from jaxanon.classifiers.preprocessing import crop_start, look, resized
from jaxanon.io.images import encode, read_image

FIXED = 10
"""Steps of the loop that does not look: foolbox's default for the basic iterative method."""
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
Pixels = Sequence[np.ndarray]
if DEVICE == "cuda":  # TF32, as our gradients on GPUs
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True


def model_of(name: str) -> Any:
    """Timm's model, channels last, frozen; with the installed weights, or drawn ones."""
    entry = registry.find(name)
    if entry.installed is None:
        model, _ = timm_model(entry.architecture)
    else:
        model = timm_filled(name, entry.installed)
    return model.to(DEVICE, memory_format=torch.channels_last)


def constants(config: Config) -> tuple[Any, Any]:
    """Mean and standard deviation, to be broadcast over images."""
    mean, std = (torch.tensor(v, device=DEVICE).view(1, 3, 1, 1) for v in (config.mean, config.std))
    return mean, std


def gradient_step(
    models: Sequence[Any],
    configs: Sequence[Config],
    made: Sequence[tuple[np.ndarray, np.ndarray]],
    precision: str,
) -> Callable[[], Any]:
    """A call that gives the gradients of the summed cross-entropies by each classifier's pixels."""
    torch.backends.cudnn.benchmark = True  # the fastest convolutions, for batches of one size
    fixed = [constants(config) for config in configs]
    base = [
        torch.tensor(pixels, device=DEVICE)
        .permute(0, 3, 1, 2)
        .contiguous(memory_format=torch.channels_last)
        for pixels, _ in made
    ]
    wanted = [torch.tensor(labels, device=DEVICE) for _, labels in made]

    def step() -> Any:
        images = [pixels.clone().requires_grad_(True) for pixels in base]
        reduced = precision != "float32"
        with torch.autocast(DEVICE, torch.bfloat16, enabled=reduced):
            total = sum(
                cross_entropy(model((image - mean) / std).float(), label, reduction="sum")
                for model, image, label, (mean, std) in zip(
                    models, images, wanted, fixed, strict=True
                )
            )
        total.backward()
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        return [image.grad for image in images]

    return step


def view(images: Any, config: Config) -> Any:
    """Timm's preprocessing of images of one size, differentiable: resize, crop, normalise."""
    height, width = resized(images.shape[2], images.shape[3], config.resize)
    small = interpolate(
        images, (height, width), mode=config.interpolation, antialias=True, align_corners=False
    )
    size = config.input_size
    top, left = crop_start(height, size), crop_start(width, size)
    mean, std = constants(config)
    seen = (small[:, :, top : top + size, left : left + size] - mean) / std
    return seen.contiguous(memory_format=torch.channels_last)


class Judge:
    """Decisions of PyTorch's classifiers through Pillow's preprocessing, on arrays of pixels."""

    def __init__(self, models: Sequence[Any], configs: Sequence[Config], batch: int) -> None:
        torch.backends.cudnn.benchmark = False  # batches of many sizes would each be tried
        self.models, self.configs, self.batch = models, configs, batch
        self._threads = ThreadPoolExecutor()

    def decide(self, images: Pixels) -> np.ndarray:
        """`(classifiers, images)` int."""
        rows = []
        for model, config in zip(self.models, self.configs, strict=True):
            mean, std = constants(config)
            row = []
            for start in range(0, len(images), self.batch):
                part = images[start:][: self.batch]
                seen = np.stack(list(self._threads.map(partial(look, config=config), part)))
                pixels = torch.tensor(seen, device=DEVICE).permute(0, 3, 1, 2) / 255
                pixels = pixels.contiguous(memory_format=torch.channels_last)
                with torch.inference_mode():
                    row.append(model((pixels - mean) / std).argmax(1).cpu().numpy())
            rows.append(np.concatenate(row))
        return np.stack(rows)


def to_batch(images: Pixels) -> Any:
    """Pixels in [0, 1], `(n, 3, h, w)`."""
    stacked = torch.tensor(np.stack(images), device=DEVICE)
    return (stacked.permute(0, 3, 1, 2) / 255).contiguous(memory_format=torch.channels_last)


def to_levels(images: Any) -> list[np.ndarray]:
    """Back to uint8 arrays."""
    return list((images * 255).round().permute(0, 2, 3, 1).to(torch.uint8).cpu().numpy())


class Manner(NamedTuple):
    """How a fixed batch is worked on.

    Attributes:
        drop: leave out finished images, as they finish.
        fixed: make so many steps with all images, whatever they have reached; None stops an image
            once its sources are confident.
    """

    drop: bool = False
    fixed: int | None = None


def summed_loss(
    judge: Judge, images: Any, labels: Any, confidence: float, manner: Manner
) -> tuple[Any, Any]:
    """The sum of all losses, and on which images every source is confident.

    Args:
        judge: the classifiers.
        images: `(n, 3, side, side)` in [0, 1].
        labels: `(sources, n)`, the decisions wanted.
        confidence: logits by which each source has to prefer its decision.
        manner: with fixed steps, confident sources still count.
    """
    total = torch.zeros((), device=DEVICE)
    confident = torch.ones(len(images), dtype=torch.bool, device=DEVICE)
    for model, config, label in zip(judge.models, judge.configs, labels, strict=True):
        logits = model(view(images, config)).float()
        others = logits.scatter(1, label[:, None], -torch.inf).amax(1)
        ahead = logits.gather(1, label[:, None])[:, 0] - others >= confidence
        losses = cross_entropy(logits, label, reduction="none")
        if manner.fixed is None:
            losses = losses.masked_fill(ahead, 0)
        total = total + losses.sum()
        confident &= ahead
    return total, confident


def normalised_gradient(total: Any, images: Any) -> Any:
    """Gradient of a loss by the images, of Euclidean norm one for each."""
    total.backward()
    gradient = images.grad
    assert gradient is not None
    return gradient / gradient.flatten(1).norm(dim=1).clamp(min=1e-20).view(-1, 1, 1, 1)


def adapt(
    judge: Judge,
    anonymized: Pixels,
    wanted: np.ndarray,
    settings: Settings,
    starts: list[np.ndarray] | None,
    confidence: float,
    manner: Manner,
) -> tuple[list[np.ndarray], list[int]]:
    """Our update rule on a fixed batch, until all sources are confident on all images.

    Args:
        judge: the classifiers.
        anonymized: images of one size.
        wanted: `(sources, images)`, the decisions wanted.
        settings: bound, steps, momentum.
        starts: the images to begin with, if not `anonymized`.
        confidence: logits by which each source has to prefer its decision.
        manner: which images are worked on, and for how long.

    Returns:
        The images, and the steps that each took.
    """
    base = to_batch(anonymized)
    now = base.clone() if starts is None else to_batch(starts)
    labels = torch.tensor(wanted, device=DEVICE)
    low = (base - settings.eps / 255).clamp(min=0)
    high = (base + settings.eps / 255).clamp(max=1)
    momentum = torch.zeros_like(base)
    steps = np.zeros(len(anonymized), int)
    active = np.arange(len(anonymized))
    for count in range(settings.steps + 1):
        at = torch.tensor(active, device=DEVICE)
        images = now[at].clone().requires_grad_(True)
        total, confident = summed_loss(judge, images, labels[:, at], confidence, manner)
        going = ~confident.cpu().numpy() & (steps[active] < settings.steps)
        if manner.fixed is not None:
            going = np.full(len(active), count < manner.fixed)
        if not going.any():
            break
        gradient = normalised_gradient(total, images)
        moving = torch.tensor(going, device=DEVICE).view(-1, 1, 1, 1)
        momentum[at] = torch.where(
            moving, settings.momentum * momentum[at] + gradient, momentum[at]
        )
        moved = now[at] - settings.step_size / 255 * momentum[at].sign()
        now[at] = torch.where(moving, moved.clamp(low[at], high[at]), now[at])
        steps[active[going]] += 1
        if manner.drop:
            active = active[going]
    return to_levels(now), steps.tolist()


def blurred(original: np.ndarray) -> np.ndarray:
    """The anonymizer of the comparison."""
    return anonymize(original, "blur")


def batches(
    judge: Judge, paths: Sequence[Path], threads: ThreadPoolExecutor
) -> Iterator[tuple[list[Path], list[np.ndarray], np.ndarray]]:
    """Files, their anonymized images and the reference decisions; the anonymized are judged too."""
    for start in range(0, len(paths), judge.batch):
        part = list(paths[start : start + judge.batch])
        originals = list(threads.map(read_image, part))
        anonymized = list(threads.map(blurred, originals))
        wanted = judge.decide(originals)
        judge.decide(anonymized)
        yield part, anonymized, wanted


def run(
    judge: Judge,
    paths: Sequence[Path],
    out: Path,
    settings: Settings,
    *,
    drop: bool = False,
    fixed: int | None = None,
) -> dict[str, Any]:
    """Files to verified files, batch by batch; what fails is put back with a larger margin."""
    out.mkdir(parents=True, exist_ok=True)
    kept, steps = 0, []
    with ThreadPoolExecutor() as threads:
        for part, anonymized, wanted in batches(judge, paths, threads):
            made: dict[int, np.ndarray] = {}
            spent = dict.fromkeys(range(len(part)), 0)
            todo = list(range(len(part)))
            for round_ in range(settings.max_retries + 1):
                images, took = adapt(
                    judge,
                    [anonymized[i] for i in todo],
                    wanted[:, todo],
                    settings,
                    [made[i] for i in todo] if round_ else None,
                    settings.confidence + settings.confidence_step * round_,
                    Manner(drop, fixed),
                )
                for i, image, count in zip(todo, images, took, strict=True):
                    made[i] = image
                    spent[i] += count
                fine = saved_well(judge, part, made, wanted, todo, out, threads)
                todo = [i for i in todo if not fine[i]]
                if not todo:
                    break
            kept += len(part) - len(todo)
            steps += list(spent.values())
    return {"kept": kept, "steps": float(np.mean(steps))}


def saved_well(
    judge: Judge,
    part: Sequence[Path],
    made: dict[int, np.ndarray],
    wanted: np.ndarray,
    todo: Sequence[int],
    out: Path,
    threads: ThreadPoolExecutor,
) -> dict[int, bool]:
    """Save images as PNG, read them back, and ask every source."""

    def save(i: int) -> np.ndarray:
        place = out / f"{part[i].stem}.png"
        place.write_bytes(encode(made[i], "png"))
        return read_image(place)

    decided = judge.decide(list(threads.map(save, todo)))
    right = (decided == wanted[:, todo]).all(0)
    return dict(zip(todo, right.tolist(), strict=True))


class Joint(torch.nn.Module):
    """The sources as one classifier, whose class 0 is that every source decides as wanted.

    Foolbox knows one model and one class per image. Each source's log-probabilities are turned so
    that its own reference decision comes first, and summed.
    """

    def __init__(self, judge: Judge) -> None:
        super().__init__()
        self.judge = judge
        self.wanted = torch.zeros(0, dtype=torch.long)

    def forward(self, images: Any) -> Any:
        """Summed log-probabilities, `(n, classes)`."""
        total: Any = 0
        for model, config, label in zip(
            self.judge.models, self.judge.configs, self.wanted, strict=True
        ):
            odds = model(view(images, config)).log_softmax(1)
            order = (torch.arange(odds.shape[1], device=DEVICE) + label[:, None]) % odds.shape[1]
            total = total + odds.gather(1, order)
        return total


def run_foolbox(
    judge: Judge,
    paths: Sequence[Path],
    out: Path,
    settings: Settings,
) -> dict[str, Any]:
    """The same with foolbox's targeted PGD under the largest norm, its default 40 steps."""
    import foolbox

    out.mkdir(parents=True, exist_ok=True)
    joint = Joint(judge).eval()
    wrapped = foolbox.PyTorchModel(joint, bounds=(0, 1), device=DEVICE)
    attack = foolbox.attacks.LinfPGD()
    kept = 0
    with ThreadPoolExecutor() as threads:
        for part, anonymized, wanted in batches(judge, paths, threads):
            joint.wanted = torch.tensor(wanted, device=DEVICE)
            first = torch.zeros(len(part), dtype=torch.long, device=DEVICE)
            goal = foolbox.criteria.TargetedMisclassification(first)
            _, images, _ = attack(wrapped, to_batch(anonymized), goal, epsilons=settings.eps / 255)
            made = dict(enumerate(to_levels(images)))
            fine = saved_well(judge, part, made, wanted, range(len(part)), out, threads)
            kept += sum(fine.values())
    return {"kept": kept, "steps": 40.0}
