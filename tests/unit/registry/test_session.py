"""What a registry hears of us, what it does not, and what its answers become."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from puna import registry
from puna.download import Location
from puna.errors import PunaError, RateLimited, RegistryError, RemoteNotFound, Unauthorized, Unreachable
from puna.registry import FileSet, challenge, key
from puna.registry.credentials import Credentials
from puna.registry.session import Patience, Reply, Session


@dataclass(frozen=True)
class Asked:
    method: str
    target: str
    headers: dict[str, str]


Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Peer:
    """A server that answers as ``answer`` says, and keeps what it was asked."""

    host: str = ""
    answer: Callable[[Asked], Answer] = lambda _: (200, {}, b"fine")
    asked: list[Asked] = field(default_factory=list)


@pytest.fixture
def make_peer() -> Iterator[Callable[[], Peer]]:
    running: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def make() -> Peer:
        peer = Peer()

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                asked = Asked(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
                peer.asked.append(asked)
                status, headers, body = peer.answer(asked)
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(body))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_HEAD = _serve  # noqa: N815 - the library's names

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        peer.host = f"127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        running.append((server, thread))
        return peer

    yield make
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def peer(make_peer: Callable[[], Peer]) -> Peer:
    return make_peer()


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., Reply]:
    """Send one request in a session of its own."""

    def run(peer: Peer, target: str = "/v2/a/b/manifests/latest", *, known: Credentials | None = None) -> Reply:
        async def once() -> Reply:
            def credentials(host: str) -> Credentials | None:
                return known if host == peer.host else None

            async with Session(peer.host, insecure=True, credentials=credentials, key=tmp_path / "key") as session:
                return (await session.request("GET", target)).check()

        return asyncio.run(once())

    return run


Ask = Callable[..., Reply]


def test_puna_says_who_it_is_and_whose_protocol_it_speaks(peer: Peer, ask: Ask) -> None:
    """A registry can tell which client asks, and for which release of Ollama it is."""
    assert b"fine" == ask(peer).body
    assert peer.asked[0].headers["user-agent"].startswith("puna/")
    assert " ollama/0." in peer.asked[0].headers["user-agent"]


def test_a_user_and_password_are_shown_when_they_are_asked_for(peer: Peer, ask: Ask) -> None:
    """Basic authentication works, and nothing is shown to a registry that did not ask."""

    def answer(asked: Asked) -> Answer:
        if "authorization" in asked.headers:
            return 200, {}, b"in"
        return 401, {"WWW-Authenticate": 'Basic realm="x"'}, b""

    peer.answer = answer
    assert b"in" == ask(peer, known=Credentials("heidi", "pass")).body
    expected = f"Basic {base64.b64encode(b'heidi:pass').decode()}"
    assert [None, expected] == [asked.headers.get("authorization") for asked in peer.asked]


def test_a_token_is_got_with_the_users_key_as_ollama_does(peer: Peer, ask: Ask, tmp_path: Path) -> None:
    """A registry at whose own host tokens are given gets a request that is signed with ``id_ed25519``."""

    def answer(asked: Asked) -> Answer:
        if asked.target.startswith("/token"):
            return 200, {}, json.dumps({"token": "t0"}).encode()
        if asked.headers.get("authorization") == "Bearer t0":
            return 200, {}, b"in"
        challenge = f'Bearer realm="http://{peer.host}/token",service="ollama.ai",scope="repository:a/b:pull b:c"'
        return 401, {"WWW-Authenticate": challenge}, b""

    peer.answer = answer
    assert b"in" == ask(peer).body
    token = peer.asked[1]
    query = parse_qs(urlsplit(token.target).query)
    assert ["nonce", "scope", "service", "ts"] == list(query)
    assert (["repository:a/b:pull", "b:c"], ["ollama.ai"]) == (query["scope"], query["service"])
    assert 16 == len(base64.urlsafe_b64decode(query["nonce"][0] + "=="))
    public, signature = token.headers["authorization"].split(":")
    assert public == (tmp_path / "key.pub").read_text().split()[1]
    nothing = base64.b64encode(hashlib.sha256(b"").hexdigest().encode()).decode()
    signed = f"GET,http://{peer.host}{token.target},{nothing}"
    raw = base64.b64decode(public)[-32:]
    Ed25519PublicKey.from_public_bytes(raw).verify(base64.b64decode(signature), signed.encode())


def test_the_key_is_never_used_at_another_host(
    peer: Peer, make_peer: Callable[[], Peer], ask: Ask, tmp_path: Path
) -> None:
    """A registry that names a token server elsewhere gets nobody's token, and no signature of ours."""
    elsewhere = make_peer()
    elsewhere.answer = lambda _: (200, {}, b'{"access_token": "t1"}')

    def answer(asked: Asked) -> Answer:
        if asked.headers.get("authorization") == "Bearer t1":
            return 200, {}, b"in"
        return 401, {"WWW-Authenticate": f'Bearer realm="http://{elsewhere.host}/token",service="s"'}, b""

    peer.answer = answer
    assert b"in" == ask(peer).body
    assert "authorization" not in elsewhere.asked[0].headers
    assert not (tmp_path / "key").exists()


def test_credentials_stay_at_their_host(peer: Peer, make_peer: Callable[[], Peer], ask: Ask) -> None:
    """A redirect to another host is followed without what was shown to the first."""
    elsewhere = make_peer()

    def answer(asked: Asked) -> Answer:
        if "authorization" in asked.headers:
            return 307, {"Location": f"http://{elsewhere.host}/there"}, b""
        return 401, {"WWW-Authenticate": "Basic"}, b""

    peer.answer = answer
    assert b"fine" == ask(peer, known=Credentials("heidi", "pass")).body
    assert ["/there"] == [asked.target for asked in elsewhere.asked]
    assert "authorization" not in elsewhere.asked[0].headers


def test_a_registry_that_is_busy_is_asked_again(peer: Peer, ask: Ask) -> None:
    """One answer of 503 costs a moment, not the pull."""
    answers: list[Answer] = [(503, {}, b"later"), (200, {}, b"now")]
    peer.answer = lambda _: answers.pop(0)
    assert b"now" == ask(peer).body


_ERRORS: dict[int, type[PunaError]] = {
    400: RegistryError,
    401: Unauthorized,
    403: RegistryError,
    404: RemoteNotFound,
}


@pytest.mark.parametrize("status", _ERRORS)
def test_a_refusal_is_told_for_what_it_is(status: int, peer: Peer, ask: Ask) -> None:
    """Not found, not allowed and everything else are told apart, at once."""
    peer.answer = lambda _: (status, {}, b"no, because")
    with pytest.raises(_ERRORS[status]) as refused:
        ask(peer)
    assert _ERRORS[status] is type(refused.value)
    assert 1 == len(peer.asked)


def test_a_registry_that_wants_to_be_left_alone_for_long_is_an_error(peer: Peer, ask: Ask) -> None:
    """Nobody waits an hour because a registry says so; the error has the time."""
    peer.answer = lambda _: (429, {"Retry-After": "3600"}, b"slow down")
    with pytest.raises(RateLimited, match="slow down") as refused:
        ask(peer)
    assert 3600 == refused.value.retry_after
    assert 1 == len(peer.asked)


def test_nobody_listening_is_an_error_at_once(ask: Ask) -> None:
    """A wrong port is told in the system's words, without a wait."""
    with pytest.raises(Unreachable, match="connection refused"):
        ask(Peer(host="127.0.0.1:1"))


def test_a_registry_without_tls_is_told_from_one_that_is_down(peer: Peer) -> None:
    """Who forgot to say that HTTP will do is told so, without a wait."""

    async def once() -> None:
        patience = Patience(pauses=(600.0,))
        async with Session(peer.host, credentials=lambda _: None, patience=patience) as session:
            await session.request("GET", "/v2/")

    with pytest.raises(Unreachable, match="does not speak HTTPS"):
        asyncio.run(asyncio.wait_for(once(), 60))


def test_a_reply_without_end_is_given_up(peer: Peer, ask: Ask) -> None:
    """A registry cannot fill the memory with a manifest."""
    peer.answer = lambda _: (200, {}, bytes(9 << 20))
    with pytest.raises(RegistryError, match="larger"):
        ask(peer)


def test_redirects_in_circles_end(peer: Peer, ask: Ask) -> None:
    """A registry that redirects to itself for ever is an error."""
    peer.answer = lambda _: (302, {"Location": "/again"}, b"")
    with pytest.raises(RegistryError, match="redirects"):
        ask(peer)


def test_a_url_may_have_a_user_and_password(peer: Peer) -> None:
    """A file behind a password can be pulled by its URL; the password is shown only where it is asked for."""

    def answer(asked: Asked) -> Answer:
        if "authorization" in asked.headers:
            return 200, {"Content-Length": "7"}, b""
        return 401, {"WWW-Authenticate": "Basic"}, b""

    peer.answer = answer

    async def found() -> tuple[FileSet, Location]:
        async with registry.open(f"http://heidi:pa%40ss@{peer.host}/a.gguf", insecure=True) as place:
            files = await place.contents()
            assert isinstance(files, FileSet)
            return files, await files.files[0].source.locate()

    files, location = asyncio.run(found())
    assert (f"http://{peer.host}/a.gguf", 7) == (files.origin, files.files[0].size)
    assert f"http://{peer.host}/a.gguf" == location.url
    assert {"Authorization": f"Basic {base64.b64encode(b'heidi:pa@ss').decode()}"} == location.headers


def test_a_redirect_to_nonsense_is_an_error(peer: Peer, ask: Ask) -> None:
    """A registry that sends us nowhere is told of, as one that does not answer is."""
    peer.answer = lambda _: (302, {"Location": "http://["}, b"")
    with pytest.raises(Unreachable, match="not a URL"):
        ask(peer)


def test_a_long_question_who_we_are_takes_no_longer_to_read() -> None:
    """A registry cannot keep the server busy with a header that is as long as one may be."""
    key_file = Path("not-looked-at")

    async def fetch(*_: object) -> tuple[int, bytes]:
        raise AssertionError("there is nobody to ask for a token")

    began = time.process_time()
    asked = f"Bearer {'a' * 60_000}"
    answer = challenge.answer(asked, asked_by="https://host/", credentials=None, key=key_file, fetch=fetch)
    assert asyncio.run(answer) is None
    assert time.process_time() - began < 5  # it was minutes


def test_a_key_is_made_once_and_read_by_ssh(tmp_path: Path) -> None:
    """The key is Ollama's and OpenSSH's kind, its owner's alone, and is kept."""
    made = key.load(tmp_path / "home" / "id_ed25519")
    assert made.public == key.load(tmp_path / "home" / "id_ed25519").public
    assert 0o600 == (tmp_path / "home" / "id_ed25519").stat().st_mode & 0o777
    assert (tmp_path / "home" / "id_ed25519").read_text().startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    assert ["id_ed25519", "id_ed25519.pub"] == sorted(path.name for path in (tmp_path / "home").iterdir())


@pytest.mark.parametrize(
    "content", [b"", b"-----BEGIN OPENSSH PRIVATE KEY-----\nno\n-----END OPENSSH PRIVATE KEY-----\n"]
)
def test_a_damaged_key_is_named(content: bytes, tmp_path: Path) -> None:
    """A key file that cannot be used is an error that says which, and is left as it is."""
    (tmp_path / "id_ed25519").write_bytes(content)
    with pytest.raises(Unauthorized, match="id_ed25519 cannot be used"):
        key.load(tmp_path / "id_ed25519")
    assert content == (tmp_path / "id_ed25519").read_bytes()


IMPATIENT = Patience(connect=5.0, stall=0.2, pauses=(0.01, 0.01))


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"], ids=["nothing", "half"])
def test_a_registry_that_stalls_is_given_up(said: bytes) -> None:
    """A registry that takes a request and never answers, or not to the end, is an error after some tries, no hang."""
    held: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                peer, _ = listening.accept()
            except OSError:
                return
            held.append(peer)
            peer.recv(65536)
            peer.sendall(said)

    async def ask() -> Reply:
        host = f"127.0.0.1:{listening.getsockname()[1]}"
        async with Session(host, scheme="http", credentials=lambda _: None, patience=IMPATIENT) as session:
            return await session.request("GET", "/v2/a/b/manifests/latest")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            with pytest.raises(Unreachable):
                asyncio.run(asyncio.wait_for(ask(), 60))
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
            for peer in held:
                peer.close()
    assert 1 + len(IMPATIENT.pauses) == len(held)


def test_a_long_pause_is_an_error(make_peer: Callable[[], Peer]) -> None:
    """A registry that asks for more patience than there is gets no second request."""
    peer = make_peer()
    peer.answer = lambda _: (429, {"Retry-After": "2"}, b"slow down")

    async def ask() -> Reply:
        patience = Patience(longest_pause=1.0)
        async with Session(peer.host, scheme="http", credentials=lambda _: None, patience=patience) as session:
            return await session.request("GET", "/v2/a/b/manifests/latest")

    assert 429 == asyncio.run(ask()).status
    assert 1 == len(peer.asked)
