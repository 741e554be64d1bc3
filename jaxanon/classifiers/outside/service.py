"""A classifier behind an address: it is sent a picture, and answers in JSON."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from http import HTTPStatus

from jaxanon.classifiers.outside.allowance import Allowance
from jaxanon.classifiers.outside.answers import MOST_SHOWN, as_scores
from jaxanon.classifiers.outside.classifier import NOT_SENT, AnswerError, Question
from jaxanon.classifiers.outside.naming import Named
from jaxanon.classifiers.outside.remembered import Remembered
from jaxanon.classifiers.outside.sending import MOST_BYTES, Send, Sender, is_here
from jaxanon.errors import UsageError, printable
from jaxanon.io.images import encode

log = logging.getLogger(__name__)

TIMEOUT, RETRIES, AT_ONCE = 30.0, 5, 4
"""Seconds for a whole answer; times that a question is asked again; questions at once."""
LONGEST_PAUSE = 60.0
"""Seconds between two tries at most, also where the service asks for more."""
AGAIN = {408, 425, 429, 500, 502, 503, 504}
"""Statuses after which the same question may be answered later."""
REFUSED = {401, 407}
"""Statuses after which no other question would fare better."""
DOUBTFUL = {403, 404, 405}
"""Statuses that a wrong address has, but also one picture that the service does not want."""
DOUBTS = 3
"""So many of them, before any answer, are those of a wrong address."""


class _LaterError(Exception):
    """No answer yet, but there may be one; `pause`: seconds that the service asks to wait."""

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


class Service:
    """`http://...` or `https://...`: is sent the image's file by POST, and answers in JSON.

    Pictures that are to be hidden leave the machine only where the option `originals=send` says so;
    the addresses of this machine itself are always asked.

    Args:
        named: the address, and the options: `label`, a JMESPath expression for the class or the
            scores in the answer (default: `label`); `labels` or `classes`; `header`, such as
            `Authorization:TOKEN`, whose value is that of the environment variable; `field`, the
            name of the file in a form (default: the file is the body); `timeout`, seconds until
            an answer is there in full; `retries`; `rate`, questions a second; `budget`, questions
            of this process; `at_once`.

    Raises:
        UsageError: for options that cannot be.
    """

    def __init__(self, named: Named) -> None:
        import jmespath

        options = named.options
        self.name, self.known = named.name, named.known(named.name)
        self._asked_as = repr(sorted((k, v) for k, v in options.items() if k in ("label", "field")))
        try:
            self._label = jmespath.compile(options.get("label", "label"))
        except jmespath.exceptions.JMESPathError as error:
            text = f"label={options['label']} is no JMESPath expression: {error}"
            raise UsageError(f"{self.name}: {text}") from error
        self._sender = Sender(
            named.name,
            options.get("field"),
            _headers(named),
            named.amount("timeout", TIMEOUT, 1e-3) or TIMEOUT,
        )
        self.sees_originals = _may_send(named)
        self._retries = named.number("retries", RETRIES, 0) or 0
        self._waited = False
        self._at_once = named.number("at_once", AT_ONCE) or AT_ONCE
        rate, budget = named.amount("rate", None, 1e-3), named.number("budget", None)
        self._allowance = Allowance(rate, budget, self._at_once)
        self._remembered: Remembered | None = None
        self._refusal: str | None = None
        self._doubts = 0.0

    def remember(self, answers: Remembered | None) -> None:
        """Keep answers there, and ask nothing that is answered there."""
        self._remembered = answers

    def answers(self, pictures: Sequence[Question]) -> Sequence[object]:
        """What the service says of each picture, several asked about at once."""
        with (
            self._sender.open() as send,
            ThreadPoolExecutor(min(self._at_once, len(pictures))) as threads,
        ):
            return list(threads.map(partial(self._answer, send), pictures))

    def key(self, file: bytes) -> str:
        """What names the question about a file among those of all services."""
        return sha256(f"{self.name}\n{self._asked_as}\n".encode() + file).hexdigest()

    def _answer(self, send: Send, picture: Question) -> object:
        """What it says of one picture, or an AnswerError."""
        file = encode(picture.pixels, "png") if picture.file is None else picture.file
        asking = partial(self._asked, send, file)
        try:
            if picture.private and not self.sees_originals:
                raise AnswerError(NOT_SENT)
            return self._remembered.answer(self.key(file), asking) if self._remembered else asking()
        except AnswerError as error:
            return error

    def _asked(self, send: Send, file: bytes) -> object:
        """Ask, again where that may help.

        Raises:
            AnswerError: when there is no answer.
        """
        import tenacity

        pause = tenacity.wait_exponential(0.5, LONGEST_PAUSE) + tenacity.wait_random(0, 0.5)

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.pause if isinstance(error, _LaterError) else 0.0
            return max(min(asked, LONGEST_PAUSE), 0.0 if asked else pause(state))

        def say(state: tenacity.RetryCallState) -> None:
            if not self._waited and state.outcome:
                log.warning("%s: %s; asking again", self.name, state.outcome.exception())
            self._waited = True

        asking = tenacity.Retrying(
            before_sleep=say,
            retry=tenacity.retry_if_exception_type(_LaterError),
            wait=wait,
            stop=tenacity.stop_after_attempt(self._retries + 1),
            reraise=True,
        )
        try:
            with self._allowance.room:
                found: object = asking(self._once, send, file)
        except _LaterError as error:
            raise AnswerError(
                f"did not answer, asked {self._retries + 1} times: {error}; once it does, "
                "--resume goes on"
            ) from error
        return found

    def _once(self, send: Send, file: bytes) -> object:
        """Ask once."""
        import httpx

        if self._refusal:
            raise AnswerError(self._refusal)
        self._allowance.take()
        try:
            status, headers, content = send(file)
        except TimeoutError as error:
            text = f"no answer in full within {self._sender.timeout:g} seconds, see option timeout"
            raise _LaterError(text) from error
        except httpx.HTTPError as error:
            raise _LaterError(f"{type(error).__name__}: {error}") from error
        if status in AGAIN:
            raise _LaterError(f"status {status}", _pause(headers))
        if self._refuses_all(status):
            self._refusal = f"refuses: status {status}; see its address, and its option header"
        if status != HTTPStatus.OK:
            raise AnswerError(self._refusal or f"answered with status {status}")
        try:
            if len(content) > MOST_BYTES:
                raise ValueError(f"it is longer than {MOST_BYTES} bytes")
            found: object = self._label.search(json.loads(content))
        except Exception as error:
            begins = printable(content[:MOST_SHOWN].decode(errors="replace"))
            text = f"gave no JSON that can be used: {error}; its answer begins with {begins!r}"
            raise AnswerError(text) from error
        if found is None:
            raise AnswerError(f"gave an answer without {self._label.expression}: see option label")
        as_scores(found, self.known)  # what cannot be used is not kept, and asked for again
        return found

    def _refuses_all(self, status: int) -> bool:
        """Whether a status tells that no other question would fare better."""
        if status == HTTPStatus.OK:
            self._doubts = -math.inf  # the address is right
        elif status in DOUBTFUL:
            self._doubts += 1
        return status in REFUSED or self._doubts >= DOUBTS


def _may_send(named: Named) -> bool:
    """Whether pictures that are to be hidden may be sent there."""
    wanted = named.options.get("originals")
    if wanted not in (None, "send"):
        raise UsageError(f"{named.name}: originals={wanted}; it can only be send")
    return wanted == "send" or is_here(named.name)


def _headers(named: Named) -> dict[str, str]:
    """Headers whose values come from the environment: a command line is seen by others.

    Raises:
        UsageError: when a variable is not set.
    """
    headers = {}
    for part in filter(None, named.options.get("header", "").split(";")):
        header, found, variable = part.partition(":")
        if not found or variable not in os.environ:
            text = "write header=NAME:VARIABLE, with a variable of the environment that is set"
            raise UsageError(f"{named.name}: header={part}: {text}")
        headers[header] = os.environ[variable]
    return headers


def _pause(headers: Mapping[str, str]) -> float:
    """Seconds that a service asks to wait; 0 where it does not say."""
    try:
        return max(0.0, float(headers.get("retry-after", "0")))  # in this order 0 for nan
    except ValueError:
        return 0.0  # a date
