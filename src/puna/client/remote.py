"""HTTP and HTTPS to a server anywhere, by httpx2: certificates, proxies, redirects, compression."""

from __future__ import annotations

import ssl
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager

import httpx2

from puna.client.transport import CONNECT_SECONDS, broke, out_of_reach, unreachable
from puna.errors import ServerUnreachable


class RemoteReply:
    """A ``Reply``."""

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self.status = response.status_code
        self.reason = response.reason_phrase
        self.headers: Mapping[str, str] = response.headers

    def read(self) -> bytes:
        """All of the body."""
        try:
            return self._response.read()
        except httpx2.HTTPError as error:
            raise broke(error) from error

    def pieces(self) -> Iterator[bytes]:
        """The body, as it comes."""
        try:
            yield from self._response.iter_bytes()
        except httpx2.HTTPError as error:
            raise broke(error) from error


class RemoteTransport:
    """A ``Transport``. ``use_proxies`` has the environment's proxies and certificates respected."""

    def __init__(self, base_url: str, patience: float | None = None, *, use_proxies: bool) -> None:
        self._elsewhere = base_url if use_proxies else ""
        try:
            self._http = httpx2.Client(
                base_url=base_url,
                timeout=httpx2.Timeout(patience, connect=CONNECT_SECONDS if patience is None else patience),
                trust_env=use_proxies,
                # Reading the certificates of all authorities takes longer than a call that needs none.
                verify=False if base_url.startswith("http:") else httpx2.create_ssl_context(),
            )
        except OSError as error:
            raise ServerUnreachable(f"the certificates to trust cannot be read: {error}") from error
        except httpx2.InvalidURL as error:
            raise ServerUnreachable(f"{base_url!r} is not a server's address: {error}") from error

    @contextmanager
    def send(
        self, method: str, path: str, *, content: bytes | Iterable[bytes] | None, headers: Mapping[str, str]
    ) -> Generator[RemoteReply]:
        """Send a request; leaving the context before the reply's end closes the connection."""
        request = self._http.build_request(method, path, content=content, headers=dict(headers))
        try:
            # What was read from a file cannot be sent twice.
            response = self._http.send(request, stream=True, follow_redirects=not isinstance(content, Iterator))
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise _distrusted(error) or self._unreachable(error) from error
        except httpx2.HTTPError as error:
            raise broke(error) from error
        try:
            yield RemoteReply(response)
        finally:
            response.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _unreachable(self, error: Exception) -> ServerUnreachable:
        if not self._elsewhere:
            return unreachable()
        reasons = (cause.strerror for cause in _causes(error) if isinstance(cause, OSError))
        late = f"no answer within {CONNECT_SECONDS:.0f} seconds"
        return out_of_reach(self._elsewhere, next(filter(None, reasons), str(error) or late))


def _distrusted(error: BaseException) -> ServerUnreachable | None:
    """That TLS came to nothing, if it is why ``error`` was raised."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            trust = "SSL_CERT_FILE names a file with the certificates to trust"
            return ServerUnreachable(f"the server's certificate is not trusted: {cause.verify_message}; {trust}")
        if isinstance(cause, ssl.SSLError):
            return ServerUnreachable("the server does not speak HTTPS: OLLAMA_HOST must begin with http://")
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """``error``, what it was raised from, and so on."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
