"""Answers to a registry that asks who we are: HTTP Basic, tokens as container registries give them, and Ollama's own.

Ollama's registry takes a request for a token that is signed with the user's key, from its own host only. Others take a
user name and password, or nobody's, at whichever host they name.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from puna import network
from puna.errors import RegistryError, Unauthorized
from puna.registry import key as keys
from puna.registry.credentials import Credentials

Fetch = Callable[[str, str, Mapping[str, str], bytes], Awaitable[tuple[int, bytes]]]
"""Sends a method to a URL with headers and a body; gives the reply's status and body."""

_SCHEME = re.compile(r"(?:^|,)\s*(Bearer|Basic)\b", re.IGNORECASE)
_PARAMETER = re.compile(r'(?<![A-Za-z_])([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_NO_BODY = base64.b64encode(hashlib.sha256().hexdigest().encode()).decode()


async def answer(asked: str, *, asked_by: str, credentials: Credentials | None, key: Path, fetch: Fetch) -> str | None:
    """The ``Authorization`` that answers the ``WWW-Authenticate`` header ``asked``, None if there is nothing to say.

    Raises:
        Unauthorized, RegistryError: a token was refused.
    """
    found = dict(_challenges(asked))
    if credentials and credentials.token and "bearer" in found:
        return f"Bearer {credentials.token}"
    if "bearer" in found and "realm" in found["bearer"]:
        return f"Bearer {await _token(found['bearer'], asked_by, credentials, key, fetch)}"
    if "basic" in found and credentials and credentials.password:
        return _basic(credentials)
    return None


def _challenges(asked: str) -> list[tuple[str, dict[str, str]]]:
    starts = [*_SCHEME.finditer(asked)]
    ends = [*(start.start() for start in starts), len(asked)][1:]
    return [
        (start.group(1).lower(), _parameters(asked[start.end() : end])) for start, end in zip(starts, ends, strict=True)
    ]


def _parameters(text: str) -> dict[str, str]:
    return {
        found.group(1).lower(): re.sub(r"\\(.)", r"\1", found.group(2))
        if found.group(2) is not None
        else found.group(3)
        for found in _PARAMETER.finditer(text)
    }


async def _token(
    wanted: Mapping[str, str], asked_by: str, credentials: Credentials | None, key: Path, fetch: Fetch
) -> str:
    realm = wanted["realm"]
    at_home = network.origin(realm)[1:] == network.origin(asked_by)[1:]
    if network.origin(asked_by)[0] == "https" and network.origin(realm)[0] != "https":
        raise Unauthorized(f"a registry of HTTPS wants its token fetched without it: {realm}")
    if credentials is None and at_home:
        url = _signed_url(wanted)
        signature = keys.load(key).authorization(f"GET,{url},{_NO_BODY}")
        status, body = await fetch("GET", url, {"Authorization": signature}, b"")
        if status < 400:
            return _read(body)
        # A registry that does not know such keys may still serve everybody.
        anonymous, public = await fetch("GET", _url(wanted, None), {}, b"")
        if anonymous < 400:
            return _read(public)
    elif credentials and credentials.identity:
        form = urlencode(_exchange(wanted, credentials.identity)).encode()
        status, body = await fetch("POST", realm, {"Content-Type": "application/x-www-form-urlencoded"}, form)
        if status < 400:
            return _read(body)
    else:
        headers = {"Authorization": _basic(credentials)} if credentials and credentials.password else {}
        status, body = await fetch("GET", _url(wanted, credentials), headers, b"")
        if status < 400:
            return _read(body)
    text = body.decode("utf-8", "replace").strip()
    if status in (401, 403):
        raise Unauthorized(f"{status}: {text}", code=status)
    raise RegistryError(f"{status}: {text}", code=status)


def _signed_url(wanted: Mapping[str, str]) -> str:
    nonce = base64.urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode()
    scopes = [("scope", scope) for scope in wanted.get("scope", "").split()]
    said = [("nonce", nonce), *scopes, ("service", wanted.get("service", "")), ("ts", str(int(time.time())))]
    return _with_query(wanted["realm"], said, ordered=True)


def _exchange(wanted: Mapping[str, str], identity: str) -> dict[str, str]:
    """What is said to exchange an identity token for an access token."""
    return {
        "grant_type": "refresh_token",
        "client_id": "puna",
        "service": wanted.get("service", ""),
        "scope": wanted.get("scope", ""),
        "refresh_token": identity,
    }


def _url(wanted: Mapping[str, str], credentials: Credentials | None) -> str:
    said = [("service", wanted["service"])] if "service" in wanted else []
    said += [("scope", scope) for scope in wanted.get("scope", "").split()]
    if credentials and credentials.username:
        said.append(("account", credentials.username))
    return _with_query(wanted["realm"], said)


def _with_query(url: str, said: list[tuple[str, str]], *, ordered: bool = False) -> str:
    parts = urlsplit(url)
    query = [*parse_qsl(parts.query, keep_blank_values=True), *said]
    if ordered:
        query.sort(key=lambda pair: pair[0])
    return urlunsplit(parts._replace(query=urlencode(query)))


def _read(body: bytes) -> str:
    try:
        reply = json.loads(body)
        token = reply.get("token") or reply.get("access_token")
    except (ValueError, AttributeError) as error:
        raise RegistryError("the registry's token is not one") from error
    if not isinstance(token, str) or not token:
        raise RegistryError("the registry gave no token")
    return token


def _basic(credentials: Credentials) -> str:
    pair = f"{credentials.username}:{credentials.password}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"
