"""A proxy before a store that makes trouble: errors of the server, throttling, connections that end too early."""

from __future__ import annotations

import http.client
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_DRIBBLE = 0.02
"""Seconds between two pieces of a slow body."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the store has answered."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(slots=True)
class Trouble:
    """What happens to some requests."""

    kind: str
    """A name of `KINDS`."""
    method: str = "GET|PUT|HEAD|POST|DELETE"
    """Pattern of the methods that it meets."""
    path: str = ""
    """Pattern that is looked for in the paths that it meets."""
    every: int = 1
    """It meets one of so many requests."""
    times: int = 1 << 30
    """How often it comes at most."""
    met: int = 0
    seen: int = 0

    def meets(self, method: str, path: str) -> bool:
        if self.met >= self.times or not re.fullmatch(self.method, method) or not re.search(self.path, path):
            return False
        self.seen += 1
        hit = self.seen % self.every == 0
        self.met += hit
        return hit


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked of the proxy, and when."""

    method: str
    path: str
    status: int
    """Of the answer that the store gave; 0 where it was not asked or the answer did not arrive."""
    begun: float
    ended: float


class Proxy:
    """Stands before a store on loopback.

    Parameters
    ----------
    port : int
        Of the store.
    latency : float
        Seconds that every request takes longer.
    """

    def __init__(self, port: int, latency: float = 0.0) -> None:
        self.latency = latency
        self.troubles: list[Trouble] = []
        self.requests: list[Request] = []
        self.open = self.most_open = 0
        self._store = port
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Count a request as open."""
        with self._lock:
            self.open += 1
            self.most_open = max(self.most_open, self.open)
        try:
            yield
        finally:
            with self._lock:
                self.open -= 1

    def trouble_for(self, method: str, path: str) -> str:
        """Return what is to happen to a request, empty for nothing."""
        with self._lock:
            return next((trouble.kind for trouble in self.troubles if trouble.meets(method, path)), "")

    def ask(self, method: str, path: str, headers: Any, body: bytes) -> Reply:
        """Pass a request on to the store."""
        connection = http.client.HTTPConnection("127.0.0.1", self._store, timeout=60)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                if name.lower() not in ("connection", "transfer-encoding", "content-length", "expect"):
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return Reply(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: Any) -> None:
        """Say nothing: clients go away in the middle of an answer, which is what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def _answer(self) -> None:
        with self.proxy.watched():
            begun = time.monotonic()
            trouble = self.proxy.trouble_for(self.command, self.path)
            status = 0
            try:
                if trouble == "cut upload":
                    self.rfile.read(min(int(self.headers.get("Content-Length", 0)) // 2, 1 << 20))
                    self._reset()
                    return
                body = self._body()
                time.sleep(self.proxy.latency)
                if trouble in REFUSALS:
                    REFUSALS[trouble](self)
                    return
                reply = self.proxy.ask(self.command, self.path, self.headers, body)
                self._begin(reply)
                SENDING.get(trouble, _whole)(self, reply.body)
                status = reply.status
            finally:
                request = Request(self.command, self.path, status, begun, time.monotonic())
                self.proxy.requests.append(request)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _answer  # noqa: N815  named by http.server

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _begin(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers:
            if name.lower() not in ("connection", "transfer-encoding", "content-length", "server", "date"):
                self.send_header(name, value)
        length = {name.lower(): value for name, value in reply.headers}.get("content-length", len(reply.body))
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _reset(self) -> None:
        """End the connection as a machine does that loses it: with a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _handler(proxy: Proxy) -> type[_Handler]:
    return type("_HandlerOfOne", (_Handler,), {"proxy": proxy})


def _refuse(handler: _Handler, status: int, code: str) -> None:
    text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>made up</Message></Error>".encode()
    handler._begin(Reply(status, [("Content-Type", "application/xml")], text))
    if handler.command != "HEAD":
        handler.wfile.write(text)


REFUSALS: dict[str, Callable[[_Handler], None]] = {
    "500": lambda handler: _refuse(handler, 500, "InternalError"),
    "503": lambda handler: _refuse(handler, 503, "SlowDown"),
    "403": lambda handler: _refuse(handler, 403, "AccessDenied"),
    "reset": _Handler._reset,
}
"""Trouble in which the store is not asked."""


def _whole(handler: _Handler, body: bytes) -> None:
    handler.wfile.write(body)


def _slow(handler: _Handler, body: bytes) -> None:
    step = max(len(body) // 5, 1)
    for start in range(0, len(body), step):
        handler.wfile.write(body[start : start + step])
        handler.wfile.flush()
        time.sleep(_DRIBBLE)


def _truncated(handler: _Handler, body: bytes) -> None:
    handler.wfile.write(body[: len(body) // 2])
    handler.wfile.flush()
    handler.close_connection = True


def _lost(handler: _Handler, _body: bytes) -> None:
    handler._reset()


SENDING: dict[str, Callable[[_Handler, bytes], None]] = {
    "slow body": _slow,
    "truncated body": _truncated,
    "lost answer": _lost,
}
"""Trouble on the way back: the store has done what it was asked."""

KINDS = ("500", "503", "reset", "cut upload", *SENDING)
"""All of which it is worth while to try again."""
