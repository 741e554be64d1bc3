"""Shards on an object store that goes away and comes back."""

import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import check_run
import pytest
from test_faults import tars
from test_shards import anonymize, encoded, shards  # noqa: F401  # a fixture

from jaxanon.cli import parser
from jaxanon.errors import ImageError
from jaxanon.io import fetching
from jaxanon.io.stores import open_store, patience
from jaxanon.io.urls import Url, place
from jaxanon.pipeline import shard as shard_module

pytestmark = [pytest.mark.cluster, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def server():
    """A local S3 server, which keeps what it has while it is stopped."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    server._port = server.get_host_and_port()[1]  # the same one when it comes back
    yield server
    server.stop()


@pytest.fixture
def bucket(server, monkeypatch):
    """URL of an empty bucket."""
    import s3fs

    _, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    s3 = s3fs.S3FileSystem()
    if s3.exists("bucket"):
        s3.rm("bucket", recursive=True)
    s3.mkdir("bucket")
    monkeypatch.setattr(s3fs.core.S3FileSystem, "retries", 1)
    return "s3://bucket"


def upload(paths, url):
    import s3fs

    for path in paths:
        s3fs.S3FileSystem().put_file(str(path), f"{url}/{path.name}")


def download(url, folder):
    """A copy of what is at a URL."""
    store = open_store(Url(url))
    for name in store.names(""):
        path = folder / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(store.read(name.lstrip("/")))
    return folder


def goes_away(server, monkeypatch, after, comes_back):
    """Stop the server when some images are adapted, and start it again some seconds later."""
    real, seen, timers = shard_module._keep, [], []

    def keep(outcome):
        seen.append(outcome)
        if len(seen) == after:
            server.stop()
            if comes_back:
                timers.append(threading.Timer(comes_back, server.start))
                timers[0].start()
        return real(outcome)

    monkeypatch.setattr(shard_module, "_keep", keep)
    return timers


def test_a_run_waits_for_a_store_that_comes_back(
    zoo,
    shards,  # noqa: F811
    bucket,
    server,
    tmp_path,
    monkeypatch,
    capsys,
):
    assert anonymize(zoo, shards, tmp_path / "whole", "--quiet") == 0
    upload(shards, f"{bucket}/in")
    timers = goes_away(server, monkeypatch, after=5, comes_back=3)
    assert anonymize(zoo, [f"{bucket}/in"], f"{bucket}/out") == 0
    (timer,) = timers
    timer.join()
    assert "asked again in" in capsys.readouterr().err
    out = download(f"{bucket}/out", tmp_path / "out")
    assert tars(out) == tars(tmp_path / "whole")
    assert list(check_run.check(out, shards, check_run.Counter())) == []
    report = json.loads((out / "report.json").read_text())
    assert report["summary"]["images"] == 9
    assert report["images"][0]["output"].startswith(f"{bucket}/out/train-0.tar/")
    assert anonymize(zoo, [f"{bucket}/in"], f"{bucket}/out") == 2
    assert "give --resume" in capsys.readouterr().err
    assert anonymize(zoo, [f"{bucket}/in"], f"{bucket}/in", "--resume") == 2
    assert "overlap" in capsys.readouterr().err


def test_a_store_that_stays_away_is_named_and_the_run_resumed(
    zoo,
    shards,  # noqa: F811
    bucket,
    server,
    tmp_path,
    monkeypatch,
    capsys,
):
    assert anonymize(zoo, shards, tmp_path / "whole", "--quiet") == 0
    upload(shards, f"{bucket}/in")
    with monkeypatch.context() as change:
        change.setattr(patience, "PATIENCE", 0.5)
        goes_away(server, change, after=5, comes_back=None)
        assert anonymize(zoo, [f"{bucket}/in"], f"{bucket}/out") == 1
    assert f"{bucket}/" in capsys.readouterr().err
    server.start()
    assert anonymize(zoo, [f"{bucket}/in"], f"{bucket}/out", "--resume", "--quiet") == 0
    out = download(f"{bucket}/out", tmp_path / "out")
    assert tars(out) == tars(tmp_path / "whole")
    assert list(check_run.check(out, shards, check_run.Counter())) == []


def test_a_store_keeps_the_first_and_tells_what_is_there(bucket):
    store = open_store(Url(f"{bucket}/some/where"))
    assert list(store.names("")) == []
    assert store.write("a/b.json", b"1", first=True)
    assert not store.write("a/b.json", b"2", first=True)
    assert store.read("a/b.json") == b"1"
    assert store.exists("a/b.json")
    assert not store.exists("a/c.json")
    with store.hold("a/held"):
        assert list(store.names("a")) == ["a/b.json", "a/held"]
    assert list(store.names("a")) == ["a/b.json"]
    file = store.create("new")
    file.write(b"one\ntwo\n")
    file.commit()
    assert list(store.lines("new")) == [b"one\n", b"two\n"]
    with pytest.raises(FileNotFoundError):
        store.read("gone")
    before = fetching.state_of(Url(f"{bucket}/some/where/new"))
    store.write("new", b"other")
    assert fetching.state_of(Url(f"{bucket}/some/where/new")) != before


def test_pictures_on_a_store_go_in_slices_to_it(zoo, bucket, tmp_path):
    for number in range(3):
        path = tmp_path / "photos" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encoded(number))
        upload([path], f"{bucket}/photos/part{number % 2}")
    assert anonymize(zoo, [tmp_path / "photos"], tmp_path / "plain", "--quiet") == 0
    assert anonymize(zoo, [f"{bucket}/photos"], f"{bucket}/out", "--slice", 2, "--quiet") == 0
    out = download(f"{bucket}/out", tmp_path / "out")
    assert list(check_run.check(out, None, check_run.Counter())) == []
    made = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.png"))
    assert made == ["part0/0.png", "part0/2.png", "part1/1.png"]
    for name in made:
        plain = tmp_path / "plain" / name.rpartition("/")[2]
        assert (out / name).read_bytes() == plain.read_bytes()
    listed = tmp_path / "list.jsonl"
    listed.write_text(json.dumps({"path": f"{bucket}/photos/part1/1.png", "label": 3}))
    assert anonymize(zoo, [listed], tmp_path / "from-list", "--quiet") == 0
    assert list(check_run.check(tmp_path / "from-list", None, check_run.Counter())) == []


def test_shards_are_read_from_any_server(zoo, shards, tmp_path):  # noqa: F811
    class Files(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = partial(Files, directory=shards[0].parent)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        assert anonymize(zoo, [f"{url}/train-1.tar"], tmp_path / "out", "--quiet") == 0
        before = fetching.state_of(Url(f"{url}/train-1.tar"))
        shards[1].write_bytes(b"shorter")
        assert fetching.state_of(Url(f"{url}/train-1.tar")) != before
        server.shutdown()
    assert [path.name for path in (tmp_path / "out").glob("*.tar")] == ["train-1.tar"]


def test_refusals_are_not_repeated(monkeypatch):
    asked = []

    def refuse():
        asked.append(1)
        raise PermissionError("no access")

    with pytest.raises(ImageError, match=r"s3://mine/x: no access"):
        patience.patiently(Url("s3://mine/x"), refuse)
    assert len(asked) == 1


def test_urls_that_cannot_be_used_are_refused(bucket, capsys, tmp_path):
    from command_line import jaxanon

    assert jaxanon("anonymize", f"{bucket}/nothing", "-o", tmp_path / "out") == 2
    assert f"{bucket}/nothing: no such file or folder" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        parser().parse_args(["attack", "s3://bucket/x", "-o", "out"])
    assert "URLs are for shards" in capsys.readouterr().err
    assert jaxanon("anonymize", "nosuch://bucket/a.tar", "-o", tmp_path / "out") == 2
    assert "nosuch://bucket/a.tar: cannot be used" in capsys.readouterr().err
    assert place("file:///some/a%20b") == tmp_path.__class__("/some/a b")
