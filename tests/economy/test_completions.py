"""Whatever an endpoint does, the answer is data of the stated shape or one named reason, within the time limit."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.economy.stub_model import (
    USAGE,
    Behaviour,
    Handler,
    completion,
    fails,
    floods,
    hangs_up,
    says,
    sends,
    streams,
    stub_model,
    trickles,
    waits,
)

from headway.economy.answers import Field, Problem, Unusable, fits, json_schema, read_answer
from headway.economy.completions import Endpoint, Said, ask
from headway.facts.errors import InputError

SHAPE = (
    Field("action", "choice", "what", ("buy", "wait"), optional=False),
    Field("ids", "identifiers", "which", most=3),
    Field("total_minor", "amount", "how much"),
    Field("items", "items", "what for", most=3),
    Field("reason", "text", "why", most=20),
)
GOOD = {"action": "buy", "ids": ["o1"], "total_minor": 1200, "items": None, "reason": "cheap"}
HELLO = ({"role": "system", "content": "rules"}, {"role": "user", "content": "market"})


def asked(*behaviours: Behaviour, **limits: object) -> tuple[Said, list[dict[str, object]]]:
    with stub_model(*behaviours) as stub:
        given_limits = {"limit_s": 60.0, "retries": 1} | limits
        said = ask(Endpoint(stub.url, "stub", "secret-key", **given_limits), HELLO, SHAPE)  # type: ignore[arg-type]
        return said, stub.seen


def reason_of(said: Said) -> Unusable:
    assert said.data is None
    assert said.problem is not None
    assert "secret-key" not in str(said)
    return said.problem.reason


def test_a_good_answer_is_data_with_its_tokens() -> None:
    said, seen = asked(says(GOOD))
    assert said.data == GOOD
    assert said.problem is None
    assert (said.tokens.input, said.tokens.cached, said.tokens.output, said.tokens.calls) == (900, 600, 40, 1.0)
    assert said.counted
    assert said.attempts == 1
    assert seen[0]["path"] == "/v1/chat/completions"
    body = seen[0]["body"]
    assert body["messages"] == list(HELLO)  # type: ignore[index]
    assert body["response_format"]["json_schema"]["schema"] == json_schema(SHAPE)  # type: ignore[index]


def refuses(field: str) -> Behaviour:
    """What models that reason say of a field that they do not take."""

    def behave(handler: Handler, body: dict[str, Any]) -> None:
        if field not in body:
            return says(GOOD)(handler, body)
        error = {"message": f"Unsupported parameter: '{field}'.\nSee the guide.", "param": field}
        return handler.send(400, json.dumps({"error": error}).encode())

    return behave


def test_a_request_is_sent_again_without_what_the_endpoint_does_not_take() -> None:
    said, seen = asked(refuses("max_tokens"), refuses("temperature"), says(GOOD), retries=0, most_output=70)
    assert said.data == GOOD
    assert said.attempts == 3
    assert said.tokens.calls == 1.0
    last = seen[2]["body"]
    assert last["max_completion_tokens"] == 70  # type: ignore[index]
    assert not {"max_tokens", "temperature"} & set(last)  # type: ignore[call-overload]


def test_a_field_that_is_refused_for_ever_ends() -> None:
    body = json.dumps({"error": {"message": "no", "param": "temperature"}}).encode()
    said, seen = asked(fails(400, body), retries=3)
    assert reason_of(said) is Unusable.HTTP_STATUS
    assert len(seen) == 2


def test_an_error_says_what_the_endpoint_said_and_not_the_key() -> None:
    body = json.dumps({"error": {"message": "Incorrect API key: secret-key.\nLong story."}}).encode()
    said, _ = asked(fails(401, body))
    assert reason_of(said) is Unusable.HTTP_STATUS
    assert str(said.problem).endswith(": 401, Incorrect API key: ....")


@pytest.mark.parametrize("asks_for", ["json_schema", "json_object", "text"])
def test_what_an_endpoint_is_asked_to_keep_to(asks_for: str) -> None:
    _, seen = asked(says(GOOD), asks_for=asks_for)
    found = seen[0]["body"].get("response_format", {}).get("type", "text")  # type: ignore[attr-defined]
    assert found == asks_for


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I would buy o1.",
        '```json\n{"action": "buy"}\n```',
        "[1, 2]",
        '"buy"',
        '{"action": "buy"',
        '{"action": "buy", "action": "wait"}',
        json.dumps(GOOD | {"total_minor": 12.5}),
        json.dumps(GOOD | {"total_minor": True}),
        json.dumps(GOOD | {"total_minor": -5}),
        json.dumps(GOOD | {"total_minor": 2**63}),
        json.dumps(GOOD | {"total_minor": "1200"}),
        '{"action": "buy", "ids": null, "total_minor": NaN, "items": null, "reason": null}',
        '{"action": "buy", "ids": null, "total_minor": ' + "9" * 5000 + ', "items": null, "reason": null}',
        json.dumps(GOOD | {"action": "steal"}),
        json.dumps(GOOD | {"action": None}),
        json.dumps(GOOD | {"mandate_id": "m2"}),
        json.dumps({k: v for k, v in GOOD.items() if k != "ids"}),
        json.dumps(GOOD | {"ids": ["o1' OR 1=1 --"]}),
        json.dumps(GOOD | {"ids": ["a", "b", "c", "d"]}),
        json.dumps(GOOD | {"items": [{"name": "taco"}]}),
        json.dumps(GOOD | {"items": [{"name": "taco", "price_minor": 1, "free": True}]}),
        json.dumps(GOOD | {"items": {"name": "taco"}}),
        json.dumps(GOOD | {"reason": "x" * 21}),
        json.dumps(GOOD | {"reason": "\ud800"}),
        "[" * 100_000,
    ],
)
def test_malformed_answers_are_refused_twice_then_given_up(text: str) -> None:
    said, seen = asked(says(text))
    assert reason_of(said) in (Unusable.NOT_JSON, Unusable.WRONG_SHAPE)
    assert said.attempts == 2
    assert said.tokens.output == 80
    again = seen[1]["body"]["messages"]  # type: ignore[index]
    assert again[:2] == list(HELLO)
    assert len(again) == 3


def test_one_bad_answer_is_mended() -> None:
    said, _ = asked(says("Sure!"), says(GOOD))
    assert said.data == GOOD
    assert (said.tokens.calls, said.attempts) == (2.0, 2)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_failure_is_asked_again(status: int) -> None:
    said, _ = asked(fails(status, Retry_After="0"), says(GOOD))
    assert said.data == GOOD
    assert said.tokens.calls == 1


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_a_lasting_failure_is_not(status: int) -> None:
    said, seen = asked(fails(status))
    assert reason_of(said) is Unusable.HTTP_STATUS
    assert len(seen) == 1
    assert said.tokens.input == 0


def test_a_redirect_takes_the_key_nowhere() -> None:
    with stub_model(says(GOOD)) as elsewhere:
        said, _ = asked(fails(307, Location=elsewhere.url + "/chat/completions"))
        assert reason_of(said) is Unusable.HTTP_STATUS
        assert not elsewhere.seen


def test_a_pause_longer_than_the_limit_ends_it() -> None:
    said, seen = asked(fails(429, Retry_After="3600"))
    assert reason_of(said) is Unusable.HTTP_STATUS
    assert len(seen) == 1


@pytest.mark.parametrize("behaviour", [waits(60.0, says(GOOD)), trickles(60.0)], ids=["slow", "trickle"])
def test_the_time_limit_holds(behaviour: Behaviour) -> None:
    said, _ = asked(behaviour, limit_s=0.4, retries=3)
    assert reason_of(said) is Unusable.TIMED_OUT
    assert said.seconds < 60, "it did not wait for the endpoint"


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (sends(b" " * 60_000), Unusable.OVERSIZED),
        (floods, Unusable.OVERSIZED),
        (sends(completion(json.dumps(GOOD)), Content_Encoding="gzip"), Unusable.NOT_A_COMPLETION),
        (sends(b"<html>busy</html>"), Unusable.NOT_A_COMPLETION),
        (sends(b'{"choices": []}'), Unusable.NOT_A_COMPLETION),
        (sends(b'{"choices": [{"message": "hello"}]}'), Unusable.NOT_A_COMPLETION),
        (sends(b"[" * 40_000), Unusable.NOT_A_COMPLETION),
        (sends(b"\xff\xfe"), Unusable.NOT_A_COMPLETION),
        (hangs_up(completion(json.dumps(GOOD))), Unusable.TRUNCATED),
        (says(GOOD, finish="length"), Unusable.TRUNCATED),
        (streams(json.dumps(GOOD), end=b""), Unusable.TRUNCATED),
        (sends(b"data: {not json}\n\n", Content_Type="text/event-stream"), Unusable.NOT_A_COMPLETION),
        (sends(b'data: [1]\n\ndata: "x"\n\n', Content_Type="text/event-stream"), Unusable.NOT_A_COMPLETION),
        (says(GOOD, finish="content_filter"), Unusable.FILTERED),
        (says("", refusal="I can not help with that."), Unusable.FILTERED),
        (sends(completion(None)), Unusable.NOT_JSON),
        (sends(completion({"action": "buy"})), Unusable.NOT_JSON),
    ],
)
def test_broken_answers_have_a_name(behaviour: Behaviour, reason: Unusable) -> None:
    said, _ = asked(behaviour, most_bytes=50_000)
    assert reason_of(said) is reason


@pytest.mark.parametrize("pieces", [1, 7, 1000])
def test_streamed_answers_are_joined(pieces: int) -> None:
    said, seen = asked(streams(json.dumps(GOOD), pieces=pieces), stream=True)
    assert said.data == GOOD
    assert said.counted
    assert said.tokens.input == 900
    assert seen[0]["body"]["stream_options"] == {"include_usage": True}  # type: ignore[index]


def test_a_line_separator_in_a_text_cuts_no_stream() -> None:
    said, _ = asked(streams(json.dumps(GOOD | {"reason": "a\u2028b"}, ensure_ascii=False)), stream=True)
    assert said.data == GOOD | {"reason": "a\u2028b"}


@pytest.mark.parametrize(
    "usage",
    [
        None,
        [],
        {},
        USAGE | {"prompt_tokens": -1},
        USAGE | {"prompt_tokens": True},
        USAGE | {"completion_tokens": 10**12},
        USAGE | {"completion_tokens": "40"},
        USAGE | {"prompt_tokens_details": {"cached_tokens": 901}},
    ],
)
def test_tokens_that_cannot_be_are_estimated(usage: object) -> None:
    said, _ = asked(says(GOOD, usage=usage))
    assert said.data == GOOD
    assert not said.counted
    assert 0 < said.tokens.input < 100
    assert said.tokens.output == -(-len(json.dumps(GOOD)) * 10 // 43)


def test_usage_without_a_cache_counts() -> None:
    said, _ = asked(says(GOOD, usage={"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": None}))
    assert (said.tokens.input, said.tokens.cached, said.counted) == (9, 0, True)


def test_nobody_there() -> None:
    said = ask(Endpoint("http://127.0.0.1:9/v1", "m", limit_s=60, retries=1), HELLO, SHAPE)
    assert reason_of(said) is Unusable.UNREACHABLE
    assert said.attempts == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "file:///etc/passwd"),
        ("url", "http://"),
        ("url", "http://host:99999/v1"),
        ("url", "http://name:tulip@host/v1"),
        ("url", "http://host/v1?key=1"),
        ("key", "a\r\nX-Evil: 1"),
        ("key", "\u00e9"),
        ("limit_s", 0.0),
        ("retries", -1),
        ("most_bytes", 0),
    ],
)
def test_endpoints_that_cannot_be(field: str, value: object) -> None:
    with pytest.raises(InputError, match=field) as caught:
        Endpoint(**({"url": "http://h/v1", "model": "m"} | {field: value}))  # type: ignore[arg-type]
    assert "tulip" not in str(caught.value)
    assert "Evil" not in str(caught.value)


def test_a_key_is_never_shown() -> None:
    assert "secret" not in repr(Endpoint("http://h/v1", "m", "secret"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.text() | st.builds(json.dumps, JSON))
def test_no_text_gets_through_by_chance(text: str) -> None:
    assert isinstance(read_answer(text, SHAPE), Problem)


@given(st.fixed_dictionaries({field.name: JSON for field in SHAPE}))
def test_what_gets_through_fits(data: dict[str, object]) -> None:
    found = read_answer(json.dumps(data), SHAPE)
    assert isinstance(found, Problem) or all(found[f.name] is None or fits(found[f.name], f) for f in SHAPE)
