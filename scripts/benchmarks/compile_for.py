"""Compile the loop's programs for accelerators that are not there; say what came out.

    python scripts/benchmarks/compile_for.py --target h100 --classifiers mobilenetv2_100,study
        [--target h100,v5e,v6e] [--classifiers all] [--slots 32] [--precision bfloat16]
        [--devices 1] [--programs advance,forward,put,take,resize] [--jobs 2] [--json FILE]
        [--settings 'transfer ensemble_mode=drawn']

One row per program: seconds to compile, memory, launches, bytes, layout changes, products by
precision, collectives, and for TPUs the cycles that the compiler expects. Names joined by `+` adapt
together; `study` is the seven sources of the study, `all` every classifier alone. Each program is
compiled in a process of its own, since a compiler that fails may take its process along: such a row
says `aborted`. A call whose FILE is there already goes on with it. Needs the extra `aot`; no
weights and no accelerator.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import distributions
from itertools import product
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
STUDY = "mobilenetv2_100+mobilenetv2_140+resnet101+resnet152+vgg16+vgg19+xception65"
PROGRAMS = ("advance", "forward", "put", "take", "resize")
TARGETS = {"h100": "h100.txtpb", "v5e": "v5e:2x2", "v6e": "v6e:2x2", "cpu": ""}
"""Target -> the file that describes it (CUDA), or libtpu's name of the topology."""
CLOCK = {"v5e": 1.5e9, "v6e": 1.75e9}
"""Cycles per second of a TPU core."""
COMPILERS = ("jax", "jax-cuda12-plugin", "jax-cuda13-plugin", "libtpu")
QUIET = {
    "JAX_PLATFORMS": "cpu",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}
"""Environment in which nothing looks for devices, or for the cloud that would have them."""


@dataclass(frozen=True)
class Case:
    """One program to compile.

    Attributes:
        target: key of `TARGETS`.
        classifiers: names of the sources joined by `+`; of `forward`, each is compiled alone.
        program: one of `PROGRAMS`.
        devices: number of devices.
        slots: images per device.
        precision: type of the loop's gradients.
        settings: the loop's preset and what is changed of it, as `transfer ensemble_mode=drawn`.
    """

    target: str
    classifiers: str
    program: str
    devices: int
    slots: int
    precision: str
    settings: str = "fast"


def compiled(case: Case) -> dict[str, Any]:
    """Compile a program in this process; its row of the result."""
    from compiled_text import collectives, kernels, layout_changes, products

    from jaxanon.runtime import devices

    lowered = lower(case)
    start, busy = time.perf_counter(), time.process_time()
    program = lowered.compile()
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    memory, cost, text = program.memory_analysis(), program.cost_analysis() or {}, program.as_text()
    found = kernels(text)
    layouts, moved = layout_changes(found)
    row: dict[str, Any] = {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(busy, 1),
        "memory_mb": round(devices.program_memory(program) / 1e6, 1),
        "arguments_mb": round(memory.argument_size_in_bytes / 1e6, 1),
        "donated_mb": round(memory.alias_size_in_bytes / 1e6, 1),
        "gflop": round(cost.get("flops", 0) / 1e9, 2),
        "launches": found.launches.total(),
        "gbytes": round(found.bytes.total() / 1e9, 3),
        "launches_by": dict(found.launches.most_common()),
        "gbytes_by": {kind: round(n / 1e9, 3) for kind, n in found.bytes.most_common()},
        "layout_changes": layouts,
        "layout_gbytes": round(moved / 1e9, 3),
        "products": products(lowered.as_text()),
        "collectives": collectives(found),
        "callbacks": text.count("callback"),
    }
    if case.target in CLOCK:
        row["estimate_ms"] = round(found.cycles / CLOCK[case.target] * 1e3, 2)
    return row


def lower(case: Case) -> Any:
    """A program traced for its target, not compiled yet."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from jaxanon.adaptation import chunk
    from jaxanon.adaptation.packing import pack, pack_matrices
    from jaxanon.adaptation.placing import together
    from jaxanon.adaptation.problem import LAYOUT, blank
    from jaxanon.adaptation.settings import preset
    from jaxanon.classifiers import registry
    from jaxanon.classifiers.classifier import Classifier, forward
    from jaxanon.classifiers.ensemble import Ensemble
    from jaxanon.classifiers.placed import placed
    from jaxanon.cli.loop_options import assignment, loop_options
    from jaxanon.runtime import devices

    def one(name: str) -> Classifier:
        entry = registry.find(name)
        model = entry.build(entry.config.num_classes)
        return Classifier.from_model(name, entry.config, model)

    mesh = mesh_of(case.target, case.devices)
    sources = Ensemble([one(name) for name in case.classifiers.split("+")], mesh=mesh)
    name, *changes = case.settings.split()
    options = loop_options()
    set_to = dict(assignment(change, options) for change in changes)
    settings = preset(name, precision=case.precision, **set_to).compiled()
    if case.program == "resize":
        return lower_resize(sources, case.slots * mesh.size)
    if case.program == "forward":
        size = sources.classifiers[0].config.input_size
        shape = (case.slots * mesh.size, size, size, 3)
        pixels = jax.ShapeDtypeStruct(shape, jnp.uint8, sharding=devices.split(mesh))
        return forward.lower(sources.networks[0], mesh, sources.params[0], pixels)
    buffers = chunk.shapes(sources, settings, case.slots)
    apart = devices.split(mesh)

    def one_each(leaf: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((mesh.size, *leaf.shape[1:]), leaf.dtype, sharding=apart)

    count = together(devices.platform(mesh), case.slots)
    places = jax.ShapeDtypeStruct((mesh.size * count,), np.int32, sharding=apart)
    if case.program == "put":
        empty = blank(sources, settings)
        nothing = pack(empty), pack_matrices(empty), np.zeros((1, *LAYOUT), np.int16)
        entries = [jax.tree.map(one_each, nothing)] * count
        return chunk.put.lower(settings, mesh, buffers, places, entries)
    if case.program == "take":
        return chunk.take.lower(mesh, buffers[1], places)
    params = placed(sources.params, mesh, case.precision)
    return chunk.advance.lower(sources.networks, settings, 1, mesh, params, *buffers)


def lower_resize(sources: Any, batch: int) -> Any:
    """The views of a batch of photos of up to 512x512 pixels, for all sources."""
    import jax
    import numpy as np

    from jaxanon.classifiers.ops.resize import Taps, resize
    from jaxanon.classifiers.preprocessing import distinct_views
    from jaxanon.runtime import devices

    apart = devices.split(sources.mesh)

    def array(shape: tuple[int, ...], kind: type) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((batch, *shape), kind, sharding=apart)

    def taps(size: int) -> Any:
        return Taps(array((size,), np.int32), array((size, 8), np.int32))  # type: ignore[arg-type]

    configs = [classifier.config for classifier in sources.classifiers]
    sizes = [configs[i].input_size for i in distinct_views(configs)[0]]
    views = tuple((taps(size), taps(size)) for size in sizes)
    return resize.lower(sources.mesh, array((512, 512, 3), np.uint8), views)


def mesh_of(target: str, count: int) -> Any:
    """A mesh of devices that need not be there."""
    import jax
    import numpy as np
    from jax.experimental import topologies
    from jax.sharding import AxisType, Mesh

    from jaxanon.runtime import devices

    if target == "cpu":
        jax.config.update("jax_num_cpu_devices", count)
        return devices.mesh(count)
    if target == "h100":
        text = (HERE / "targets" / TARGETS[target]).read_text()
        found = topologies.get_topology_desc(
            platform="cuda", topology=f"1x1x{count}", target_config=text
        )
    else:
        found = topologies.get_topology_desc(platform="tpu", topology_name=TARGETS[target])
    chosen: np.ndarray = np.array(found.devices[:count])
    return Mesh(chosen, (devices.AXIS,), axis_types=(AxisType.Auto,))


def versions() -> dict[str, str]:
    """Package -> version, of the compilers."""
    found = {d.name: d.version for d in distributions()}
    return {name: found[name] for name in COMPILERS if name in found}


def _earlier(path: Path | None) -> list[dict[str, Any]]:
    """Rows of an earlier call by the same compilers, which goes on; failures are tried again."""
    if path is None or not path.exists():
        return []
    found = json.loads(path.read_text())
    if found["versions"] != versions():
        raise SystemExit(f"{path} is of other compilers, {found['versions']}; give another --json")
    return [row for row in found["rows"] if "seconds" in row]


def apart(case: Case) -> dict[str, Any]:
    """Compile a program in a process of its own; its row says `aborted` where that dies."""
    command = [sys.executable, __file__, "--one", json.dumps(asdict(case))]
    done = subprocess.run(command, env=QUIET | os.environ, capture_output=True, text=True)
    row: dict[str, Any] = asdict(case)
    if done.returncode == 0:
        row |= json.loads(done.stdout.splitlines()[-1])
    else:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        telling = re.compile(r"Check failed|^[\w.]*(Error|Exception)\b")
        why = next(filter(telling.search, lines), (lines or ["it said nothing"])[-1])
        row |= {"aborted" if done.returncode < 0 else "error": why[-300:]}
    said = [f"{row[k]} {k}" for k in ("seconds", "memory_mb", "launches", "gbytes") if k in row]
    said += [f"{k}: {row[k]}" for k in ("estimate_ms", "aborted", "error") if k in row]
    head = f"{case.target} x{case.devices} {case.program} {case.classifiers} {case.slots}"
    print(f"{head} {case.precision} {case.settings}: {', '.join(said)}", flush=True)
    return row


def cases(args: argparse.Namespace) -> Iterator[Case]:
    """The programs that the command line asks for; `forward` of a set is that of each alone."""
    from jaxanon.classifiers import registry

    groups: list[str] = []
    for group in args.classifiers.split(","):
        groups += registry.ENTRIES if group == "all" else [group]
    for target, group, count, program in product(
        args.target.split(","), groups, args.devices, args.programs.split(",")
    ):
        names = STUDY if group == "study" else group
        if program == "forward" and "+" in names:
            continue  # each classifier of the set has its own
        precision = "float32" if program == "forward" else args.precision
        yield Case(target, names, program, count, args.slots, precision, args.settings)


def main() -> None:
    """Compile what is asked for, a few programs at a time."""
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    ask.add_argument("--target", default="h100", help="some of " + ", ".join(TARGETS))
    ask.add_argument(
        "--classifiers",
        default="mobilenetv2_100",
        help="names, A+B for several sources, study, all",
    )
    ask.add_argument(
        "--programs", default=",".join(PROGRAMS), help="some of " + ", ".join(PROGRAMS)
    )
    ask.add_argument(
        "--devices",
        type=lambda text: [int(n) for n in text.split(",")],
        default=[1],
        help="numbers of devices, such as 1,4 (default: 1)",
    )
    ask.add_argument("--slots", type=int, default=32, help="images at once (default: 32)")
    ask.add_argument("--precision", default="bfloat16", choices=("float32", "bfloat16"))
    ask.add_argument(
        "--settings",
        default="fast",
        metavar="'PRESET NAME=VALUE'",
        help="the loop's preset, and what is changed of it (default: %(default)s)",
    )
    ask.add_argument("--jobs", type=int, default=2, help="programs at a time")
    ask.add_argument("--json", type=Path, help="where to write the rows")
    ask.add_argument("--one", help=argparse.SUPPRESS)
    args = ask.parse_args()
    if args.one:
        os.environ.update(QUIET | os.environ)
        print(json.dumps(compiled(Case(**json.loads(args.one)))))
        return
    from jaxanon.classifiers import registry
    from jaxanon.io.files import write_json

    names = args.classifiers.replace("+", ",").split(",")
    asked = {
        "--target": (args.target.split(","), TARGETS),
        "--programs": (args.programs.split(","), PROGRAMS),
        "--classifiers": (names, {*registry.ENTRIES, "study", "all"}),
    }
    for option, (given, known) in asked.items():
        for name in given:
            if name not in known:
                ask.error(f"{option} {name}: choose from {', '.join(sorted(known))}")
    if args.slots < 1 or min(args.devices) < 1 or args.jobs < 1:
        ask.error("--slots, --devices and --jobs must be at least 1")
    rows = _earlier(args.json)
    done = [asdict(Case(**{k: row[k] for k in Case.__annotations__ if k in row})) for row in rows]
    wanted = [case for case in cases(args) if asdict(case) not in done]
    with ThreadPoolExecutor(args.jobs) as threads:
        for row in threads.map(apart, wanted):
            rows.append(row)
            if args.json:
                write_json(args.json, {"versions": versions(), "rows": rows})
    if any("aborted" in row or "error" in row for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
