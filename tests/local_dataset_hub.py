"""A hub of data sets on this machine: what `huggingface_hub` and `datasets` ask of the real one."""

from __future__ import annotations

import base64
import hashlib
import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote, urlsplit

import yaml
from local_server import serving

COMMIT = "c0ffee" + "0" * 34


@dataclass
class DatasetHub:
    """Data sets, and how they came to be.

    Attributes:
        files: (data set, file) -> content.
        private: data set -> whether nobody else sees it.
        commits: number of files of each commit.
        refused_after: number of commits after which others are refused; None for never.
    """

    files: dict[tuple[str, str], bytes] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    commits: list[int] = field(default_factory=list)
    refused_after: int | None = None
    address: str = ""

    @contextmanager
    def running(self):
        with serving(_handler(self)) as address:
            self.address = address
            yield self

    def listing(self, name, below, recursive):
        """Files and folders below a folder, all of them or those right in it."""
        files = self.tree(name, below)
        parts = [each["path"].removeprefix(below).split("/") for each in files]
        folders = {below + "/".join(p[:n]) for p in parts for n in range(1, len(p))}
        found = [{"type": "directory", "path": f, "size": 0, "oid": "0"} for f in sorted(folders)]
        found += files
        return [e for e in found if recursive or "/" not in e["path"].removeprefix(below)]

    def tree(self, name, below=""):
        return [
            {"type": "file", "path": file, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
            for (owner, file), data in sorted(self.files.items())
            if owner == name and file.startswith(below)
        ]


def _handler(hub: DatasetHub):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *words):
            pass

        def tell(self, found, status=200, head=()):
            data = found if isinstance(found, bytes) else json.dumps(found).encode()
            self.send_response(status)
            for name, value in head:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def refuse(self, status, code):
            self.tell({"error": code}, status, [("X-Error-Code", code), ("X-Error-Message", code)])

        def do_GET(self):
            path = unquote(urlsplit(self.path).path).lstrip("/")
            if path.startswith("api/datasets/"):
                words = path.split("/")[2:]
                name, rest = "/".join(words[:2]), words[2:]
                if name not in hub.private:
                    return self.refuse(404, "RepoNotFound")
                if rest[:1] == ["tree"]:
                    below = "/".join(rest[2:])
                    recursive = "recursive=true" in self.path.lower()
                    found = hub.listing(name, below and f"{below}/", recursive)
                    if below and not found:
                        return self.refuse(404, "EntryNotFound")
                    return self.tell(found)
                siblings = [{"rfilename": each["path"]} for each in hub.tree(name)]
                told = {"id": name, "sha": COMMIT, "siblings": siblings}
                return self.tell({**told, "private": hub.private[name]})
            if path.startswith("datasets/"):
                name, _, rest = path.removeprefix("datasets/").partition("/resolve/")
                data = hub.files.get((name, rest.partition("/")[2]))
                if data is None:
                    return self.refuse(404, "EntryNotFound" if rest else "RepoNotFound")
                tag = f'"{hashlib.sha1(data).hexdigest()}"'
                return self.tell(data, 200, [("X-Repo-Commit", COMMIT), ("ETag", tag)])
            return self.refuse(404, "RepoNotFound")

        def do_HEAD(self):
            self.do_GET()

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = urlsplit(self.path).path.lstrip("/")
            if path == "api/validate-yaml":
                return self.validate(json.loads(body))
            if path == "api/repos/create":
                asked = json.loads(body)
                name = f"{asked['organization']}/{asked['name']}"
                private = asked.get("private") or asked.get("visibility") == "private"
                hub.private.setdefault(name, private)
                return self.tell({"url": f"{hub.address}/datasets/{name}", "name": name})
            words = path.split("/")
            name, what = "/".join(words[2:4]), words[4]
            if what == "preupload":
                files = json.loads(body)["files"]
                return self.tell(
                    {
                        "files": [
                            {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False}
                            for f in files
                        ]
                    }
                )
            if what == "paths-info":
                asked = json.loads(body)["paths"]
                return self.tell([each for each in hub.tree(name) if each["path"] in asked])
            if hub.refused_after is not None and len(hub.commits) >= hub.refused_after:
                return self.refuse(503, "ServiceUnavailable")
            lines = [json.loads(line) for line in body.splitlines()]
            changed = 0
            for line in lines:
                value = line["value"]
                if line["key"] == "file":
                    changed += 1
                    hub.files[name, value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "deletedFile":
                    del hub.files[name, value["path"]]
            hub.commits.append(changed)
            where = f"{hub.address}/datasets/{name}/commit/{COMMIT}"
            return self.tell({"commitUrl": where, "commitOid": COMMIT, "pullRequestUrl": None})

        def validate(self, asked):
            """Refuse a header that is no YAML, or lacks its list of tags, as the hub's own does."""
            try:
                header = yaml.safe_load(asked["content"].split("---\n")[1])
                wrong = not isinstance(header, dict) or not isinstance(header["tags"], list)
            except (IndexError, KeyError, yaml.YAMLError):
                wrong = True
            if wrong:
                return self.tell({"errors": [{"message": "no header"}], "warnings": []}, 400)
            return self.tell({"errors": [], "warnings": []})

    return Handler
