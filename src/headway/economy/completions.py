"""One question to an OpenAI-compatible endpoint, and an answer that is data whatever the endpoint does.

The chat-completions protocol over `httpx` (extra ``agents``): plain or streamed answers, a time limit on the whole
exchange, a limit on its bytes, retries where they can help, usage counted over all attempts. Redirects are not
followed, so that the key goes nowhere else, and it stands in no message.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

from headway.economy._complaints import MENDED, complaint, without
from headway.economy.answers import Problem, Shape, Unusable, json_schema, read_answer
from headway.economy.tokens import DecisionTokens
from headway.facts.check import not_negative, positive, single, whole
from headway.facts.errors import InputError, MissingExtraError

Message = Mapping[str, str]
T = TypeVar("T")

RETRIED: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Statuses after which asking again can help."""
CHARACTERS_PER_TOKEN: Final = 4.3
"""Of English text and JSON under cl100k; used where an endpoint does not count its tokens."""
ONCE_MORE: Final = "Answer again with one JSON object of the stated shape and nothing else."
_MOST_TOKENS: Final = 100_000_000
_FIRST_PAUSE_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model answers, and how long and how much it may.

    Parameters
    ----------
    url : str
        Base address, to which ``/chat/completions`` is added (``"http://127.0.0.1:8000/v1"``).
    model : str
        Name that the endpoint knows it by.
    key : str
        Bearer key; empty for none. It is never shown.
    limit_s : float
        For one decision, all attempts together [s].
    retries : int
        Further attempts after the first [1].
    most_output : int
        Tokens that an answer may have; those that a model thinks in count too [token].
    most_bytes : int
        Bytes of one HTTP answer [B].
    stream : bool
        Ask for a streamed answer.
    asks_for : {"json_schema", "json_object", "text"}
        What the endpoint can be asked to keep to; the answer is checked all the same.
    temperature : float
        Left out where the endpoint takes none [1].

    Raises
    ------
    InputError
        If the address is not http or https, or a limit is out of range.

    Examples
    --------
    >>> Endpoint("ftp://host", "m")
    Traceback (most recent call last):
    headway.facts.errors.InputError: url: 'ftp://host' is not accepted: expected an http or https address ...
    """

    url: str
    model: str
    key: str = field(default="", repr=False)
    limit_s: float = 60.0
    retries: int = 2
    most_output: int = 800
    most_bytes: int = 1 << 20
    stream: bool = False
    asks_for: Literal["json_schema", "json_object", "text"] = "json_schema"
    temperature: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be asked."""
        try:
            parts = urlsplit(self.url)
            parts.port  # noqa: B018
        except ValueError:
            raise InputError("url", self.url, "an http or https address with a port up to 65535") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise InputError("url", self.url, "an http or https address without a query")
        if parts.username or parts.password:
            raise InputError("url", f"{parts.scheme}://...@{parts.hostname}", "an address without a name or a password")
        if not (self.key.isascii() and (self.key.isprintable())):
            raise InputError("key", "...", "printable ASCII")
        positive("limit_s", single("limit_s", self.limit_s), "s")
        whole("retries", self.retries, least=0, most=10)
        whole("most_output", self.most_output, most=1_000_000)
        whole("most_bytes", self.most_bytes)
        not_negative("temperature", self.temperature)


@dataclass(frozen=True, slots=True)
class Said:
    """What came of a question.

    Parameters
    ----------
    data : dict or None
        The answer, of the shape asked for; None where there is a problem.
    problem : Problem or None
        Of the last attempt.
    tokens : DecisionTokens
        Of every attempt that was answered; one call where none was.
    counted : bool
        Whether the endpoint counted all of them; otherwise they are estimated from the characters.
    attempts : int
        [1].
    seconds : float
        Of the whole exchange [s].
    """

    data: dict[str, Any] | None
    problem: Problem | None
    tokens: DecisionTokens
    counted: bool
    attempts: int
    seconds: float


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One HTTP exchange: the text, or a problem, whether to try again, what it took, and which field was refused."""

    text: str = ""
    problem: Problem | None = None
    again: bool = False
    usage: tuple[int, int, int] | None = None
    spoke: bool = False
    pause_s: float = 0.0
    refused: str = ""


def ask(endpoint: Endpoint, messages: Sequence[Message], shape: Shape, *, transport: Any = None) -> Said:
    """Ask and wait: :func:`ask_async` for programs without an event loop.

    Parameters
    ----------
    endpoint : Endpoint
    messages : sequence of mapping
        Roles and contents.
    shape : tuple of Field
        Of the answer.
    transport : httpx.AsyncBaseTransport, optional
        In place of the network.

    Returns
    -------
    Said
        Every failure of endpoint or model is in it.

    Raises
    ------
    MissingExtraError
        If `httpx` is not installed.

    Examples
    --------
    >>> from headway.economy.answers import Field
    >>> nobody = Endpoint("http://127.0.0.1:9/v1", "none", limit_s=5, retries=0)
    >>> said = ask(nobody, [{"role": "user", "content": "hello"}], (Field("action", "text", ""),))
    >>> said.data, said.problem.reason.name
    (None, 'UNREACHABLE')
    """
    return to_the_end(ask_async(endpoint, messages, shape, transport=transport))


def to_the_end(wanted: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end and give its result, from a notebook too.

    A notebook has an event loop running in its thread already, and a second one may not start there: the coroutine
    then runs in a thread of its own while the caller waits.

    Parameters
    ----------
    wanted : Coroutine

    Returns
    -------
    object
        What it returns; its errors are raised.

    Examples
    --------
    >>> to_the_end(asyncio.sleep(0, "done"))
    'done'
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(wanted)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, wanted).result()


async def ask_async(endpoint: Endpoint, messages: Sequence[Message], shape: Shape, *, transport: Any = None) -> Said:
    """Ask until there is an answer of the shape, attempts are used up, or the time is over.

    An answer that cannot be used is asked for once more with the reason, never with what was wrong in it; a request
    with a field that the endpoint does not take is sent again without it, which costs no attempt of `retries`. The time
    limit cuts off whatever is under way, a slow trickle included.
    """
    httpx = _httpx()
    began = time.monotonic()
    talk = [dict(m) for m in messages]
    counts: list[tuple[int, int, int]] = []
    counted, attempts, refused = True, 0, set[str]()
    problem: Problem | None = Problem(Unusable.TIMED_OUT)
    data: dict[str, Any] | None = None
    # Reading certificates takes longer than a local answer, and plain http has no use for them.
    options = {"verify": endpoint.url.startswith("https:"), "follow_redirects": False, "timeout": endpoint.limit_s}
    async with httpx.AsyncClient(transport=transport, **options) as client:
        for attempt in range(endpoint.retries + 1):
            left = endpoint.limit_s - (time.monotonic() - began)
            if left <= 0:
                break
            attempts += 1
            one = await _within(left, client, endpoint, without(_body(endpoint, talk, shape), refused))
            while one.refused and one.refused not in refused:
                refused.add(one.refused)
                attempts += 1
                left = endpoint.limit_s - (time.monotonic() - began)
                one = await _within(left, client, endpoint, without(_body(endpoint, talk, shape), refused))
            if one.spoke:
                counted = counted and one.usage is not None
                counts.append(one.usage or _estimate(talk, one.text))
            found = one.problem or read_answer(one.text, shape)
            if not isinstance(found, Problem):
                data, problem = found, None
                break
            problem = found
            if one.problem is not None and not one.again:
                break
            if one.problem is None:
                talk = [*(dict(m) for m in messages), {"role": "user", "content": f"{found.reason.value}. {ONCE_MORE}"}]
            pause = max(one.pause_s, _FIRST_PAUSE_S * 2**attempt) if one.problem is not None else 0.0
            if attempt < endpoint.retries and pause:
                left = endpoint.limit_s - (time.monotonic() - began)
                if pause >= left:
                    break
                await asyncio.sleep(pause)
    read, held, wrote = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0, 0)
    tokens = DecisionTokens(read, held, wrote, float(max(len(counts), 1)))
    return Said(data, problem, tokens, counted, attempts, time.monotonic() - began)


async def _within(left: float, client: Any, endpoint: Endpoint, body: dict[str, Any]) -> _Attempt:
    try:
        async with asyncio.timeout(left):
            return await _attempt(client, endpoint, body)
    except TimeoutError:
        return _Attempt(problem=Problem(Unusable.TIMED_OUT, f"{endpoint.limit_s:g} s"))


async def _attempt(client: Any, endpoint: Endpoint, body: dict[str, Any]) -> _Attempt:
    httpx = _httpx()
    headers = {"Accept-Encoding": "identity", "Accept": "text/event-stream" if endpoint.stream else "application/json"}
    if endpoint.key:
        headers["Authorization"] = f"Bearer {endpoint.key}"
    address = endpoint.url.rstrip("/") + "/chat/completions"
    try:
        async with client.stream("POST", address, json=body, headers=headers) as answer:
            if answer.headers.get("content-encoding", "identity") != "identity":
                return _Attempt(problem=Problem(Unusable.NOT_A_COMPLETION, "a compressed answer"))
            raw = bytearray()
            async for piece in answer.aiter_bytes():
                raw += piece
                if len(raw) > endpoint.most_bytes:
                    return _Attempt(problem=Problem(Unusable.OVERSIZED, f"over {endpoint.most_bytes} B"))
            if answer.status_code != 200:
                return _failed(answer.status_code, answer.headers.get("retry-after", ""), bytes(raw), endpoint.key)
            streamed = answer.headers.get("content-type", "").partition(";")[0].strip() == "text/event-stream"
            return _streamed(bytes(raw)) if streamed else _plain(bytes(raw))
    except httpx.HTTPError as error:
        cut = isinstance(error, httpx.RemoteProtocolError | httpx.ReadError)
        reason = Unusable.TRUNCATED if cut else Unusable.UNREACHABLE
        return _Attempt(problem=Problem(reason, type(error).__name__), again=True)


def _body(endpoint: Endpoint, talk: list[dict[str, str]], shape: Shape) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": endpoint.model,
        "messages": talk,
        "temperature": endpoint.temperature,
        "max_tokens": endpoint.most_output,
    }
    if endpoint.asks_for == "json_schema":
        schema = {"name": "answer", "strict": True, "schema": json_schema(shape)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif endpoint.asks_for == "json_object":
        body["response_format"] = {"type": "json_object"}
    if endpoint.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body


def _failed(status: int, retry_after: str, raw: bytes, key: str) -> _Attempt:
    """An error status with what the endpoint says of it: a wrong key, a model that is not there."""
    field, said = complaint(raw, key)
    try:
        pause = float(retry_after)
    except ValueError:
        pause = 0.0
    pause = pause if 0 <= pause < math.inf else 0.0
    problem = Problem(Unusable.HTTP_STATUS, f"{status}, {said}" if said else str(status))
    refused = field if status == 400 and field in MENDED else ""
    return _Attempt(problem=problem, again=status in RETRIED, refused=refused, pause_s=pause)


def _plain(raw: bytes) -> _Attempt:
    try:
        found = json.loads(raw)
        choice = found["choices"][0]
        text, why = choice["message"].get("content"), choice.get("finish_reason")
        refusal = choice["message"].get("refusal")
    except (ValueError, RecursionError, KeyError, IndexError, TypeError, AttributeError):
        return _Attempt(problem=Problem(Unusable.NOT_A_COMPLETION), again=True)
    return _finished(text, why, refusal, _usage(found.get("usage")))


def _streamed(raw: bytes) -> _Attempt:
    """Join the pieces of server-sent events; a stream without an end was cut."""
    pieces: list[str] = []
    why, usage, refusal, over = None, None, None, False
    try:
        for line in raw.decode("utf-8").split("\n"):
            name, _, data = line.rstrip("\r").partition(":")
            if name != "data":
                continue
            if data.strip() == "[DONE]":
                over = True
                break
            event = json.loads(data)
            usage = _usage(event.get("usage")) or usage
            for choice in event.get("choices", [])[:1]:
                delta = choice.get("delta") or {}
                pieces += [delta["content"]] if delta.get("content") else []
                refusal = delta.get("refusal") or refusal
                why = choice.get("finish_reason") or why
        text = "".join(pieces)
    except (ValueError, RecursionError, TypeError, AttributeError):
        return _Attempt(problem=Problem(Unusable.NOT_A_COMPLETION, "a broken stream"), again=True)
    if not over and why is None:
        return _Attempt(text, Problem(Unusable.TRUNCATED, "the stream has no end"), True, usage, spoke=True)
    return _finished(text, why, refusal, usage)


def _finished(text: object, why: object, refusal: object, usage: tuple[int, int, int] | None) -> _Attempt:
    if refusal or why == "content_filter":
        return _Attempt(problem=Problem(Unusable.FILTERED), usage=usage, spoke=True)
    said = text if isinstance(text, str) else ""
    if why == "length":
        return _Attempt(said, Problem(Unusable.TRUNCATED, "at the limit of output"), True, usage, spoke=True)
    return _Attempt(said, usage=usage, spoke=True)


def _usage(found: object) -> tuple[int, int, int] | None:
    """Input, cached and output tokens as the endpoint counted them; None where it did not, or cannot have."""
    if not isinstance(found, dict):
        return None
    details = found.get("prompt_tokens_details")
    held = details.get("cached_tokens") if isinstance(details, dict) else 0
    read, cached, wrote = (_count(n) for n in (found.get("prompt_tokens"), held or 0, found.get("completion_tokens")))
    if read is None or cached is None or wrote is None or cached > read:
        return None
    return read, cached, wrote


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else None


def _estimate(talk: list[dict[str, str]], text: str) -> tuple[int, int, int]:
    read = sum(len(m["content"]) for m in talk)
    return math.ceil(read / CHARACTERS_PER_TOKEN), 0, math.ceil(len(text) / CHARACTERS_PER_TOKEN)


def _httpx() -> Any:
    try:
        import httpx
    except ImportError:
        raise MissingExtraError("httpx", "agents") from None
    return httpx
