"""What can stand between us and a server: names, certificates, proxies."""

from __future__ import annotations

import contextlib
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from tests.faultserver import Behaviour, FaultServer, closed_port, redirect
from tests.store.worlds import PAYLOAD, contents, download, only_installed, published

GOOD = Behaviour(PAYLOAD)
HOST = "weights.invalid"
"""A name that nobody can resolve (RFC 6761): only a proxy that is told where it is gets there."""


@pytest.fixture(scope="module")
def company() -> trustme.CA:
    """An authority that nobody trusts unless told to."""
    return trustme.CA()


def tls(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest.fixture
def secure(company: trustme.CA) -> Iterator[FaultServer]:
    """A server with a proper certificate of the company for 127.0.0.1 and `HOST`."""
    with FaultServer({"/a.pth": GOOD}, tls=tls(company.issue_cert("127.0.0.1", HOST))) as running:
        yield running


@pytest.fixture
def trusting(company: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tmp_path / "company.pem"
    company.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))


# --- names ---


def test_name_does_not_resolve(root: Path, tmp_path: Path) -> None:
    outcome = download(published(tmp_path, f"https://{HOST}/a.pth"), root)
    assert outcome.code == 5
    assert f"Failed to resolve '{HOST}'" in outcome.said
    assert outcome.slept == []
    assert contents(root) == set()


# --- certificates ---


def self_signed(_company: trustme.CA) -> trustme.LeafCert:
    return trustme.CA().issue_cert("127.0.0.1")


def expired(company: trustme.CA) -> trustme.LeafCert:
    return company.issue_cert("127.0.0.1", not_after=datetime(2022, 1, 1, tzinfo=UTC))


def of_another_host(company: trustme.CA) -> trustme.LeafCert:
    return company.issue_cert("elsewhere.invalid")


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize(
    ("issue", "reason"),
    [
        (self_signed, "certificate verify failed"),
        (expired, "certificate has expired"),
        (of_another_host, "IP address mismatch"),
    ],
)
def test_bad_certificates(
    company: trustme.CA,
    root: Path,
    tmp_path: Path,
    issue: Callable[[trustme.CA], trustme.LeafCert],
    reason: str,
) -> None:
    """Not even a request is made, and no second try: a certificate does not mend in seconds."""
    with FaultServer({"/a.pth": GOOD}, tls=tls(issue(company))) as server:
        outcome = download(published(tmp_path, server.url("/a.pth")), root)
        assert server.requests == []
    assert outcome.code == 5
    assert "the certificate was not accepted" in outcome.said
    assert reason in outcome.said
    assert "for a company's certificates set REQUESTS_CA_BUNDLE" in outcome.said
    assert outcome.slept == []
    assert contents(root) == set()


def test_company_certificate(
    secure: FaultServer, root: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Refused before the bundle is named, and accepted after."""
    checkpoint = published(tmp_path, secure.url("/a.pth"))
    assert download(checkpoint, root).code == 5
    request.getfixturevalue("trusting")
    outcome = download(checkpoint, root)
    assert outcome.code == 0
    assert "installed" in outcome.said
    assert len(secure.requests) == 1
    assert only_installed(root)


def test_certificates_that_are_not_there(
    secure: FaultServer, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    outcome = download(published(tmp_path, secure.url("/a.pth")), root)
    assert outcome.code == 5
    assert f"invalid path: {tmp_path / 'none.pem'}" in outcome.said
    assert outcome.slept == []
    assert secure.requests == []
    assert contents(root) == set()


def test_https_to_a_server_without_it(server: FaultServer, root: Path, tmp_path: Path) -> None:
    """Two attempts, and no word about certificates."""
    server.files["/a.pth"] = GOOD
    url = server.url("/a.pth").replace("http:", "https:")
    outcome = download(published(tmp_path, url), root)
    assert outcome.code == 5
    assert "the connection failed ([SSL" in outcome.said
    assert "certificate was not accepted" not in outcome.said
    assert outcome.slept == [0.5]
    assert server.requests == []


@pytest.mark.usefixtures("trusting")
def test_truncated_over_https_is_resumed(secure: FaultServer, root: Path, tmp_path: Path) -> None:
    """A connection that ends without TLS's farewell is a fault of the connection, not of the certificate."""
    secure.files["/a.pth"] = [Behaviour(PAYLOAD, stop_after=100_000), GOOD]
    outcome = download(published(tmp_path, secure.url("/a.pth")), root)
    assert outcome.code == 0
    assert "only 100,000 of 300,000 bytes arrived; trying again" in outcome.said
    assert secure.requests[1].headers["range"] == "bytes=100000-"
    assert only_installed(root)


@pytest.mark.usefixtures("trusting")
def test_redirect_downgrade(secure: FaultServer, server: FaultServer, root: Path, tmp_path: Path) -> None:
    server.files["/b.pth"] = GOOD
    secure.files["/a.pth"] = redirect(server.url("/b.pth"))
    outcome = download(published(tmp_path, secure.url("/a.pth")), root)
    assert outcome.code == 5
    assert f"redirects to {server.url('/b.pth')}, which is not https" in outcome.said
    assert len(secure.requests) == 1
    assert server.requests == []
    assert contents(root) == set()


@pytest.mark.usefixtures("trusting")
def test_redirect_upgrade(secure: FaultServer, server: FaultServer, root: Path, tmp_path: Path) -> None:
    server.files["/b.pth"] = redirect(secure.url("/a.pth"))
    assert download(published(tmp_path, server.url("/b.pth")), root).code == 0
    assert only_installed(root)


# --- proxies ---


class StubProxy:
    """Passes on what comes, tunnels and plain requests alike, whatever the name, to one server.

    Args:
        port: of that server, on 127.0.0.1.
        answer: sent instead of passing on, if given.
    """

    def __init__(self, port: int, answer: bytes = b"") -> None:
        self.asked: list[str] = []
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += self.request.recv(4096)
                method, target, _ = head.split(b" ", 2)
                proxy.asked.append(f"{method.decode()} {target.decode()}")
                if answer:
                    self.request.sendall(answer)
                    return
                with socket.create_connection(("127.0.0.1", port)) as onward:
                    if method == b"CONNECT":
                        self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    else:
                        onward.sendall(head)
                    with contextlib.suppress(ConnectionError):
                        _relay(self.request, onward)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextlib.contextmanager
    def running(self) -> Iterator[StubProxy]:
        self._thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()


def _relay(one: socket.socket, other: socket.socket) -> None:
    """Both ways, until one of them ends."""
    while True:
        readable, _, _ = select.select([one, other], [], [])
        for source in readable:
            data = source.recv(2**16)
            if not data:
                return
            (other if source is one else one).sendall(data)


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_proxy_is_used(
    secure: FaultServer, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """The proxy finds the name; that the other end is the right one is still ours to check."""
    with StubProxy(secure.port).running() as proxy:
        monkeypatch.setenv(variable, proxy.url)
        outcome = download(published(tmp_path, f"https://{HOST}/a.pth"), root)
        assert proxy.asked == [f"CONNECT {HOST}:443"]
    assert outcome.code == 0
    assert "installed" in outcome.said
    assert secure.paths() == ["/a.pth"]
    assert only_installed(root)


def test_plain_proxy_is_used(
    server: FaultServer, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["/a.pth"] = [Behaviour(PAYLOAD, stop_after=100_000), GOOD]
    with StubProxy(server.port).running() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        outcome = download(published(tmp_path, server.url("/a.pth")), root)
        assert proxy.asked == [f"GET {server.url('/a.pth')}"] * 2
    assert outcome.code == 0
    assert server.requests[1].headers["range"] == "bytes=100000-"
    assert only_installed(root)


@pytest.mark.usefixtures("trusting")
def test_proxy_that_reads_along_is_noticed(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy with a certificate of its own, from an authority that is not trusted, gets no request."""
    own = trustme.CA().issue_cert(HOST)
    with FaultServer({"/a.pth": GOOD}, tls=tls(own)) as middle, StubProxy(middle.port).running() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        outcome = download(published(tmp_path, f"https://{HOST}/a.pth"), root)
        assert middle.requests == []
    assert outcome.code == 5
    assert "the certificate was not accepted" in outcome.said


NEEDS_PASSWORD = (
    b"HTTP/1.1 407 Proxy Authentication Required\r\n"
    b'Proxy-Authenticate: Basic realm="work"\r\n'
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("fault", ["password", "down"])
def test_proxy_faults(
    secure: FaultServer,
    server: FaultServer,
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    fault: str,
) -> None:
    """The way around the proxy would work, and is not taken."""
    server.files["/a.pth"] = GOOD
    target = secure if scheme == "https" else server
    with StubProxy(target.port, NEEDS_PASSWORD).running() as proxy, closed_port() as nobody:
        address = proxy.url if fault == "password" else f"http://127.0.0.1:{nobody}"
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", address)
        outcome = download(published(tmp_path, target.url("/a.pth")), root)
        assert len(proxy.asked) == (fault == "password")
    assert outcome.code == 5
    assert "Behind a proxy set HTTPS_PROXY" in outcome.said
    assert ("407 Proxy Authentication Required" in outcome.said) == (fault == "password")
    assert outcome.slept == []
    assert target.requests == []
    assert contents(root) == set()


@pytest.mark.usefixtures("trusting")
def test_no_proxy(secure: FaultServer, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with StubProxy(secure.port).running() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,elsewhere.invalid")
        outcome = download(published(tmp_path, secure.url("/a.pth")), root)
        assert proxy.asked == []
    assert outcome.code == 0
    assert "installed" in outcome.said
    assert len(secure.requests) == 1
    assert only_installed(root)


# --- no network at all ---


def test_offline_opens_no_socket(
    server: FaultServer, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is made on disk either; and what is cached is found without the network."""
    server.files["/a.pth"] = GOOD
    checkpoint = published(tmp_path, server.url("/a.pth"))

    def explode(*_arguments: object, **_keywords: object) -> None:
        raise AssertionError("a socket was opened")

    with monkeypatch.context() as bombs:
        for name in ("socket", "create_connection", "getaddrinfo"):
            bombs.setattr(socket, name, explode)
        outcome = download(checkpoint, root, offline=True)
        assert outcome.code == 5
        assert "the network may not be used" in outcome.said
        assert not root.exists()
        assert download(checkpoint, tmp_path / "other").code == 70  # else the bombs would prove nothing

    assert download(checkpoint, root).code == 0
    with monkeypatch.context() as bombs:
        bombs.setattr(socket, "socket", explode)
        assert download(checkpoint, root, offline=True).code == 0
    assert len(server.requests) == 1
