"""A local server that speaks the chat-completions protocol, well or badly, as a test tells it."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[["Handler", dict[str, Any]], None]
USAGE = {"prompt_tokens": 900, "completion_tokens": 40, "prompt_tokens_details": {"cached_tokens": 600}}


class Handler(BaseHTTPRequestHandler):
    """Answers with the next behaviour of its server; the last one stays."""

    protocol_version = "HTTP/1.1"
    stub: Stub

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.stub.lock:
            self.stub.seen.append({"path": self.path, "headers": dict(self.headers), "body": body})
            behaviours = self.stub.behaviours
            behave = behaviours.pop(0) if len(behaviours) > 1 else behaviours[0]
        with contextlib.suppress(OSError):
            behave(self, body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@dataclass
class Stub:
    url: str
    behaviours: list[Behaviour]
    seen: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextlib.contextmanager
def stub_model(*behaviours: Behaviour) -> Iterator[Stub]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {}))
    server.daemon_threads = True
    stub = Stub(f"http://127.0.0.1:{server.server_address[1]}/v1", list(behaviours))
    server.RequestHandlerClass.stub = stub  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def completion(text: object, *, usage: object = USAGE, finish: str = "stop", **message: object) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
    body = {"id": "c", "object": "chat.completion", "choices": [choice]} | ({} if usage is None else {"usage": usage})
    return json.dumps(body).encode()


def says(answer: object, *, usage: object = USAGE, finish: str = "stop", **message: object) -> Behaviour:
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return lambda handler, _body: handler.send(200, completion(text, usage=usage, finish=finish, **message))


def fails(status: int, body: bytes = b'{"error": "no"}', **headers: str) -> Behaviour:
    return lambda handler, _body: handler.send(status, body, **headers)


def sends(body: bytes, **headers: str) -> Behaviour:
    return fails(200, body, **headers)


def waits(seconds: float, then: Behaviour) -> Behaviour:
    def behave(handler: Handler, body: dict[str, Any]) -> None:
        time.sleep(seconds)
        then(handler, body)

    return behave


def trickles(seconds: float) -> Behaviour:
    """A byte at a time, so that no single read times out."""

    def behave(handler: Handler, _body: dict[str, Any]) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.02)

    return behave


def hangs_up(said: bytes) -> Behaviour:
    """Promise more than is sent."""

    def behave(handler: Handler, _body: dict[str, Any]) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(said) + 1000))
        handler.end_headers()
        handler.wfile.write(said)
        handler.close_connection = True

    return behave


def floods(handler: Handler, _body: dict[str, Any]) -> None:
    """Never end."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.end_headers()
    handler.close_connection = True
    while True:
        handler.wfile.write(b'data: {"choices": [{"delta": {"content": "' + b"a" * 4000 + b'"}}]}\n\n')


def streams(text: str, *, usage: object = USAGE, end: bytes = b"data: [DONE]\n\n", pieces: int = 7) -> Behaviour:
    """Server-sent events, cut at odd places."""

    def event(data: object) -> bytes:
        return b"data: " + json.dumps(data).encode() + b"\r\n\r\n"

    def behave(handler: Handler, _body: dict[str, Any]) -> None:
        parts = [text[i : i + pieces] for i in range(0, len(text), pieces)]
        body = b": hello\n\n" + event({"choices": [{"index": 0, "delta": {"role": "assistant"}}]})
        body += b"".join(event({"choices": [{"index": 0, "delta": {"content": part}}]}) for part in parts)
        if end:
            body += event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
            body += event({"choices": [], "usage": usage})
        body += end
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream; charset=utf-8")
        handler.end_headers()
        handler.close_connection = True
        for i in range(0, len(body), 33):
            handler.wfile.write(body[i : i + 33])
            handler.wfile.flush()

    return behave
