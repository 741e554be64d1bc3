"""`jaxanon run`: a command and its options from a YAML file, for jobs under version control.

The file becomes the words of a command line, which pass the parser of all commands: what an option
may be is said in one place only. Values are the text of the file, never what YAML makes of it, for
which `no` is a truth value and `1e-3` none that it calls a number.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from jaxanon.cli import COMMANDS, CommandParser, parser, perform
from jaxanon.errors import UsageError, unknown

if TYPE_CHECKING:
    import yaml

    from jaxanon.cli.common import Loader

COMMAND = "command"
"""The key of the command's name; no option may bear this name."""


class ConfigEntry(NamedTuple):
    """A line of a configuration file.

    Attributes:
        place: file and line, for messages.
        key: what stands before the colon.
        value: the text after it, or the texts of a list, as they are written.
    """

    place: str
    key: str
    value: str | list[str]

    def refused(self, why: str) -> UsageError:
        """The error that says why this entry cannot be, with what was written."""
        return UsageError(f"{self.place}: {self.key} is {self.value!r}: {why}")


class _RaisingParser(CommandParser):
    """A parser whose errors can be given the name of a file before they are printed."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def run(args: argparse.Namespace, load: Loader | None = None) -> int:
    """`jaxanon run`: do what a file says, and what the words after it change of that.

    Raises:
        UsageError: for a file that cannot be read, what it says and cannot be, and all that the
            command refuses; with the file's name.
    """
    words = [*words_of(args.config), *args.more]
    try:
        return perform(parser(_RaisingParser).parse_args(words), load)
    except UsageError as error:
        raise UsageError(f"{args.config}: {error}") from error


def words_of(path: Path) -> list[str]:
    """The words after `jaxanon` that a configuration file stands for.

    Args:
        path: a YAML file of one mapping: `command`, and options by their long names. A flag is
            true or false. A list gives several files, a list with commas, or an option several
            times, as the option has it.

    Returns:
        The command, then files and folders, then options.

    Raises:
        UsageError: naming the file, the line, the key and what can be done.
    """
    entries = {entry.key: entry for entry in _entries(path)}
    command = entries.pop(COMMAND, None)
    if command is None:
        raise UsageError(f"{path} names no command; add a line such as command: anonymize")
    if not isinstance(command.value, str):
        raise command.refused("give one command")
    if command.value == "run":
        raise command.refused("a file cannot run files; name the command itself")
    if command.value not in COMMANDS:
        raise UsageError(f"{command.place}: {unknown('command', command.value, COMMANDS)}")
    known = _actions(command.value)
    for entry in entries.values():
        if entry.key not in known:
            raise entry.refused(unknown(f"option of {command.value}", entry.key, known))
    given = [(known[entry.key], entry) for entry in entries.values()]
    order = list(known.values())
    given.sort(key=lambda each: order.index(each[0]))  # of two folders, which is which
    places = [word for action, entry in given for word in _positional(action, entry)]
    return [command.value, *places, *(w for action, entry in given for w in _option(action, entry))]


def _actions(command: str) -> Mapping[str, argparse.Action]:
    """What a command takes, by the names of the file: those of its parser, help aside."""
    made = CommandParser(add_help=False)
    COMMANDS[command].arguments(made)
    return {
        next((o[2:] for o in action.option_strings if o.startswith("--")), action.dest): action
        for action in made._actions
    }


def _positional(action: argparse.Action, entry: ConfigEntry) -> Iterator[str]:
    """The words of an entry that has no option before it; none of any other.

    Patterns such as `data/*.tar` are filled in, as a shell would.
    """
    if action.option_strings:
        return
    several = action.nargs in ("*", "+")
    if isinstance(entry.value, list) and not several:
        raise entry.refused("give one, not a list")
    for value in _listed(entry.value):
        if value.startswith("-") and value != "-":
            raise entry.refused(f"{value} would be read as an option; write ./{value}")
        pattern = several and action.type is not None and any(c in value for c in "*?[")
        if not pattern or Path(value).exists():
            yield value
        elif found := sorted(glob(value)):  # noqa: PTH207  # whose patterns may not begin at /
            yield from found
        else:
            raise entry.refused(f"{value} fits no file, seen from {Path.cwd()}")


def _option(action: argparse.Action, entry: ConfigEntry) -> Iterator[str]:
    """The words of an entry that stands for an option; none of any other.

    Option and value are one word, so that a value may begin with a dash.
    """
    if not action.option_strings:
        return
    flag = f"--{entry.key}"
    if action.nargs == 0:
        if entry.value not in ("true", "false"):
            raise entry.refused("give true or false")
        yield from [flag] if entry.value == "true" else []
    elif isinstance(entry.value, str):
        yield f"{flag}={entry.value}"
    elif isinstance(action, argparse._AppendAction):
        yield from (f"{flag}={value}" for value in entry.value)
    elif "," in str(action.metavar):  # as help shows what takes several
        yield f"{flag}={','.join(entry.value)}"
    else:
        raise entry.refused("give one value, not a list")


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _entries(path: Path) -> Iterator[ConfigEntry]:
    """The lines of a configuration file, checked for their form only.

    Raises:
        UsageError: for what is no YAML, no mapping, nested, empty, or there twice.
    """
    import yaml  # not before: help answers at once

    root = _read(path)
    if not isinstance(root, yaml.MappingNode):
        raise UsageError(
            f"{path} holds no options; write lines of KEY: VALUE, such as command: anonymize"
        )
    lines: dict[str, int] = {}
    for key, node in root.value:
        line = key.start_mark.line + 1
        place = f"{path}, line {line}"
        if not isinstance(key, yaml.ScalarNode):
            raise UsageError(f"{place}: the key is no text; write KEY: VALUE")
        entry = ConfigEntry(place, key.value, _value(node, f"{place}: {key.value}"))
        if entry.key in lines:
            raise entry.refused(f"line {lines[entry.key]} gives {entry.key} too; keep one of them")
        lines[entry.key] = line
        yield entry


def _read(path: Path) -> yaml.Node | None:
    """What a YAML file holds, as nodes that know their lines; None for an empty file."""
    import yaml

    try:
        node: yaml.Node | None = yaml.compose(path.read_bytes(), Loader=yaml.BaseLoader)
        return node
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}; name a YAML file") from error
    except RecursionError as error:
        raise UsageError(f"{path}: nested too deeply; write lines of KEY: VALUE") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        why = " ".join(filter(None, (error.context, error.problem)))
        raise UsageError(f"{path}, line {line}: no YAML: {why}; quote what is text") from error
    except yaml.YAMLError as error:
        why = " ".join(str(error).split())
        raise UsageError(f"{path} is no YAML: {why}; save it as UTF-8 text") from error


def _value(node: yaml.Node, what: str) -> str | list[str]:
    """The text of a node, or the texts of a list.

    Raises:
        UsageError: for what has none, or is nested.
    """
    import yaml

    if isinstance(node, yaml.SequenceNode):
        texts = [each.value for each in node.value if isinstance(each, yaml.ScalarNode)]
        if len(texts) < len(node.value):
            raise UsageError(f"{what}: lists and mappings in a list have no meaning; give texts")
    elif isinstance(node, yaml.ScalarNode):
        texts = [node.value]
    else:
        names = ", ".join(str(key.value) for key, _ in node.value)
        raise UsageError(
            f"{what} is a mapping ({names}), which has no meaning; write each option on a line of "
            "its own, and those of set as a list: set: [eps=8]"
        )
    if not texts or "" in texts:
        raise UsageError(f"{what} has no value; give one, or leave the line out")
    return texts if isinstance(node, yaml.SequenceNode) else texts[0]
