"""`jaxanon run`: a file of options is the command line that it stands for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import jaxanon
from test_shards import everything, shards  # noqa: F401  # a fixture

from jaxanon.cli import COMMANDS, parser
from jaxanon.cli.config_run import words_of

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"


@pytest.fixture
def job(tmp_path, monkeypatch):
    """Writes job.yaml into a working directory of its own, and gives its path."""
    monkeypatch.chdir(tmp_path)

    def write(text):
        Path("job.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return Path("job.yaml")

    return write


def test_a_file_is_the_command_line_that_it_stands_for(job):
    file = job(
        """
        # comments are allowed
        output: -out
        sources: [a, b@hf-hub:c/d]
        targets: e,f
        set:
          - transforms=resize:0.2,flip
          - patience=3
        resume: true
        quiet: false
        steps: 010
        eps: 1e-3
        seed: -3
        strength: 0o17
        method: no
        classes: ~
        src: [b.tar, a.tar]
        command: anonymize
        """
    )
    assert words_of(file) == [
        "anonymize", "b.tar", "a.tar", "--method=no", "--strength=0o17", "--output=-out",
        "--resume", "--sources=a,b@hf-hub:c/d", "--targets=e,f", "--classes=~", "--seed=-3",
        "--steps=010", "--eps=1e-3", "--set=transforms=resize:0.2,flip", "--set=patience=3",
    ]  # fmt: skip


def test_two_folders_come_in_the_order_of_the_command(job):
    file = job("command: transfer\nadapted: out\njson: t.json\noriginals: photos\n")
    assert words_of(file) == ["transfer", "photos", "out", "--json=t.json"]


def test_patterns_are_filled_in_as_by_a_shell(job):
    for name in ("b.tar", "a.tar", "c.txt", "x[1].tar"):
        Path(name).touch()
    start = "command: anonymize\noutput: out\n"
    assert words_of(job(f"{start}src: '[ab].tar'"))[1:3] == ["a.tar", "b.tar"]
    assert words_of(job(f"{start}src: ['x[1].tar']"))[1] == "x[1].tar", "a file of that name"
    assert words_of(job("command: models\nwords: ['*']")) == ["models", "*"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no options; write lines of KEY: VALUE"),
        ("- anonymize", "holds no options"),
        ("output: out", "names no command; add a line such as command: anonymize"),
        ("command: anonymise", "line 1: unknown command 'anonymise'; near matches: anonymize"),
        ("command: [anonymize]", "line 1: command is ['anonymize']: give one command"),
        ("command: run", "line 1: command is 'run': a file cannot run files"),
        (b"\xff\xfe\xfd", "is no YAML: "),
        ("a: \0", "is no YAML: "),
        ("a: " + "[" * 5000, "nested too deeply"),
        ("a: 1\n---\na: 2", "line 2: no YAML: expected a single document"),
    ],
)
def test_a_file_that_names_no_command_is_refused(job, capsys, text, told):
    assert told in refused(job(text), capsys)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("ouput: out", "line 2: ouput is 'out': unknown option of anonymize 'ouput'; near matches"),
        ("save_views: v", "near matches: save-views"),
        ("help: true", "help is 'true': unknown option"),
        ("o: out", "o is 'out': unknown option"),
        ("resume: yes", "resume is 'yes': give true or false"),
        ("resume: [true]", "resume is ['true']: give true or false"),
        ("output: [a, b]", "output is ['a', 'b']: give one value, not a list"),
        ("src: -x.png", "-x.png would be read as an option; write ./-x.png"),
        ("src: ['*.tar']", "*.tar fits no file, seen from "),
        ("output:", "output has no value; give one, or leave the line out"),
        ("sources: []", "sources has no value"),
        ("sources: [a, [b]]", "sources: lists and mappings in a list have no meaning"),
        ("set: {eps: 8, steps: 3}", "line 2: set is a mapping (eps, steps), which has no meaning"),
        ("seed: 1\nseed: 2", "line 3: seed is '2': line 2 gives seed too; keep one of them"),
        ("? [a]\n: b", "line 2: the key is no text"),
        ("src: [a.tar", "no YAML: while parsing a flow sequence"),
        ("src: a.tar\noutput: out\nsteps: ten", "argument --steps: invalid int value: 'ten'"),
        ("src: a.tar\noutput: out\nengine: spark", "argument --engine: invalid choice: 'spark'"),
        ("src: a.tar", "the following arguments are required: -o/--output"),
        ("src: a.png\noutput: out\nmethod: blurr", "unknown method 'blurr'; near matches: blur"),
    ],
)
def test_a_line_that_cannot_be_is_refused(job, capsys, lines, told):
    assert told in refused(job(f"command: anonymize\n{lines}"), capsys)


def refused(file, capsys):
    """What is said of a file: one line, which begins with its name."""
    assert jaxanon("run", file) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("jaxanon: job.yaml")
    assert shown.count("\n") == 1
    return shown


def test_a_file_that_cannot_be_read_is_told(tmp_path, capsys):
    assert jaxanon("run", tmp_path / "none.yaml") == 2
    assert "none.yaml cannot be read: No such file" in capsys.readouterr().err
    assert jaxanon("run", tmp_path) == 2
    assert "cannot be read: Is a directory" in capsys.readouterr().err


def test_words_after_the_file_go_before_it(job, capsys, monkeypatch):
    seen = []
    monkeypatch.setattr("jaxanon.cli.anonymize.anonymize", lambda args: seen.append(args) or 0)
    file = job("command: anonymize\nsrc: a.tar\noutput: out\nshard: 1/8\nseed: 1\nset: eps=3")
    assert jaxanon("run", file, "--resume", "--shard", "3/8", "--set", "eps=4") == 0
    (args,) = seen
    assert (args.command, args.shard, args.seed, args.resume) == ("anonymize", (3, 8), 1, True)
    assert args.set == ["eps=3", "eps=4"], "of which the last counts"
    assert jaxanon("run", file, "--stregth", "8") == 2
    assert "job.yaml: unrecognized arguments: --stregth 8; near" in capsys.readouterr().err
    job("command: anonymize\nsrc: a.tar\noutput: out\nresume: true")
    assert jaxanon("run", file, "--overwrite") == 2
    assert "--overwrite: not allowed with argument --resume" in capsys.readouterr().err


def test_every_option_of_every_command_can_be_given(job):
    """By its long name; none of them is called `command`."""
    for name in COMMANDS.keys() - {"run"}:
        (commands,) = (a.choices for a in parser()._actions if a.dest == "command")
        for action in commands[name]._actions:
            if not action.option_strings or action.dest == "help":
                continue
            key = max(action.option_strings, key=len).removeprefix("--")
            value = "true" if action.nargs == 0 else "x"
            words = words_of(job(f"command: {name}\n{key}: {value}"))
            assert words == [name, f"--{key}" + ("" if action.nargs == 0 else "=x")]


def test_help_does_not_read_yaml():
    code = "import sys, jaxanon.cli; jaxanon.cli.parser(); print('yaml' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "False\n"


def test_a_run_from_a_file_is_the_run_from_the_command_line(
    zoo,
    shards,  # noqa: F811
    tmp_path,
    monkeypatch,
    capsys,
):
    monkeypatch.chdir(tmp_path)
    options = {
        "src": "in/*.tar", "output": "out", "sources": f"[{', '.join(zoo[:2])}]",
        "targets": zoo[2], "strength": 10, "eps": 40, "steps": 40, "quiet": "true",
        "preset": "fast",
    }  # fmt: skip
    Path("job.yaml").write_text(
        "command: anonymize\n" + "".join(f"{key}: {value}\n" for key, value in options.items())
    )
    assert jaxanon("run", "job.yaml") == 0
    words = ["--strength", 10, "--eps", 40, "--steps", 40, "--quiet"]
    names = ["--sources", ",".join(zoo[:2]), "--targets", zoo[2]]
    inputs = [path.relative_to(tmp_path) for path in shards]
    assert jaxanon("anonymize", *inputs, "-o", "whole", *names, *words) == 0
    assert everything(tmp_path / "out") == everything(tmp_path / "whole")
    assert jaxanon("run", "job.yaml") == 2
    said = capsys.readouterr().err
    assert "job.yaml: " in said
    assert "out/manifest exists; give --resume" in said
    assert jaxanon("run", "job.yaml", "--resume") == 0


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_the_examples_parse(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("data", "train-0.tar").touch()
    args = parser().parse_args(words_of(file))
    assert args.src == [Path("data", "train-0.tar")]
    assert args.resume is True
    assert os.fspath(args.output) == "out"
