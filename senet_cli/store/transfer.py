"""One request for one address: a stream of bytes with limits, and errors in words. `fetch` tries again."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import IncompleteRead
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urljoin, urlsplit, urlunsplit
from urllib.request import url2pathname

from senet_cli.errors import Advice, NetworkError, advise
from senet_cli.store.files import chunks_of
from senet_cli.store.retry import parse_retry_after

if TYPE_CHECKING:
    from requests import Response, Session

_CHUNK = 2**18
_CONNECT_SECONDS, _READ_SECONDS = 10, 30
_STALL_SECONDS, _STALL_BYTES = 60, 60 * 1024
"""Less than this many bytes in this time is as good as nothing."""
_MAX_REDIRECTS = 5
LASTING, UNREACHABLE, TEMPORARY = 1, 2, 5
"""Attempts in a row without a new byte that are worth it, by what went wrong."""
_TEMPORARY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_NUMBER = re.compile("[0-9]{1,18}")
_CONTENT_RANGE = re.compile(r"bytes (?P<first>[0-9]{1,18})-[0-9]{1,18}/(?P<total>[0-9]{1,18})")
_POOL_PREFIX = re.compile(r"^HTTPS?Connection(Pool)?\(.*?\): ")
_NO_NETWORK = "no network"
_PROXY_HINT = "Behind a proxy set HTTPS_PROXY; for a company's certificates set REQUESTS_CA_BUNDLE."


class TransferError(NetworkError):
    """One request failed.

    Args:
        tries: attempts in a row without a new byte that are worth it.
        retry_after: seconds that the server asks to wait, if it does.
        brief: see `NetworkError`.
    """

    def __init__(
        self,
        message: str,
        *steps: str | Advice,
        tries: int = LASTING,
        retry_after: float | None = None,
        brief: str = "the download failed",
    ) -> None:
        super().__init__(message, *steps, brief=brief)
        self.tries = tries
        self.retry_after = retry_after


class RangeRefusedError(TransferError):
    """The server does not continue where we are.

    Args:
        total: bytes that the server's file has, if it says so.
    """

    def __init__(self, message: str, total: int | None = None) -> None:
        super().__init__(message)
        self.total = total


@dataclass(frozen=True, slots=True)
class Request:
    """What is wanted.

    Args:
        url: the address.
        offset: bytes that are here already.
        validator: the version they are of, if known: sent as `If-Range`.
    """

    url: str
    offset: int = 0
    validator: str | None = None


@dataclass(frozen=True, slots=True)
class Incoming:
    """A file that is arriving.

    Args:
        chunks: its bytes from `offset` on. Iterating raises `TransferError` when they stop coming.
        offset: where they start: as requested, or 0 if the server sends the whole file.
        size: bytes of the whole file, as announced, or None.
        validator: a strong ETag or a date of change, for continuing later.
        content_type: what the server calls it.
    """

    chunks: Iterator[bytes]
    offset: int = 0
    size: int | None = None
    validator: str | None = None
    content_type: str = ""


class Transport(Protocol):
    """Opens an address."""

    def may_open(self, url: str) -> bool:
        """Return False if this address is out of bounds."""
        ...

    def open(self, request: Request) -> contextlib.AbstractContextManager[Incoming]:
        """Open the file that is asked for.

        Raises:
            TransferError: it cannot be had.
        """
        ...


def offline_error(name: str) -> NetworkError:
    """Make the error for a checkpoint that only the network has."""
    return NetworkError(
        f"`{name}` is not in the cache, and the network may not be used: senet is offline",
        advise("go-online", name=name),
        brief="offline",
    )


class OfflineTransport:
    """Opens nothing but `file:` addresses."""

    def may_open(self, url: str) -> bool:
        """See `Transport`."""
        return urlsplit(url).scheme == "file"

    def open(self, request: Request) -> contextlib.AbstractContextManager[Incoming]:
        """See `Transport`."""
        if not self.may_open(request.url):
            raise TransferError(f"{short(request.url)}: the network may not be used")
        return _local_file(request.url)


class HttpTransport:
    """Opens `https:`, and on loopback `http:`; also `file:`.

    Args:
        session: as `open_session` makes it; a new one by default.
        clock: seconds, for the rule about stalls.
        now: seconds since 1970, for `Retry-After` dates.
    """

    def __init__(
        self,
        session: Session | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._session = session or open_session()
        self._clock = clock
        self._now = now

    def may_open(self, url: str) -> bool:
        """See `Transport`."""
        return True

    @contextlib.contextmanager
    def open(self, request: Request) -> Iterator[Incoming]:
        """See `Transport`."""
        if urlsplit(request.url).scheme == "file":
            with _local_file(request.url) as incoming:
                yield incoming
            return
        with contextlib.closing(self._follow(request)) as response:
            offset, size = _extent(response, request)
            yield Incoming(
                chunks=self._body(response, request.url),
                offset=offset,
                size=size,
                validator=_validator(response),
                content_type=response.headers.get("Content-Type", ""),
            )

    def _follow(self, request: Request) -> Response:
        url = request.url
        for _ in range(_MAX_REDIRECTS + 1):
            response = self._get(url, request)
            if not response.is_redirect:
                return self._checked(response, request)
            response.close()
            url = _redirected(url, response.headers["Location"])
        raise TransferError(f"{short(request.url)}: more than {_MAX_REDIRECTS} redirects")

    def _get(self, url: str, request: Request) -> Response:
        import requests
        from urllib3.exceptions import HTTPError

        headers = {"Accept-Encoding": "identity"}
        if request.offset:
            headers["Range"] = f"bytes={request.offset}-"
            if request.validator:
                headers["If-Range"] = request.validator
        try:
            return self._session.get(
                url,
                stream=True,
                allow_redirects=False,
                timeout=(_CONNECT_SECONDS, _READ_SECONDS),
                headers=headers,
            )
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            raise _failed(url, error) from error

    def _checked(self, response: Response, request: Request) -> Response:
        status, url = response.status_code, short(request.url)
        encoding = response.headers.get("Content-Encoding") or "identity"
        if status in (200, 206) and encoding.lower() == "identity":
            return response
        response.close()
        if status in (200, 206):
            raise TransferError(f"{url}: the server sent the file encoded as {encoding}, unasked")
        if status == 416:
            total = _number(response.headers.get("Content-Range", "").removeprefix("bytes */"))
            raise RangeRefusedError(f"{url}: the server has no bytes after {request.offset:,}", total)
        headers = response.headers
        raise TransferError(
            f"{url}: the server answered {status} {response.reason}",
            _PROXY_HINT if status == 407 else "",
            tries=TEMPORARY if status in _TEMPORARY_STATUS else LASTING,
            retry_after=parse_retry_after(headers.get("Retry-After"), headers.get("Date"), self._now()),
            brief=f"the server answered {status}",
        )

    def _body(self, response: Response, url: str) -> Iterator[bytes]:
        """Bytes as they come, not in full buffers: a drip must be seen as one."""
        from urllib3.exceptions import HTTPError

        began, count = self._clock(), 0
        try:
            while chunk := response.raw.read1(_CHUNK, decode_content=False):
                yield chunk
                count += len(chunk)
                elapsed = self._clock() - began
                if elapsed >= _STALL_SECONDS:
                    if count < _STALL_BYTES:
                        raise TransferError(
                            f"{short(url)}: only {count:,} bytes in {elapsed:.0f} s", tries=TEMPORARY
                        )
                    began, count = self._clock(), 0
        except (HTTPError, OSError) as error:
            if isinstance(_root(error), IncompleteRead) and response.raw.length_remaining:
                return  # who knows the size of the whole file says better how much of it is missing
            raise _failed(url, error) from error


def open_session() -> Session:
    """Make a session that leaves redirects alone.

    A plain one prepares the next request even if it is told not to follow, and for that reads (and inflates)
    the redirect's body to its end, which a server may choose not to have.
    """
    import requests

    class Session(requests.Session):
        def get_redirect_target(self, resp: Response) -> None:
            return None

    return Session()


def open_transport(*, offline: bool) -> Transport:
    """Choose the transport: over the network, or offline for `file:` addresses only."""
    return OfflineTransport() if offline else HttpTransport()


def short(url: str) -> str:
    """Strip what may be secret from an address: user, query and fragment."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit((parts.scheme, host + port, parts.path, "", ""))


def _extent(response: Response, request: Request) -> tuple[int, int | None]:
    """Where the bytes start and how many the whole file has, as the server says it."""
    if response.status_code == 200:
        return 0, _number(response.headers.get("Content-Length", ""))
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if match is None or int(match["first"]) != request.offset or not request.offset:
        raise RangeRefusedError(f"{short(request.url)}: the server sent other bytes than it was asked for")
    return request.offset, int(match["total"])


def _number(text: str) -> int | None:
    """Read a whole number; None for anything else, numbers of thousands of digits included."""
    return int(text) if _NUMBER.fullmatch(text) else None


def _validator(response: Response) -> str | None:
    etag = response.headers.get("ETag", "")
    strong = etag.startswith('"')
    return etag if strong else response.headers.get("Last-Modified")


def _redirected(url: str, location: str) -> str:
    try:
        target = urljoin(url, location)
        urlsplit(target).port  # noqa: B018 - a property that checks
    except ValueError as error:
        raise TransferError(
            f"{short(url)}: redirects to something that is not an address ({error})"
        ) from error
    if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
        raise TransferError(f"{short(url)}: redirects to {short(target)}, which is not https")
    if urlsplit(target).scheme not in ("http", "https"):
        raise TransferError(f"{short(url)}: redirects to something that is not http")
    return target


@contextlib.contextmanager
def _local_file(url: str) -> Iterator[Incoming]:
    path = url2pathname(urlsplit(url).path)
    try:
        file = open(path, "rb")  # noqa: SIM115, PTH123 - closed below
    except (OSError, ValueError) as error:
        raise TransferError(f"{short(url)}: {getattr(error, 'strerror', '') or error}") from error
    with file:
        yield Incoming(chunks_of(file))


def _failed(url: str, error: Exception) -> TransferError:
    """Put the innermost cause into words. Unknown names and bad certificates do not mend in seconds."""
    import ssl

    import requests
    from urllib3 import exceptions

    text = _innermost(error)
    root = _root(error)
    if isinstance(root, ssl.SSLCertVerificationError):
        brief = "the certificate was not accepted"
        return TransferError(f"{short(url)}: {brief} ({text})", _PROXY_HINT, brief=brief)
    if isinstance(error, requests.exceptions.ProxyError):
        brief = "the proxy failed"
        return TransferError(f"{short(url)}: {brief} ({text})", _PROXY_HINT, brief=brief)
    if isinstance(error, requests.Timeout | exceptions.TimeoutError):
        tries = UNREACHABLE if isinstance(error, requests.ConnectTimeout) else TEMPORARY
        message = f"{short(url)}: the server did not answer in time"
        return TransferError(message, _PROXY_HINT, tries=tries, brief=_NO_NETWORK)
    nonsense = isinstance(error, ValueError) or type(error) is OSError  # of an address, a header, a setting
    if isinstance(root, exceptions.NameResolutionError) or nonsense:
        tries = LASTING
    elif isinstance(root, exceptions.NewConnectionError) or isinstance(error, requests.exceptions.SSLError):
        tries = UNREACHABLE
    else:
        tries = TEMPORARY
    message = f"{short(url)}: the connection failed ({text})"
    return TransferError(message, _PROXY_HINT, tries=tries, brief=_NO_NETWORK)


def _root(error: BaseException) -> BaseException:
    while True:
        inner = getattr(error, "reason", None) or next(
            (arg for arg in error.args if isinstance(arg, BaseException)), None
        )
        if not isinstance(inner, BaseException):
            return error
        error = inner


def _innermost(error: BaseException) -> str:
    root = _root(error)
    if isinstance(root, IncompleteRead):
        return "it ended early"
    text = (str(root) or type(root).__name__).splitlines()[0]
    return _POOL_PREFIX.sub("", text)[:200]
