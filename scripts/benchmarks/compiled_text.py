"""What the text of a compiled program says: launches, bytes, products, layouts, collectives."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

FREE = {"parameter", "get-tuple-element", "tuple", "bitcast", "constant", "after-all"}
"""Instructions that nothing is launched for."""
COLLECTIVES = ("all-", "collective-", "reduce-scatter", "send", "recv")
AHEAD = ("copy-start", "slice-start", "dynamic-slice-start")
"""Copies that go on beside other kernels of a TPU, to and from its vector memory, kind `ahead`."""
LAYOUTS = ("transpose", "copy")
"""Kinds of kernels that change a layout alone."""


@dataclass
class Kernels:
    """The kernels of a program, by kind.

    Attributes:
        launches: kind -> how many.
        bytes: kind -> bytes that they read and write, each operand counted whole.
        cycles: cycles that XLA's TPU compiler expects; 0 for other targets.
    """

    launches: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    cycles: int = 0

    def total(self, prefixes: tuple[str, ...]) -> int:
        """How many kernels are of kinds that begin so."""
        return sum(count for kind, count in self.launches.items() if kind.startswith(prefixes))


def size_of(shapes: str) -> int:
    """Bytes of the arrays in a shape as XLA writes it, such as `(f32[2,3]{1,0}, pred[])`.

    What a TPU keeps in its vector memory, `S(1)`, is not counted: it does not pass through HBM.
    """
    total = 0
    pattern = r"\b([a-z]+\d*)[a-z0-9]*\[([\d,]*)\](?!\{[^}]*S\(1\))"
    for kind, sides in re.findall(pattern, shapes):
        number = re.search(r"\d+$", kind)
        bits = int(number.group()) if number else 8 if kind == "pred" else 0
        count = 1
        for side in sides.split(","):
            count *= int(side) if side else 1
        total += count * bits // 8
    return total


def kernels(text: str) -> Kernels:
    """The kernels of the entry computation of an optimized program (`Compiled.as_text()`).

    A loop counts as one launch; programs of one step have none.
    """
    found, shapes = Kernels(), dict[str, str]()
    for line in text[text.index("\nENTRY") :].splitlines()[2:]:
        match = re.match(r"\s+(?:ROOT )?%?([\w.\-]+) = (.*)", line)
        call = re.search(r"[\]})] ([a-z][\w\-]*)\(", match.group(2)) if match else None
        if match is None or call is None:
            continue
        name, rest, operation = match.group(1), match.group(2), call.group(1)
        shapes[name] = rest[: call.start() + 1]
        if operation in FREE:
            continue
        operands = re.findall(r"%([\w.\-]+)", rest[call.end() :].split(")")[0])
        if operation in AHEAD:
            found.launches["ahead"] += 1
            shapes[name] = shapes.get(operands[0], "")  # what its end asks for
            continue
        if operation.replace("-done", "-start") in AHEAD:
            found.bytes["ahead"] += _fetched(shapes.get(operands[0], ""), shapes[name])
            continue
        kind = _kind(name, operation, rest)
        found.launches[kind] += 1
        found.bytes[kind] += sum(size_of(shapes.get(n, "")) for n in (name, *operands))
    found.cycles = sum(map(int, re.findall(r'"estimated_cycles":"(\d+)"', text)))
    return found


def _fetched(source: str, result: str) -> int:
    """Bytes that a copy ahead of its use reads and writes, of the main memory."""
    read = size_of(result.replace("S(1)", "")) if size_of(source) else 0
    return read + size_of(result)


def _kind(name: str, operation: str, rest: str) -> str:
    if operation == "fusion":
        if re.match(r"(wrapped_|input_)?(transpose|copy)", name):
            return "transpose"
        kind = re.search(r"kind=k(\w+)", rest)
        own = "triton" if "triton" in rest else kind.group(1).lower() if kind else "other"
        return f"fusion:{own}"
    if operation == "custom-call":
        target = re.search(r'custom_call_target="([^"]*)"', rest)
        return target.group(1).strip("_$") if target else operation
    return operation


def products(lowered: str) -> dict[str, int]:
    """Convolutions and matrix products by the type and precision asked for, before compiling.

    Args:
        lowered: the program as it is given to the compiler (`Lowered.as_text()`, StableHLO).
    """
    found = Counter[str]()
    for line in lowered.splitlines():
        if "stablehlo.dot_general" in line or "stablehlo.convolution" in line:
            asked = re.search(r"precision = \[(\w+)", line) or re.search(
                r"#stablehlo<precision (\w+)>", line
            )
            kind = re.search(r"-> tensor<(?:\d+x)*(\w+)>", line)
            found[f"{kind.group(1) if kind else '?'} {asked.group(1) if asked else 'DEFAULT'}"] += 1
    return dict(found.most_common())


def collectives(found: Kernels) -> int:
    """How many kernels pass something between devices; there should be none."""
    return found.total(COLLECTIVES)


def layout_changes(found: Kernels) -> tuple[int, int]:
    """How many kernels change a layout alone, and the bytes that they read and write."""
    moved = sum(count for kind, count in found.bytes.items() if kind.startswith(LAYOUTS))
    return found.total(LAYOUTS), moved
