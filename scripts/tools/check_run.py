"""Prove of a run over shards that nothing is lost, nothing is there twice, and nothing is half.

    python scripts/tools/check_run.py DIR [--inputs SHARD ...]

Every input sample has exactly one record; every adapted sample its picture, which can be read, and
the members of its input, byte for byte; digests are those of the markers; the report counts the
same; no part of a file was left. The inputs are those that the run names, or those given. Exit
status 1, and a line for each fault, where something is not so.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

FOLDER, OURS = "manifest", "jaxanon.json"


def main() -> int:
    """Check the run that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--inputs", type=Path, nargs="+", metavar="SHARD")
    args = parser.parse_args()
    counts: Counter[str] = Counter()
    faults = list(check(args.folder, args.inputs, counts))
    for fault in faults:
        print(fault)
    what = ", ".join(f"{n} {name}" for name, n in sorted(counts.items()))
    print(f"{'FAULTY' if faults else 'right'}: {what}; {len(faults)} faults")
    return 1 if faults else 0


def check(folder: Path, inputs: list[Path] | None, counts: Counter[str]) -> Iterator[str]:
    """What is wrong with a run.

    Args:
        folder: its output.
        inputs: the shards that it was given; None for those that it names itself.
        counts: what was seen is counted in it.
    """
    run = json.loads((folder / FOLDER / "run.json").read_text())
    shards = inputs or [Path(name) for name in run["inputs"]]
    for path in folder.rglob("*.part"):
        yield f"{path}: part of a file"
    names = {path.name for path in shards}
    for path in [*folder.glob("*.tar"), *folder.glob("*.parquet")]:
        if path.name not in names:
            yield f"{path}: no such input"
    for shard in shards:
        if not (folder / FOLDER / f"{shard.name}.json").exists():
            yield f"{shard.name}: not finished"
            continue
        yield from _check_shard(folder, shard, counts)
    report = folder / "report.json"
    if report.exists():
        summary = json.loads(report.read_text())["summary"]
        for name in ("images", "failed", "shards"):
            if summary[name] != counts[name]:
                yield f"{report}: {name} is {summary[name]}, found {counts[name]}"


def _check_shard(folder: Path, shard: Path, counts: Counter[str]) -> Iterator[str]:
    adapted, manifest = folder / shard.name, folder / FOLDER
    marker = json.loads((manifest / f"{shard.name}.json").read_text())
    lines = (manifest / f"{shard.name}.jsonl").read_bytes()
    if hashlib.sha256(lines).hexdigest() != marker["records_sha256"]:
        yield f"{shard.name}: digest of the records"
    if hashlib.sha256(adapted.read_bytes()).hexdigest() != marker["sha256"]:
        yield f"{shard.name}: digest"
    records = [json.loads(line) for line in lines.splitlines()]
    failed = {_key(record["input"]) for record in records if record["status"] == "failed"}
    counts.update(shards=1, images=len(records), failed=len(failed))
    before, after = _samples(shard), _samples(adapted)
    recorded = Counter(_key(record["input"]) for record in records)
    yield from (f"{shard.name}: {key} is on record twice" for key, n in recorded.items() if n > 1)
    yield from (f"{shard.name}: {key} is lost" for key in before.keys() - recorded.keys())
    strange = recorded.keys() - before.keys() - _names(shard)
    yield from (f"{shard.name}: {key} was not given" for key in strange)
    for key in (before.keys() - failed) ^ after.keys():
        yield f"{shard.name}: {key} is {'failed, but there' if key in after else 'not there'}"
    for key, members in after.items():
        yield from _check_sample(f"{shard.name}: {key}", members, before.get(key, {}))
    if marker["images"] != len(records) or marker["failed"] != len(failed):
        yield f"{shard.name}: the marker counts otherwise"


def _check_sample(name: str, after: dict[str, bytes], before: dict[str, bytes]) -> Iterator[str]:
    """Compare a sample with what it was made from: one member differs, and is a picture."""
    own = {ext: data for ext, data in after.items() if before.get(ext) != data and ext != OURS}
    if len(own) != 1:
        yield f"{name}: {len(own)} members are not those of the input: {sorted(own)}"
    for extension, data in own.items():
        try:
            with Image.open(io.BytesIO(data)) as image:
                image.load()
        except (OSError, ValueError) as error:
            yield f"{name}.{extension}: {error}"
    gone = {ext for ext in before if ext not in after and ext != OURS}
    if len(gone) > 1 or OURS not in after:
        yield f"{name}: members {sorted(after)}"


def _samples(path: Path) -> dict[str, dict[str, bytes]]:
    """Key -> the members of a sample by what comes after the key, or the values of a row."""
    if path.suffix == ".parquet":
        return _rows(path)
    found: dict[str, dict[str, bytes]] = {}
    with tarfile.open(path) as tar:
        for info in tar:
            stem, _, extension = info.name.rpartition("/")[2].partition(".")
            data = tar.extractfile(info) if info.isreg() else None
            if not info.isdir() and stem and extension:
                below = info.name.rpartition("/")
                key = f"{below[0]}{below[1]}{stem}"
                found.setdefault(key, {})[extension] = data.read() if data else b""
        end = tar.offset
    if path.read_bytes()[end:].strip(b"\0"):  # what is damaged looks like the end
        found["what follows the tar"] = {}
    return found


def _names(path: Path) -> set[str]:
    """Names of all members of a tar: some belong to no sample."""
    if path.suffix == ".parquet":
        return set()
    with tarfile.open(path) as tar:
        return set(tar.getnames())


def _rows(path: Path) -> dict[str, dict[str, bytes]]:
    """Key -> the values of a row by column; the encoded image for an image."""
    from pyarrow import parquet

    rows: list[tuple[str, int, dict[str, bytes]]] = []
    adapted = False
    for number, row in enumerate(parquet.read_table(path).to_pylist()):
        adapted = adapted or "jaxanon" in row
        values = {
            OURS if name == "jaxanon" else name: value["bytes"]
            if isinstance(value, dict) and "bytes" in value
            else repr(value).encode()
            for name, value in row.items()
        }
        record = json.loads(row["jaxanon"])["input"] if adapted else ""
        key = record.rpartition("/")[2].partition(".")[0] if adapted else f"{number:08d}"
        key = str(row.get("__key__", key) or f"(row {number})")
        rows.append((key, number, values))
    times = Counter(key for key, _, _ in rows)
    return {key if times[key] == 1 else f"(row {number})": values for key, number, values in rows}


def _key(name: str) -> str:
    """The key of a sample by what records call it: the shard, the folders, the member."""
    if ".parquet/" in name:
        return name.rpartition(".parquet/")[2]
    inside = name.rpartition(".tar/")[2]
    folder, slash, file = inside.rpartition("/")
    return f"{folder}{slash}{file.partition('.')[0]}"


if __name__ == "__main__":
    sys.exit(main())
