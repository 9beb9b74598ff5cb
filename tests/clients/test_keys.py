"""Keys at work: the official clients and puna's own commands against a real server that wants them."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anthropic
import ollama
import openai
import pytest

from support.certificates import certified

Start = Callable[..., AbstractContextManager[Any]]

USER = {"role": "user", "content": "answer:SGVsbG8="}
"""What the scripted engine answers with "Hello"."""


def puna(*args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command."""
    return subprocess.run(
        [sys.executable, "-m", "puna", *args],
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@dataclass
class Place:
    """A server with the models `able` and `secret`, and the keys it has."""

    url: str
    state: str
    log: list[str]
    keys: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, *flags: str) -> str:
        made = puna("keys", "add", name, *flags, PUNA_STATE=self.state)
        assert made.returncode == 0, made.stderr
        self.keys[name] = made.stdout.removesuffix("\n")
        return self.keys[name]

    def revoke(self, name: str) -> None:
        assert puna("keys", "revoke", name, PUNA_STATE=self.state).returncode == 0

    def ask(self, method: str, path: str, key: str = "", body: Any = None) -> tuple[int, Any, dict[str, str]]:
        """Send a request with a key of that name; give status, decoded reply and headers."""
        headers = {"Authorization": f"Bearer {self.keys[key]}"} if key else {}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                status, text, said = reply.status, reply.read(), dict(reply.headers)
        except urllib.error.HTTPError as error:
            with error:
                status, text, said = error.code, error.read(), dict(error.headers)
        return status, json.loads(text) if text[:1] in (b"{", b"[") else text.decode(), said


@pytest.fixture(scope="module")
def place(start_server: Start, tiny: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A server on loopback, with keys for different things."""
    store = tmp_path_factory.mktemp("keys") / "store"
    engine = Path(__file__).parents[1] / "support" / "scripted_llama_server.py"
    with start_server(store, PUNA_LLAMA_SERVER=str(engine), OLLAMA_DEBUG="2") as running:
        running.create("able", tiny[0], template="{{ .Prompt }}")
        running.call("POST", "/api/copy", {"source": "able", "destination": "secret"})
        found = Place(running.url, f"{store}-state", running.log)
        found.add("user")
        found.add("other")
        found.add("narrow", "--scope", "infer", "--scope", "pull", "--model", "able*", "--model", "mine")
        found.add("root", "--scope", "admin")
        yield found


def test_openais_client_comes_in_with_its_key(place: Place) -> None:
    """And with a wrong one it says that the key is wrong, in its own exception."""
    with openai.OpenAI(base_url=f"{place.url}/v1", api_key=place.keys["user"], max_retries=0) as client:
        reply = client.chat.completions.create(model="able", messages=[USER])  # type: ignore[list-item]
        assert "Hello" == reply.choices[0].message.content
    with openai.OpenAI(base_url=f"{place.url}/v1", api_key="puna_wrong", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            client.chat.completions.create(model="able", messages=[USER])  # type: ignore[list-item]
        assert "invalid_api_key" == caught.value.code
        with pytest.raises(openai.AuthenticationError):
            client.models.list()
    with openai.OpenAI(base_url=f"{place.url}/v1", api_key=place.keys["narrow"], max_retries=0) as client:
        with pytest.raises(openai.PermissionDeniedError):
            client.chat.completions.create(model="secret", messages=[USER])  # type: ignore[list-item]
        assert ["able:latest"] == [model.id for model in client.models.list()]


def test_anthropics_client_comes_in_with_its_key(place: Place) -> None:
    """By either of the headers that it has for one."""
    for credentials in ({"api_key": place.keys["user"]}, {"auth_token": place.keys["user"]}):
        with anthropic.Anthropic(base_url=place.url, max_retries=0, **credentials) as client:  # type: ignore[arg-type]
            reply = client.messages.create(model="able", max_tokens=9, messages=[USER])  # type: ignore[list-item]
            assert "Hello" == reply.content[0].text  # type: ignore[union-attr]
    with (
        anthropic.Anthropic(base_url=place.url, api_key="puna_wrong", max_retries=0) as client,
        pytest.raises(anthropic.AuthenticationError),
    ):
        client.messages.create(model="able", max_tokens=9, messages=[USER])  # type: ignore[list-item]
    with (
        anthropic.Anthropic(base_url=place.url, api_key=place.keys["narrow"], max_retries=0) as client,
        pytest.raises(anthropic.PermissionDeniedError),
    ):
        client.messages.create(model="secret", max_tokens=9, messages=[USER])  # type: ignore[list-item]


def test_ollamas_client_comes_in_with_its_key(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes it from OLLAMA_API_KEY, streaming or not."""
    monkeypatch.setenv("OLLAMA_API_KEY", place.keys["user"])
    with closing(ollama.Client(host=place.url)) as client:
        assert "Hello" == client.chat("able", messages=[USER]).message.content
        assert "Hello" == "".join(part.message.content or "" for part in client.chat("able", [USER], stream=True))
        with pytest.raises(ollama.ResponseError) as caught:
            client.delete("able")
        assert (403, True) == (caught.value.status_code, '"admin"' in caught.value.error)
    monkeypatch.setenv("OLLAMA_API_KEY", "puna_wrong")
    with closing(ollama.Client(host=place.url)) as client:
        for stream in (False, True):
            with pytest.raises(ollama.ResponseError) as caught:
                list(client.chat("able", messages=[USER], stream=stream))  # type: ignore[call-overload]
            assert 401 == caught.value.status_code


def test_commands_come_in_with_the_key_in_the_environment(place: Place) -> None:
    """Without one they say what is missing; with one that is for something else, what it lacks."""
    assert puna("list", OLLAMA_HOST=place.url, OLLAMA_API_KEY=place.keys["user"]).stdout.count("latest") == 2
    run = puna("run", "able", USER["content"], OLLAMA_HOST=place.url, OLLAMA_API_KEY=place.keys["user"])
    assert (0, "Hello") == (run.returncode, run.stdout.strip())
    assert "version is" in puna("--version", OLLAMA_HOST=place.url, OLLAMA_API_KEY=place.keys["user"]).stdout

    without = puna("list", OLLAMA_HOST=place.url, OLLAMA_API_KEY="")
    assert (1, 1) == (without.returncode, without.stderr.count("\n"))
    assert "OLLAMA_API_KEY" in without.stderr
    lacking = puna("rm", "able", OLLAMA_HOST=place.url, OLLAMA_API_KEY=place.keys["user"])
    assert (1, True) == (lacking.returncode, '"admin"' in lacking.stderr)
    assert "Warning" in puna("--version", OLLAMA_HOST=place.url, OLLAMA_API_KEY="puna_wrong").stdout


SECRET = [
    ("POST", "/api/generate", {"model": "secret", "prompt": "x"}),
    ("POST", "/api/generate", {"model": "SECRET:latest", "keep_alive": 0}),
    ("POST", "/api/chat", {"model": "secret", "messages": [USER]}),
    ("POST", "/api/chat", {"model": "registry.ollama.ai/library/secret", "messages": [USER]}),
    ("POST", "/api/embed", {"model": "secret", "input": "x"}),
    ("POST", "/api/embeddings", {"model": "secret", "prompt": "x"}),
    ("POST", "/api/tokenize", {"model": "secret", "text": "x"}),
    ("POST", "/api/detokenize", {"model": "secret", "tokens": [1]}),
    ("POST", "/api/apply-template", {"model": "secret", "messages": [USER]}),
    ("POST", "/api/show", {"model": "secret"}),
    ("POST", "/api/copy", {"source": "secret", "destination": "mine"}),
    ("POST", "/api/copy", {"source": "able", "destination": "secret"}),
    ("POST", "/api/create", {"model": "mine", "from": "secret", "stream": False}),
    ("POST", "/api/create", {"model": "secret", "from": "able", "stream": False}),
    ("POST", "/api/create", {"model": "mine", "modelfile": "FROM secret", "stream": False}),
    ("POST", "/api/create", {"model": "mine", "modelfile": "FROM /etc/hostname", "stream": False}),
    ("POST", "/api/create", {"model": "mine", "path": "/etc/hostname", "stream": False}),
    ("POST", "/api/pull", {"model": "secret", "stream": False}),
    ("POST", "/v1/chat/completions", {"model": "secret", "messages": [USER]}),
    ("POST", "/v1/completions", {"model": "secret", "prompt": "x"}),
    ("POST", "/v1/embeddings", {"model": "secret", "input": "x"}),
    ("POST", "/v1/responses", {"model": "secret", "input": "x"}),
    ("POST", "/v1/responses/input_tokens", {"model": "secret", "input": "x"}),
    ("GET", "/v1/models/secret", None),
    ("POST", "/v1/messages", {"model": "secret", "max_tokens": 1, "messages": [USER]}),
    ("POST", "/v1/messages/count_tokens", {"model": "secret", "messages": [USER]}),
    ("POST", "/v1/rerank", {"model": "secret", "query": "x", "documents": ["y"]}),
    ("POST", "/v2/rerank", {"model": "secret", "query": "x", "documents": ["y"]}),
    ("POST", "/rerank", {"model": "secret", "query": "x", "documents": ["y"]}),
    ("POST", "/api/chat", {"model": "not-installed", "messages": [USER]}),
]


@pytest.mark.parametrize(("method", "path", "body"), SECRET)
def test_a_key_for_some_models_is_for_no_others(place: Place, method: str, path: str, body: Any) -> None:
    """In no API, by no spelling of a name, whether or not there is such a model."""
    status, said, _ = place.ask(method, path, "narrow", body)
    assert (403, True) == (status, "the key may not" in json.dumps(said)), said


def test_a_key_for_some_models_sees_no_others(place: Place) -> None:
    """Neither installed nor in memory; what it is for works, and what it makes it may use."""
    assert 200 == place.ask("POST", "/api/chat", "root", {"model": "secret", "messages": [USER], "stream": False})[0]
    assert {"able:latest", "secret:latest"} == {
        one["name"] for one in place.ask("GET", "/api/tags", "user")[1]["models"]
    }
    assert ["able:latest"] == [one["name"] for one in place.ask("GET", "/api/tags", "narrow")[1]["models"]]
    assert ["secret:latest"] == [one["name"] for one in place.ask("GET", "/api/ps", "root")[1]["models"]]
    assert [] == place.ask("GET", "/api/ps", "narrow")[1]["models"]

    assert 200 == place.ask("POST", "/api/copy", "narrow", {"source": "able", "destination": "mine"})[0]
    assert 200 == place.ask("POST", "/api/generate", "narrow", {"model": "mine", "prompt": "x", "stream": False})[0]
    assert 403 == place.ask("DELETE", "/api/delete", "narrow", {"model": "mine"})[0]
    assert 200 == place.ask("DELETE", "/api/delete", "root", {"model": "mine"})[0]


def test_an_answer_that_is_kept_belongs_to_its_key(place: Place) -> None:
    """Nobody else reads it, goes on from it or deletes it, not even by its id."""
    _, made, _ = place.ask("POST", "/v1/responses", "user", {"model": "able", "input": USER["content"]})
    path = f"/v1/responses/{made['id']}"

    for key in ("other", "root"):
        assert 404 == place.ask("GET", path, key)[0]
        assert 404 == place.ask("DELETE", path, key)[0]
        follow = {"model": "able", "input": "and?", "previous_response_id": made["id"]}
        assert 400 == place.ask("POST", "/v1/responses", key, follow)[0]
    assert 200 == place.ask("GET", path, "user")[0]
    assert 200 == place.ask("DELETE", path, "user")[0]


def test_what_runs_is_seen_and_ended_by_its_key_and_by_admin(place: Place) -> None:
    """One key's request is not another's to see or to end."""
    body = json.dumps({"model": "able", "messages": [{"role": "user", "content": "say:Well hang"}]}).encode()
    headers = {"Authorization": f"Bearer {place.keys['user']}"}
    request = urllib.request.Request(f"{place.url}/api/chat", data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=60) as stream:
        id_ = stream.headers["x-request-id"]
        assert [] == place.ask("GET", "/api/requests", "other")[1]["requests"]
        assert 404 == place.ask("DELETE", f"/api/requests/{id_}", "other")[0]
        for key in ("user", "root"):
            assert [id_] == [one["id"] for one in place.ask("GET", "/api/requests", key)[1]["requests"]]
        assert 200 == place.ask("DELETE", f"/api/requests/{id_}", "user")[0]
        assert "canceled" in stream.read().decode()


def test_a_key_that_is_made_or_revoked_counts_at_once(place: Place) -> None:
    """The server need not be started again, nor a connection be opened anew."""
    place.add("brief")
    assert 200 == place.ask("GET", "/api/tags", "brief")[0]
    place.revoke("brief")
    status, said, headers = place.ask("GET", "/api/tags", "brief")
    assert (401, "Bearer") == (status, headers["www-authenticate"])
    assert "revoked" in said["error"]


def test_who_asks_too_often_waits(place: Place) -> None:
    """The one too many is a 429 that says for how long, and clients know it as such."""
    place.add("slow", "--rate", "1/min")
    body = {"model": "able", "messages": [USER], "stream": False}
    assert 200 == place.ask("POST", "/api/chat", "slow", body)[0]
    status, said, headers = place.ask("POST", "/api/chat", "slow", body)
    assert (429, True) == (status, "1 requests a minute" in said["error"])
    assert 1 <= int(headers["retry-after"]) <= 60
    with (
        openai.OpenAI(base_url=f"{place.url}/v1", api_key=place.keys["slow"], max_retries=0) as client,
        pytest.raises(openai.RateLimitError),
    ):
        client.embeddings.create(model="able", input="x")
    assert 200 == place.ask("GET", "/api/tags", "slow")[0]


def test_no_key_is_ever_in_the_log(place: Place) -> None:
    """Neither a right nor a wrong one, in whatever header, at the level that logs most."""
    for name, value in (("Authorization", "Bearer puna_of_nobody"), ("x-api-key", "puna_of_nobody")):
        request = urllib.request.Request(f"{place.url}/api/tags", headers={name: value})
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=60)
        caught.value.close()
    log = "".join(place.log)

    assert "DEBUG" in log
    for secret in (*place.keys.values(), "puna_of_nobody", "Bearer puna_"):
        assert secret not in log
        assert secret.removeprefix("puna_")[:12] not in log


def refused(*flags: str, **environ: str) -> str:
    """What a server says that does not start."""
    done = puna("serve", *flags, **environ)
    assert (1, "") == (done.returncode, done.stdout)
    return done.stderr


def test_a_server_that_others_reach_does_not_start_without_keys(tmp_path: Path) -> None:
    """It says what to do, in one line; nobody is let in by oversight."""
    environ = {"OLLAMA_HOST": "0.0.0.0:0", "OLLAMA_MODELS": str(tmp_path / "m"), "PUNA_STATE": str(tmp_path / "s")}
    said = refused(**environ)
    assert 1 == said.count("\n")
    assert all(words in said for words in ("puna keys add", "--insecure-no-keys", "PUNA_INSECURE_NO_KEYS=1"))

    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "keys.json").write_text("{")
    assert "damaged" in refused(**environ).splitlines()[-1]


def test_a_server_that_others_reach_stays_closed_without_keys(start_server: Start, tmp_path: Path) -> None:
    """Revoking the last key does not let everybody in. Without TLS the log warns, unless nothing is to be kept in."""
    state = f"{tmp_path / 'store'}-state"
    assert puna("keys", "add", "root", "--scope", "admin", PUNA_STATE=state).returncode == 0
    with start_server(tmp_path / "store", OLLAMA_HOST="0.0.0.0:0") as running:
        assert puna("keys", "revoke", "root", PUNA_STATE=state).returncode == 0
        assert 401 == Place(running.url, state, running.log).ask("GET", "/api/tags")[0]
        assert 200 == Place(running.url, state, running.log).ask("GET", "/")[0]
        assert "not encrypted" in "".join(running.log)


def test_who_wants_everybody_in_says_so(start_server: Start, tmp_path: Path) -> None:
    """With PUNA_INSECURE_NO_KEYS a server that others reach is open, as Ollama's is."""
    with start_server(tmp_path / "store", OLLAMA_HOST="0.0.0.0:0", PUNA_INSECURE_NO_KEYS="1") as running:
        assert 200 == Place(running.url, "", running.log).ask("GET", "/api/tags")[0]


def test_https_is_served_with_a_certificate(start_server: Start, tmp_path: Path) -> None:
    """Clients that trust it come in, by TLS 1.2 or later; puna's commands take SSL_CERT_FILE as others do."""
    made = certified(tmp_path / "certificates")
    files = {"PUNA_TLS_CERT": str(made.certificate), "PUNA_TLS_KEY": str(made.key)}
    with start_server(tmp_path / "store", **files) as running:
        url = running.url.replace("http:", "https:")
        trusting = ssl.create_default_context(cafile=str(made.authority))
        with urllib.request.urlopen(f"{url}/api/version", timeout=60, context=trusting) as reply:
            assert 200 == reply.status
        trusting.maximum_version = ssl.TLSVersion.TLSv1_2
        with urllib.request.urlopen(f"{url}/", timeout=60, context=trusting) as reply:
            assert b"Ollama is running" == reply.read()
        if shutil.which("curl"):
            curl = ["curl", "-sS", "--cacert", str(made.authority), f"{url}/api/tags"]
            assert {"models": []} == json.loads(
                subprocess.run(curl, capture_output=True, timeout=60, check=True).stdout
            )

        listed = puna("list", OLLAMA_HOST=url, SSL_CERT_FILE=str(made.authority))
        assert (0, "NAME") == (listed.returncode, listed.stdout[:4]), listed.stderr
        distrusted = puna("list", OLLAMA_HOST=url)
        assert (1, True) == (distrusted.returncode, "certificate" in distrusted.stderr), distrusted.stderr


def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """Who mixes files up is told which, and the server does not start with less."""
    made, other = certified(tmp_path / "one"), certified(tmp_path / "other")
    environ = {"OLLAMA_HOST": "127.0.0.1:0", "OLLAMA_MODELS": str(tmp_path / "m"), "PUNA_STATE": str(tmp_path / "s")}

    problem = refused("--tls-cert", str(made.certificate), f"--tls-key={other.key}", **environ)
    assert (
        f"Error: the private key in {other.key} does not belong to the certificate in {made.certificate}\n" == problem
    )
