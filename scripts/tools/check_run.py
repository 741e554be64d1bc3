"""Prove of a run over shards that nothing is lost, nothing is there twice, and nothing is half.

    python scripts/tools/check_run.py DIR [--inputs SHARD ...]

Every input sample has exactly one record; every adapted sample its picture, which can be read, and
the members of its input, byte for byte (where tars became tars, and tables tables); digests are
those of the markers; the report counts the same; no part of a file was left, and nothing is there
that no record speaks of. The inputs are those that the run names or lists, or the shards given.
Exit status 1, and a line for each fault, where something is not so.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

FOLDER, LISTS, OURS = "manifest", "lists", "jaxanon.json"
TO = {"folder": "", "tar": ".tar", "parquet": ".parquet"}
"""What `--to` names -> suffix of what is made."""
Records = list[dict[str, Any]]


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
    for path in folder.rglob("*.part"):
        yield f"{path}: part of a file"
    listing = folder / LISTS / "inputs.jsonl"
    to = TO[run["settings"]["to"]] if run["settings"].get("to") else None
    names: set[str] = set()
    if listing.exists() and inputs is None:
        lines = [json.loads(line) for line in listing.read_text("utf-8").splitlines()]
        size = run["settings"]["slice"]
        for start in range(0, len(lines), size):
            names.add(name := f"slice-{start // size:06d}{to or ''}")
            try:
                yield from _check_slice(folder, name, lines[start : start + size], counts)
            except (OSError, ValueError, tarfile.TarError) as error:
                yield f"{name}: cannot be read: {error!r}"
    else:
        for shard in inputs or [Path(name) for name in run["inputs"]]:
            own = ".parquet" if shard.suffix == ".arrow" else shard.suffix
            names.add(name := f"{shard.stem}{own if to is None else to}")
            try:
                yield from _check_shard(folder, name, shard, counts)
            except (OSError, ValueError, tarfile.TarError) as error:
                yield f"{name}: it, or its input {shard}, cannot be read: {error!r}"
    yield from _check_strangers(folder, names)
    report = folder / "report.json"
    if report.exists():
        summary = json.loads(report.read_text())["summary"]
        for name in ("images", "failed", "shards"):
            if summary[name] != counts[name]:
                yield f"{report}: {name} is {summary[name]}, found {counts[name]}"


def _check_strangers(folder: Path, names: set[str]) -> Iterator[str]:
    """What lies in the output that no unit of work has made."""
    ours = {"report.json", "report.html", "README.md", "metadata.jsonl", *names}
    for name in names:
        ours.update(_listed(folder, name))
    for path in folder.rglob("*"):
        below = path.relative_to(folder)
        if (
            path.is_file()
            and below.parts[0] not in (FOLDER, LISTS, ".tracking")
            and str(below) not in ours
        ):
            yield f"{path}: made of no input"


def _listed(folder: Path, name: str) -> dict[str, str]:
    """File -> digest of what a unit of work has made as files."""
    path = folder / LISTS / f"{name}.sha256"
    lines = path.read_text().splitlines() if path.exists() else []
    return {line[66:]: line[:64] for line in lines}


def _check_marker(folder: Path, name: str, counts: Counter[str]) -> Iterator[str | Records]:
    """The records of a unit of work, after what is wrong with it as a whole."""
    manifest = folder / FOLDER
    path = manifest / f"{name}.json"
    if not path.exists():
        yield f"{name}: not finished"
        return
    try:
        marker = json.loads(path.read_text())
        lines = (manifest / f"{name}.jsonl").read_bytes()
        whole, wanted = (folder / marker["file"]).read_bytes(), marker["sha256"]
    except (OSError, ValueError, KeyError) as error:
        yield f"{name}: cannot be read: {error!r}"
        return
    if hashlib.sha256(lines).hexdigest() != marker["records_sha256"]:
        yield f"{name}: digest of the records"
    if hashlib.sha256(whole).hexdigest() != wanted:
        yield f"{name}: digest"
    for file, digest in _listed(folder, name).items():
        if not (folder / file).is_file():
            yield f"{name}: {file} is not there"
        elif hashlib.sha256((folder / file).read_bytes()).hexdigest() != digest:
            yield f"{name}: digest of {file}"
    records = [json.loads(line) for line in lines.splitlines()]
    failed = sum(record["status"] == "failed" for record in records)
    counts.update(shards=1, images=len(records), failed=failed)
    if marker["images"] != len(records) or marker["failed"] != failed:
        yield f"{name}: the marker counts otherwise"
    yield records


def _check_slice(
    folder: Path, name: str, entries: Sequence[dict[str, str]], counts: Counter[str]
) -> Iterator[str]:
    """Compare a slice with its lines of the listing: each has its record, in their order."""
    for found in _check_marker(folder, name, counts):
        if isinstance(found, str):
            yield found
            continue
        given = [entry.get("shown") for entry in entries]
        if [record["input"] for record in found] != given:
            yield f"{name}: the records are not those of the listing"
        wanted = {
            str(record["output"])
            for record in found
            if record["status"] != "failed"
        }  # fmt: skip
        yield from _check_pictures(folder, name, wanted)


def _check_pictures(folder: Path, name: str, wanted: set[str]) -> Iterator[str]:
    """Whether the pictures that records name are there, and can be read, and no others are."""
    if name.endswith((".tar", ".parquet")):
        samples = _samples(folder / name)
        found = {key: _picture(members) for key, members in samples.items()}
        keys = {one.partition(f"{name}/")[2].rpartition(".")[0] for one in wanted}
        keys = {_in_tar(key) for key in keys} if name.endswith(".tar") else keys
    else:
        found = {one: (folder / one).read_bytes() for one in wanted if (folder / one).exists()}
        keys = wanted
        if lost := keys - _listed(folder, name).keys():
            yield f"{name}: {sorted(lost)} are in no list"
    for key in keys ^ found.keys():
        yield f"{name}: {key} is {'not there' if key in keys else 'of no record'}"
    for key, data in found.items():
        yield from (f"{name}: {key}: {why}" for why in _unreadable(data))


def _in_tar(key: str) -> str:
    """A key without dots in its last part."""
    above, slash, last = key.rpartition("/")
    return f"{above}{slash}{last.replace('.', '_')}"


def _picture(members: dict[str, bytes]) -> bytes:
    """The adapted picture among the members of a sample, or the values of a row."""
    for extension, data in members.items():
        if extension in ("png", "jpg", "webp", "image"):
            return data
    return b""


def _unreadable(data: bytes) -> Iterator[str]:
    """Why a picture cannot be read."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
    except (OSError, ValueError) as error:
        yield str(error)


def _check_shard(folder: Path, name: str, shard: Path, counts: Counter[str]) -> Iterator[str]:
    """Compare what was made of a shard with it, sample by sample."""
    for found in _check_marker(folder, name, counts):
        if isinstance(found, str):
            yield found
            continue
        failed = {_key(record["input"]) for record in found if record["status"] == "failed"}
        before = _samples(shard)
        recorded = Counter(_key(record["input"]) for record in found)
        yield from (f"{name}: {key} is on record twice" for key, n in recorded.items() if n > 1)
        yield from (f"{name}: {key} is lost" for key in before.keys() - recorded.keys())
        strange = recorded.keys() - before.keys() - _names(shard)
        yield from (f"{name}: {key} was not given" for key in strange)
        if shard.name != name:  # of another kind
            outputs = {record["output"] for record in found if record["status"] != "failed"}
            yield from _check_pictures(folder, name, outputs)
            continue
        after = _samples(folder / name)
        for key in (before.keys() - failed) ^ after.keys():
            yield f"{name}: {key} is {'failed, but there' if key in after else 'not there'}"
        for key, members in after.items():
            yield from _check_sample(f"{name}: {key}", members, before.get(key, {}))


def _check_sample(name: str, after: dict[str, bytes], before: dict[str, bytes]) -> Iterator[str]:
    """Compare a sample with what it was made from: one member differs, and is a picture."""
    own = {ext: data for ext, data in after.items() if before.get(ext) != data and ext != OURS}
    if len(own) != 1:
        yield f"{name}: {len(own)} members are not those of the input: {sorted(own)}"
    for extension, data in own.items():
        yield from (f"{name}.{extension}: {why}" for why in _unreadable(data))
    gone = {ext for ext in before if ext not in after and ext != OURS}
    if len(gone) > 1 or OURS not in after:
        yield f"{name}: members {sorted(after)}"


def _samples(path: Path) -> dict[str, dict[str, bytes]]:
    """Key -> the members of a sample by what comes after the key, or the values of a row."""
    if path.suffix in (".parquet", ".arrow"):
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
    if path.suffix in (".parquet", ".arrow"):
        return set()
    with tarfile.open(path) as tar:
        return set(tar.getnames())


def _rows(path: Path) -> dict[str, dict[str, bytes]]:
    """Key -> the values of a row by column; the encoded image for an image."""
    from pyarrow import ipc, parquet

    rows: list[tuple[str, int, dict[str, bytes]]] = []
    adapted = False
    stream = path.suffix == ".arrow"
    table = ipc.open_stream(path.read_bytes()).read_all() if stream else parquet.read_table(path)
    for number, row in enumerate(table.to_pylist()):
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
    for suffix in (".parquet/", ".arrow/"):
        if suffix in name:
            return name.rpartition(suffix)[2]
    inside = name.rpartition(".tar/")[2]
    folder, slash, file = inside.rpartition("/")
    if file.startswith("."):
        return inside  # the sample has no other name
    return f"{folder}{slash}{file.partition('.')[0]}"


if __name__ == "__main__":
    sys.exit(main())
