"""Reading one address as a stream of bytes, with limits, and with errors in words."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urljoin, urlsplit, urlunsplit
from urllib.request import url2pathname

from senet_cli.errors import NetworkError
from senet_cli.store.files import chunks_of

if TYPE_CHECKING:
    from requests import Response, Session

_CHUNK = 2**18
_CONNECT_SECONDS, _READ_SECONDS = 10, 30
_MAX_REDIRECTS = 5
_POOL_PREFIX = re.compile(r"^HTTPS?Connection(Pool)?\(.*?\): ")
_PROXY_HINT = "Behind a proxy set HTTPS_PROXY; for a company's certificates set REQUESTS_CA_BUNDLE."


@dataclass(frozen=True, slots=True)
class Incoming:
    """A file that is arriving.

    Args:
        chunks: its bytes, in order. Iterating raises `NetworkError` when they stop coming.
        size: how many the server announces, or None.
        content_type: what the server calls them.
    """

    chunks: Iterator[bytes]
    size: int | None
    content_type: str


class Transport(Protocol):
    """Opens an address."""

    def open(self, url: str) -> contextlib.AbstractContextManager[Incoming]:
        """The file at `url`.

        Raises:
            NetworkError: it cannot be had.
        """
        ...


class OfflineTransport:
    """Opens nothing but `file:` addresses."""

    def open(self, url: str) -> contextlib.AbstractContextManager[Incoming]:
        """See `Transport`."""
        if urlsplit(url).scheme == "file":
            return _local_file(url)
        raise NetworkError(
            "the network may not be used (--offline or SENET_OFFLINE)",
            "Download it without --offline, or copy it with `senet download NAME --from FILE`.",
        )


class HttpTransport:
    """Opens `https:`, and on loopback `http:`; also `file:`.

    Args:
        session: a requests session; a new one by default.
    """

    def __init__(self, session: Session | None = None) -> None:
        import requests

        self._session = session or requests.Session()

    @contextlib.contextmanager
    def open(self, url: str) -> Iterator[Incoming]:
        """See `Transport`."""
        if urlsplit(url).scheme == "file":
            with _local_file(url) as incoming:
                yield incoming
            return
        with contextlib.closing(self._follow(url)) as response:
            length = response.headers.get("Content-Length", "")
            yield Incoming(
                chunks=_body(response, url),
                size=int(length) if length.isdigit() else None,
                content_type=response.headers.get("Content-Type", ""),
            )

    def _follow(self, url: str) -> Response:
        for _ in range(_MAX_REDIRECTS + 1):
            response = self._get(url)
            if not response.is_redirect:
                return _checked(response, url)
            response.close()
            url = _redirected(url, response.headers["Location"])
        raise NetworkError(f"{short(url)}: more than {_MAX_REDIRECTS} redirects")

    def _get(self, url: str) -> Response:
        import requests

        try:
            return self._session.get(
                url,
                stream=True,
                allow_redirects=False,
                timeout=(_CONNECT_SECONDS, _READ_SECONDS),
                headers={"Accept-Encoding": "identity"},
            )
        except (requests.RequestException, OSError) as error:
            raise NetworkError(f"{short(url)}: {_reason(error)}", _PROXY_HINT) from error


def open_transport(*, offline: bool) -> Transport:
    """The way to the network, or the one that knows no network."""
    return OfflineTransport() if offline else HttpTransport()


def short(url: str) -> str:
    """The address without what may be secret: user, query and fragment."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit((parts.scheme, host + port, parts.path, "", ""))


def _checked(response: Response, url: str) -> Response:
    if response.status_code != 200:
        response.close()
        raise NetworkError(f"{short(url)}: the server answered {response.status_code} {response.reason}")
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding not in ("", "identity"):
        response.close()
        raise NetworkError(f"{short(url)}: the server sent the file encoded as {encoding}, unasked")
    return response


def _redirected(url: str, location: str) -> str:
    target = urljoin(url, location)
    if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
        raise NetworkError(f"{short(url)}: redirects to {short(target)}, which is not https")
    if urlsplit(target).scheme not in ("http", "https"):
        raise NetworkError(f"{short(url)}: redirects to something that is not http")
    return target


def _body(response: Response, url: str) -> Iterator[bytes]:
    import requests

    try:
        yield from response.iter_content(_CHUNK)
    except (requests.RequestException, OSError) as error:
        raise NetworkError(f"{short(url)}: {_reason(error)}", _PROXY_HINT) from error


@contextlib.contextmanager
def _local_file(url: str) -> Iterator[Incoming]:
    path = url2pathname(urlsplit(url).path)
    try:
        file = open(path, "rb")  # noqa: SIM115, PTH123 - closed below
    except OSError as error:
        raise NetworkError(f"{short(url)}: {error.strerror}") from error
    with file:
        yield Incoming(chunks_of(file), None, "")


def _reason(error: Exception) -> str:
    """The innermost cause, which is the one that tells something."""
    import requests

    if isinstance(error, requests.exceptions.SSLError):
        return f"the certificate was not accepted ({_innermost(error)})"
    if isinstance(error, requests.Timeout):
        return "the server did not answer in time"
    if isinstance(error, requests.exceptions.ProxyError):
        return f"the proxy failed ({_innermost(error)})"
    return f"the connection failed ({_innermost(error)})"


def _innermost(error: BaseException) -> str:
    while True:
        inner = getattr(error, "reason", None) or next(
            (arg for arg in error.args if isinstance(arg, BaseException)), None
        )
        if not isinstance(inner, BaseException):
            text = (str(error) or type(error).__name__).splitlines()[0]
            return _POOL_PREFIX.sub("", text)[:200]
        error = inner
