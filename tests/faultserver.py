"""A real HTTP server on loopback that serves what it is told, faults included, and keeps a record.

Each path has a `Behaviour`, or several that are played one request after the other (the last one stays). What
a behaviour does not say is done properly: ranges, `If-Range`, lengths and entity tags are those of a good
server. Every answer closes its connection, so that nothing waits for a client's next request.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal
from urllib.parse import urlsplit

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_LINGER_ZERO = struct.pack("ii", 1, 0)
"""With this option a closed socket sends a reset instead of a proper end."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What one request is answered with.

    Args:
        body: the file.
        status: of the answer, where no range changes it.
        headers: added to the usual ones or in their place; None leaves the header out.
        etag: entity tag, with its quotes.
        ranges: "honoured"; "ignored" answers 200 with everything; "shifted" sends from one byte later
            than asked, and says so; "other_total" claims another size of the whole.
        framing: how the end of the body is told: its length, the end of the connection, or chunks.
        stop_after: bytes of the body that are sent before the server stops; None sends all.
        ending: how it stops: the connection is closed, reset, or left hanging until the server ends.
        mute: not even a status line is sent; `ending` follows at once.
        piece: bytes that are sent in one go.
        pause: seconds before each piece.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str | None] = field(default_factory=dict)
    etag: str | None = None
    ranges: Literal["honoured", "ignored", "shifted", "other_total"] = "honoured"
    framing: Literal["length", "close", "chunked"] = "length"
    stop_after: int | None = None
    ending: Literal["close", "reset", "hang"] = "close"
    mute: bool = False
    piece: int = 2**16
    pause: float = 0.0


def flipped(data: bytes, at: int = -1) -> bytes:
    """The same bytes, with one bit of the byte at `at` changed."""
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


def redirect(to: str, status: int = 302) -> Behaviour:
    """To another path or address."""
    return Behaviour(status=status, headers={"Location": to})


def refusal(status: int, **headers: str) -> Behaviour:
    """An error with a short text; header names are written with `_` for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Behaviour(f"error {status}\n".encode(), status, {"Content-Type": "text/plain"} | named)


def web_page(title: str = "Sign in") -> Behaviour:
    """What a captive portal or a login wall answers instead of the file, with status 200."""
    html = f"<!DOCTYPE html><html><head><title>{title}</title></head><body>{title}</body></html>"
    return Behaviour(html.encode(), headers={"Content-Type": "text/html; charset=utf-8"})


BLACK_HOLE = Behaviour(mute=True, ending="hang")
CONNECTION_RESET = Behaviour(mute=True, ending="reset")


@dataclass(slots=True)
class Request:
    """One request as it came, and what became of it.

    Args:
        path: with the query.
        headers: names in lower case.
        status: of the answer; 0 while there is none.
        sent: bytes of the body that were handed to the system.
    """

    path: str
    headers: dict[str, str]
    status: int = 0
    sent: int = 0


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class FaultServer:
    """Serves while it is used as a context.

    Args:
        files: path (`/a.pth`) -> what it is answered with; may be changed at any time. Other paths are 404.
        tls: speak https with this; a connection whose handshake fails makes no request.
    """

    def __init__(
        self,
        files: Mapping[str, Behaviour | Sequence[Behaviour]] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.files: dict[str, Behaviour | Sequence[Behaviour]] = dict(files or {})
        self.requests: list[Request] = []
        self.errors: list[BaseException] = []
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._http = _Server(self)
        self._scheme = "https" if tls else "http"
        if tls:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), name="faultserver")

    @property
    def port(self) -> int:
        """On 127.0.0.1."""
        return int(self._http.server_address[1])

    def url(self, path: str) -> str:
        """The address of a path."""
        return f"{self._scheme}://127.0.0.1:{self.port}{path}"

    def paths(self) -> list[str]:
        """What was asked for, in order."""
        return [request.path for request in self.requests]

    def behaviour(self, request: Request) -> Behaviour:
        """Note the request and choose its answer."""
        path = urlsplit(request.path).path
        with self._lock:
            asked_before = sum(urlsplit(earlier.path).path == path for earlier in self.requests)
            self.requests.append(request)
        chosen = self.files.get(path, refusal(404))
        return chosen if isinstance(chosen, Behaviour) else chosen[min(asked_before, len(chosen) - 1)]

    def stop(self) -> None:
        """End all connections and the server. What went wrong in the server itself is raised here."""
        self.stopping.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
        if self.errors:
            raise self.errors[0]

    def __enter__(self) -> FaultServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for the handlers
    request_queue_size = 64

    def __init__(self, owner: FaultServer) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError):  # the client may go when it likes
            self.owner.errors.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self.close_connection = True
        owner = self.server.owner
        request = Request(self.path, {name.lower(): value for name, value in self.headers.items()})
        behaviour = owner.behaviour(request)
        if not behaviour.mute:
            answer = _answer(behaviour, request)
            request.status = answer.status
            self._send_head(answer)
            stopped = behaviour.stop_after is not None and behaviour.stop_after < len(answer.body)
            self._send_body(behaviour, answer.body[: behaviour.stop_after], request)
            if not stopped:
                self._send_end(behaviour)
                return
        if behaviour.ending == "hang":
            owner.stopping.wait()
        elif behaviour.ending == "reset":
            self._reset()

    def _send_head(self, answer: _Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send_body(self, behaviour: Behaviour, body: bytes, request: Request) -> None:
        for piece in _pieces(body, behaviour.piece):
            if behaviour.pause and self.server.owner.stopping.wait(behaviour.pause):
                return
            if behaviour.framing == "chunked":
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            else:
                self.wfile.write(piece)
            request.sent += len(piece)

    def _send_end(self, behaviour: Behaviour) -> None:
        if behaviour.framing == "chunked":
            self.wfile.write(b"0\r\n\r\n")

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self.rfile.close()
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it has there
        """Nothing: `FaultServer.requests` keeps the record."""


def _pieces(body: bytes, size: int) -> Iterator[bytes]:
    view = memoryview(body)
    return (bytes(view[start : start + size]) for start in range(0, len(body), size))


def _answer(behaviour: Behaviour, request: Request) -> _Answer:
    body, status, headers = behaviour.body, behaviour.status, {"Content-Type": "application/octet-stream"}
    if status == 200 and behaviour.ranges != "ignored":
        headers["Accept-Ranges"] = "bytes"
        wanted = _wanted_range(behaviour, request)
        if wanted == "unsatisfiable":
            status, body = 416, b""
            headers["Content-Range"] = f"bytes */{len(behaviour.body)}"
        elif wanted is not None:
            status, (start, stop) = 206, wanted
            if behaviour.ranges == "shifted":
                start = min(start + 1, stop - 1)
            total = len(behaviour.body) + (behaviour.ranges == "other_total")
            body = body[start:stop]
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{total}"
    if behaviour.etag:
        headers["ETag"] = behaviour.etag
    if behaviour.framing == "length":
        headers["Content-Length"] = str(len(body))
    elif behaviour.framing == "chunked":
        headers["Transfer-Encoding"] = "chunked"
    headers["Connection"] = "close"
    return _Answer(status, _overridden(headers, behaviour.headers), body)


def _wanted_range(
    behaviour: Behaviour, request: Request
) -> tuple[int, int] | Literal["unsatisfiable"] | None:
    """First byte and the one after the last, as RFC 9110 section 14 says; None sends the whole file."""
    match = _RANGE.fullmatch(request.headers.get("range", ""))
    if not match or match[0] == "bytes=-":
        return None
    known = (behaviour.etag, behaviour.headers.get("Last-Modified"))
    if "if-range" in request.headers and request.headers["if-range"] not in known:
        return None
    total = len(behaviour.body)
    if not match[1]:
        count = min(int(match[2]), total)
        return (total - count, total) if count else "unsatisfiable"
    start, stop = int(match[1]), min(int(match[2]) + 1, total) if match[2] else total
    if match[2] and int(match[2]) < start:
        return None
    return (start, stop) if start < total else "unsatisfiable"


def _overridden(usual: dict[str, str], given: Mapping[str, str | None]) -> dict[str, str]:
    replaced = {name.lower() for name in given}
    kept = {name: value for name, value in usual.items() if name.lower() not in replaced}
    return kept | {name: value for name, value in given.items() if value is not None}


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """A port on 127.0.0.1 that is taken but not listened on: connections to it are refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])
