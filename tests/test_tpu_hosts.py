"""The script for TPU slices, whose hosts are processes here, started by a `gcloud` of our own."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import check_run
import pytest
from test_shards import shards  # noqa: F401  # a fixture

SCRIPT = Path(__file__).parents[1] / "scripts" / "cluster" / "tpu.sh"
PREFIX = "/computeMetadata/v1/instance/attributes/"
GCLOUD = """#!/usr/bin/env bash
# As the real one: the command's text goes to a shell on every host.
printf '%s\\n' "$@" > "$GCLOUD_SAID"
for last; do :; done
processes=()
for address in $HOSTS; do
  GCE_METADATA_IP=$address bash -c "${last#--command=}" & processes+=($!)
done
for process in "${processes[@]}"; do wait "$process" || status=$?; done
exit "${status:-0}"
"""
JAXANON = """#!/usr/bin/env bash
seen="$SEEN/$GCE_METADATA_IP"
printf '%s\\n' "$@" > "$seen"
env | grep -E '^(TPU_.*BOUNDS|TPU_VISIBLE|JAX_PLATFORMS)' | sort >> "$seen"
"""

pytestmark = [  # a minute, for two processes with a real classifier
    pytest.mark.cluster,
    pytest.mark.skipif(shutil.which("curl") is None, reason="the script asks by curl"),
]


def metadata(number, hosts):
    """A server of what the metadata server says to one host."""
    values = {
        "agent-worker-number": str(number),
        "worker-network-endpoints": ",".join(f"unknown:unknown:10.0.0.{i}" for i in range(hosts)),
    }

    class Metadata(BaseHTTPRequestHandler):
        def do_GET(self):
            value = values.get(self.path.removeprefix(PREFIX))
            allowed = self.headers["Metadata-Flavor"] == "Google" and value is not None
            self.send_response(200 if allowed else 403)
            self.end_headers()
            self.wfile.write((value if allowed else "refused").encode())

        def log_message(self, *_):
            pass

    return ThreadingHTTPServer(("127.0.0.1", 0), Metadata)


@pytest.fixture
def slice_of(tmp_path, monkeypatch):
    """Gives what makes a slice of some hosts, and the environment in which it is there."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))  # whose .local/bin goes before all
    for name in ("TPU_PROCESS_BOUNDS", "JAX_PLATFORMS"):
        monkeypatch.delenv(name, raising=False)
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "gcloud").write_text(GCLOUD)
    (commands / "gcloud").chmod(0o755)
    with ExitStack() as stack:

        def make(hosts):
            servers = [metadata(number, hosts) for number in range(hosts)]
            for server in servers:
                Thread(target=server.serve_forever, daemon=True).start()
                stack.callback(server.server_close)
                stack.callback(server.shutdown)
            addresses = [f"127.0.0.1:{server.server_port}" for server in servers]
            path = [str(commands), str(Path(sys.executable).parent), os.environ["PATH"]]
            return addresses, {
                **os.environ,
                "PATH": os.pathsep.join(path),
                "HOSTS": " ".join(addresses),
                "GCLOUD_SAID": str(tmp_path / "said"),
                "SEEN": str(tmp_path),
            }

        yield make


@pytest.mark.parametrize("hosts", [1, 2, 4])
def test_each_host_is_told_its_share(slice_of, tmp_path, hosts):
    addresses, environment = slice_of(hosts)
    (tmp_path / "bin" / "jaxanon").write_text(JAXANON)
    (tmp_path / "bin" / "jaxanon").chmod(0o755)
    odd = 'it\'s "$HOME" *'
    words = [SCRIPT, "my-slice", "us-zone1-a", "in dir", "out", "--report", odd]
    subprocess.run(words, env=environment, check=True, timeout=60)
    said = (tmp_path / "said").read_text().splitlines()
    assert said[:6] == ["compute", "tpus", "tpu-vm", "ssh", "my-slice", "--zone=us-zone1-a"]
    assert said[6] == "--worker=all"
    alone = ["TPU_CHIPS_PER_PROCESS_BOUNDS=2,2,1", "TPU_PROCESS_BOUNDS=1,1,1",
             "TPU_VISIBLE_DEVICES=0,1,2,3"]  # fmt: skip
    for number, address in enumerate(addresses, start=1):
        assert (tmp_path / address).read_text().splitlines() == [
            *("anonymize", "in dir", "-o", "out", "--resume", "--shard", f"{number}/{hosts}"),
            *("--report", odd),
            "JAX_PLATFORMS=tpu",
            *(alone if hosts > 1 else []),  # else the one host is the slice
        ]


def test_two_hosts_share_a_run(slice_of, shards, tmp_path):  # noqa: F811
    _, environment = slice_of(2)
    options = ["--sources", "tf_efficientnet_lite0", "--steps", "2", "--quiet"]
    words = [SCRIPT, "my-slice", "us-zone1-a", shards[0].parent, tmp_path / "out", *options]
    subprocess.run(words, env={**environment, "JAX_PLATFORMS": "cpu"}, check=True, timeout=240)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["summary"]["images"] == 9
    assert list(check_run.check(tmp_path / "out", None, check_run.Counter())) == []


def test_a_host_without_chips_fails(slice_of, shards, tmp_path):  # noqa: F811
    """It does not compute on its CPU: its share would take days, and the chips be paid for."""
    _, environment = slice_of(1)
    words = [SCRIPT, "my-slice", "us-zone1-a", shards[0].parent, tmp_path / "out", "--sources"]
    run = subprocess.run(
        [*words, "tf_efficientnet_lite0"], env=environment, capture_output=True, text=True
    )
    assert run.returncode == 2
    assert "JAX_PLATFORMS is tpu" in run.stderr
    assert not list(tmp_path.glob("out/*.tar"))


def test_what_is_missing_is_told(slice_of, tmp_path):
    _, environment = slice_of(1)
    run = subprocess.run([SCRIPT, "s", "z", "in"], env=environment, capture_output=True, text=True)
    assert run.returncode == 2
    assert "SLICE ZONE DATA OUT" in run.stderr
    assert not (tmp_path / "said").exists()
