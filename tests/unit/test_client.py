"""The client library against a server that plays Ollama's API over real HTTP."""

import gzip
import itertools
import json
import re
import socket
import threading
from contextlib import closing

import pytest

from puna.client import ApiError, Client, split_lines
from puna.client.local import LocalReply
from puna.client.remote import RemoteTransport
from puna.client.serving import ServerVersion
from puna.durations import FOREVER
from puna.errors import ServerUnreachable
from puna.events import Done, Progress, Rendered, Text, Thinking, ToolCalled
from puna.names import Digest
from puna.types import (
    ChatRequest,
    CreateRequest,
    Details,
    GenerateRequest,
    Message,
    ModelSummary,
    PullRequest,
    PushRequest,
    RunningModel,
    Tensor,
    Timings,
    TokenLogprob,
    Tool,
    ToolCall,
    Usage,
)

DETAILS = {
    "parent_model": "",
    "format": "gguf",
    "family": "llama",
    "families": ["llama"],
    "parameter_size": "134.52M",
    "quantization_level": "Q4_1",
}
READ_DETAILS = Details("", "gguf", "llama", ("llama",), "134.52M", "Q4_1")


@pytest.fixture(params=["here", "anywhere"])
def client(api, request):
    """A client, with the transport for servers on this machine, and with the one for all others."""
    with Client(api.url) as client:
        if request.param == "anywhere":
            client._transport = RemoteTransport(api.url, use_proxies=False)
        yield client


def test_no_server(unused_url):
    """Where no server answers, the error says how to start one."""
    with Client(unused_url) as client, pytest.raises(ServerUnreachable) as caught:
        client.heartbeat()
    assert "could not connect to puna server, run 'puna serve' to start it" == str(caught.value)


@pytest.mark.parametrize("url", ["http://a b:x", "ftp://somewhere", "http://"])
def test_not_an_address(url):
    """An address that is none is refused in words."""
    with pytest.raises(ServerUnreachable, match="is not a server's address"):
        Client(url)


def test_another_machine_without_a_server():
    """Where another machine does not answer, the error says which, why, and what to look at."""
    with Client("http://puna.invalid:1") as client, pytest.raises(ServerUnreachable) as caught:
        client.heartbeat()
    expected = r"could not connect to http://puna\.invalid:1: .+; OLLAMA_HOST says where the server is"
    assert re.fullmatch(expected, str(caught.value))


def test_wildcard_address_is_reached_on_this_machine(api):
    """A server told to listen everywhere is reached by the same setting."""
    with Client(api.url.replace("127.0.0.1", "0.0.0.0")) as client:
        client.heartbeat()
    assert f"{api.url.removeprefix('http://')}" == api.asked[0].headers["Host"]


def test_proxies_are_not_asked_for_this_machine(api, monkeypatch, unused_url):
    """A proxy for the world does not stand between the client and a server beside it."""
    monkeypatch.setenv("HTTP_PROXY", unused_url)
    with Client(api.url) as client:
        client.heartbeat()
    assert ["HEAD"] == [asked.method for asked in api.asked]


def test_path_prefix_is_kept(api):
    """A server behind a path is reached under it."""
    api.on("GET", "/ai/api/tags", {"models": []})
    with Client(f"{api.url}/ai") as client:
        assert () == client.list()


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("puna/1.2.3", ServerVersion("0.33.0", "1.2.3")),
        ("uvicorn", ServerVersion("0.33.0")),
        ("", ServerVersion("0.33.0")),
    ],
)
def test_version(api, client, server, expected):
    """The version tells puna from another server of the same API."""
    body = json.dumps({"version": "0.33.0"}).encode()
    api.on("GET", "/api/version", api.reply(body=body, headers={"Server": server}))
    assert expected == client.version()


def test_list(api, client):
    """Every field of a listed model arrives."""
    api.on(
        "GET",
        "/api/tags",
        {
            "models": [
                {
                    "name": "smol:latest",
                    "model": "smol:latest",
                    "modified_at": "2026-11-21T20:41:05.742011893Z",
                    "size": 98,
                    "digest": "567593dcd586",
                    "details": DETAILS | {"context_length": 8192, "embedding_length": 576},
                    "capabilities": ["completion"],
                }
            ]
        },
    )
    details = Details("", "gguf", "llama", ("llama",), "134.52M", "Q4_1", 8192, 576)
    expected = ModelSummary(
        "smol:latest", "2026-11-21T20:41:05.742011893Z", 98, "567593dcd586", details, ("completion",)
    )
    assert (expected,) == client.list()


def test_tolerance(api, client):
    """Nulls, missing fields and unknown ones of another version do not stop a list."""
    api.on("GET", "/api/tags", {"models": [{"name": "m", "details": {"families": None, "new": 1}, "newer": {}}]})
    api.on("GET", "/api/ps", {"models": None})
    assert (ModelSummary("m", "", 0, "", Details()),) == client.list()
    assert () == client.running()


def test_running(api, client):
    """Every field of a loaded model arrives."""
    api.on(
        "GET",
        "/api/ps",
        {
            "models": [
                {
                    "name": "smol:latest",
                    "size": 210690374,
                    "digest": "567593dcd586",
                    "details": DETAILS,
                    "expires_at": "2319-03-03T20:36:53Z",
                    "size_vram": 7,
                    "context_length": 4096,
                }
            ]
        },
    )
    expected = RunningModel("smol:latest", 210690374, 7, "567593dcd586", READ_DETAILS, "2319-03-03T20:36:53Z", 4096)
    assert (expected,) == client.running()


def test_show(api, client):
    """What a model is arrives whole, and verbose is asked for only when it is wanted."""
    api.on(
        "POST",
        "/api/show",
        {
            "modelfile": "FROM x\n",
            "parameters": "stop  a",
            "template": "{{ .Prompt }}",
            "license": "MIT",
            "system": "Be.",
            "details": DETAILS,
            "messages": [{"role": "user", "content": "hi"}],
            "model_info": {"general.architecture": "llama", "tokenizer.ggml.tokens": None},
            "tensors": [{"name": "output.weight", "type": "F32", "shape": [576]}],
            "capabilities": ["completion"],
            "modified_at": "2026-11-21T20:41:05Z",
            "requires": "0.14.0",
        },
    )
    model = client.show("smol")
    client.show("smol", verbose=True)
    assert [{"model": "smol"}, {"model": "smol", "verbose": True}] == api.bodies("/api/show")
    assert ("MIT", "Be.", "FROM x\n", "0.14.0") == (model.license, model.system, model.modelfile, model.requires)
    assert (Message("user", "hi"),) == model.messages
    assert (Tensor("output.weight", "F32", (576,)),) == model.tensors
    assert {"general.architecture": "llama", "tokenizer.ggml.tokens": None} == model.model_info


def test_refusal_of_a_call(api, client):
    """A refused call says just the server's words, and keeps the status beside them."""
    api.on("DELETE", "/api/delete", {"error": "model 'x' not found"}, status=404)
    with pytest.raises(ApiError) as caught:
        client.delete("x")
    assert "model 'x' not found" == str(caught.value)
    assert (404, "Not Found") == (caught.value.code, caught.value.reason)
    assert [{"model": "x"}] == api.bodies("/api/delete")


def test_refusal_of_a_stream(api, client):
    """A refused stream says the status too."""
    api.on("POST", "/api/generate", {"error": '"m" does not support thinking'}, status=400)
    with pytest.raises(ApiError) as caught:
        list(client.generate(GenerateRequest("m", prompt="hi")))
    assert '400 Bad Request: "m" does not support thinking' == str(caught.value)
    assert '"m" does not support thinking' == caught.value.text


def test_error_inside_a_stream(api, client):
    """What was said before an error arrives; the error is the server's words."""
    api.streams("/api/generate", {"response": "He"}, {"error": "the engine died"})
    events = client.generate(GenerateRequest("m", prompt="hi"))
    assert Text("He") == next(events)
    with pytest.raises(ApiError, match=r"^the engine died$") as caught:
        next(events)
    assert 0 == caught.value.code


def test_refusal_without_json(api, client):
    """A refusal in another form, by a proxy perhaps, is shown as it is."""
    api.on("POST", "/api/copy", api.reply(status=503, body=b"busy"))
    with pytest.raises(ApiError, match=r"^busy$"):
        client.copy("a", "b")


def test_route_that_is_not_there(api, client):
    """A server too old for a command is told as such."""
    with pytest.raises(ApiError, match=r"^the server has no /api/copy: it is an older one") as caught:
        client.copy("a", "b")
    assert 404 == caught.value.code


def test_another_kind_of_server(api, client):
    """A server that is neither puna nor Ollama is told as such."""
    api.on("GET", "/api/tags", api.reply(body=b"<html>"))
    with pytest.raises(ApiError, match="is it a puna or Ollama server"):
        client.list()
    api.on("GET", "/api/tags", {"models": [1, "a"]})
    with pytest.raises(ApiError, match="is it a puna or Ollama server"):
        client.list()


def test_an_error_that_comes_as_a_success(api, client):
    """A server that says with status 200 that it has no such route has said no."""
    api.on("GET", "/api/tags", {"error": "unexpected endpoint"})
    with pytest.raises(ApiError, match=r"^unexpected endpoint$"):
        client.list()


@pytest.mark.parametrize("status", [404, 405])
def test_nothing_of_ours_at_the_address(api, client, status):
    """Where a web server answers that knows nothing of models, the error says where that was set."""
    api.on("HEAD", "/", api.reply(status=status))
    with pytest.raises(ApiError, match=f"^what answers at {api.url} is neither puna nor Ollama; OLLAMA_HOST"):
        client.heartbeat()


def test_a_server_that_sends_callers_elsewhere(api):
    """A redirection that is not followed is told with the address to use."""
    api.on("HEAD", "/", api.reply(status=301, headers={"Location": "https://puna.example/"}))
    with Client(api.url) as client, pytest.raises(ApiError, match=r"https://puna\.example/: OLLAMA_HOST must"):
        client.heartbeat()


@pytest.mark.parametrize(
    ("said", "told"),
    [(b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak HTTP; OLLAMA_HOST"), (b"", "without an answer, as one does that")],
)
def test_a_server_that_speaks_something_else(said, told):
    """What is no HTTP server is told as such, and one that hangs up at once may be one that wants HTTPS."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with Client(url) as client, pytest.raises(ServerUnreachable, match=told):
            client.heartbeat()
        thread.join()


@pytest.mark.parametrize("anywhere", [False, True])
def test_patience(anywhere):
    """A server that takes the connection and never answers is given up, where that is wanted."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with Client(url, patience=0.05) as client:
            if anywhere:
                client._transport = RemoteTransport(url, 0.05, use_proxies=False)
            with pytest.raises(ServerUnreachable, match="the connection to the server broke"):
                client.version()


def test_interrupted_in_the_midst_of_a_reply(api, monkeypatch):
    """Ctrl+C is no broken connection, in whatever line of code it comes."""

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(LocalReply, "on_headers_complete", interrupted)
    with Client(api.url) as client, pytest.raises(KeyboardInterrupt):
        client.heartbeat()


@pytest.mark.parametrize("path", ["/api/create", "/api/pull", "/api/push", "/api/generate", "/api/chat"])
def test_an_answer_without_its_end(api, client, path):
    """An answer that ends before its last line is not taken for a whole one."""
    asked = {
        "/api/create": lambda: client.create(CreateRequest("m")),
        "/api/pull": lambda: client.pull(PullRequest("m")),
        "/api/push": lambda: client.push(PushRequest("m")),
        "/api/generate": lambda: client.generate(GenerateRequest("m")),
        "/api/chat": lambda: client.chat(ChatRequest("m")),
    }[path]
    api.streams(path, {"status": "begun", "response": "He", "message": {"content": "He"}})
    coming = asked()
    next(coming)
    with pytest.raises(ApiError, match=f"^the server ended its answer to {path} too early"):
        next(coming)


def test_connection_lost(api, client):
    """A server that ends in the middle of an answer is not taken for the answer's end."""

    def chunks():
        yield b'{"response":"He"}\n'
        raise ConnectionResetError

    api.on("POST", "/api/generate", api.reply(chunks=chunks()))
    events = client.generate(GenerateRequest("m", prompt="hi"))
    assert Text("He") == next(events)
    with pytest.raises(ServerUnreachable, match="the connection to the server broke"):
        next(events)


def test_generate_says_only_what_was_said(api, client):
    """Fields that were left alone are left to the server."""
    api.streams("/api/generate", {"response": "", "done": True, "done_reason": "load"})
    assert [Done("load")] == list(client.generate(GenerateRequest("m")))
    assert [{"stream": True, "model": "m"}] == api.bodies("/api/generate")


def test_generate_says_everything(api, client):
    """Every field has its name in the API."""
    api.streams("/api/generate", {"done": True})
    request = GenerateRequest(
        "m",
        options={"stop": ("a",), "seed": 0},
        keep_alive=FOREVER,
        format={"type": "object"},
        think="high",
        truncate=False,
        shift=False,
        logprobs=True,
        top_logprobs=2,
        render_only=True,
        prompt="p",
        suffix="s",
        system="",
        template="t",
        context=(1, 2),
        raw=True,
        images=(b"\x00",),
    )
    list(client.generate(request))
    expected = {
        "stream": True,
        "model": "m",
        "options": {"stop": ["a"], "seed": 0},
        "keep_alive": -1,
        "format": {"type": "object"},
        "think": "high",
        "truncate": False,
        "shift": False,
        "logprobs": True,
        "top_logprobs": 2,
        "_debug_render_only": True,
        "prompt": "p",
        "suffix": "s",
        "system": "",
        "template": "t",
        "context": [1, 2],
        "raw": True,
        "images": ["AA=="],
    }
    assert [expected] == api.bodies("/api/generate")


def test_chat_request(api, client):
    """Messages, tools and tool calls go out in the API's form."""
    api.streams("/api/chat", {"done": True})
    definition = {"type": "function", "function": {"name": "f"}}
    request = ChatRequest(
        "m",
        think=False,
        keep_alive=0.0,
        messages=(
            Message("user", "hi", images=(b"\x01",)),
            Message("assistant", thinking="hm", tool_calls=(ToolCall("f", {"a": 1}, id="c1"),)),
            Message("tool", "2", tool_name="f", tool_call_id="c1"),
        ),
        tools=(Tool("f", definition),),
    )
    list(client.chat(request))
    expected = {
        "stream": True,
        "model": "m",
        "think": False,
        "keep_alive": 0.0,
        "messages": [
            {"role": "user", "content": "hi", "images": ["AQ=="]},
            {
                "role": "assistant",
                "content": "",
                "thinking": "hm",
                "tool_calls": [{"id": "c1", "function": {"index": 0, "name": "f", "arguments": {"a": 1}}}],
            },
            {"role": "tool", "content": "2", "tool_name": "f", "tool_call_id": "c1"},
        ],
        "tools": [definition],
    }
    assert [expected] == api.bodies("/api/chat")


def test_chat_events(api, client):
    """Thinking, text, tool calls and the end arrive as events, durations in seconds."""
    logprob = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [{"token": "b", "logprob": -1}]}
    api.streams(
        "/api/chat",
        {"message": {"role": "assistant", "content": "", "thinking": "hm"}, "done": False},
        {"message": {"role": "assistant", "content": "a"}, "logprobs": [logprob], "done": False},
        {"message": {"content": "", "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": {"x": 1}}}]}},
        {
            "message": {"role": "assistant", "content": ""},
            "done": True,
            "done_reason": "length",
            "total_duration": 1_500_000_000,
            "load_duration": 1,
            "prompt_eval_count": 3,
            "eval_count": 2,
            "eval_duration": 250_000_000,
            "prompt_truncated": True,
        },
    )
    assert [
        Thinking("hm"),
        Text("a", (TokenLogprob("a", -0.5, (97,), (TokenLogprob("b", -1),)),)),
        ToolCalled(ToolCall("f", {"x": 1}, "c1")),
        Done("length", Usage(3, 2), Timings(1.5, 1e-9, 0.0, 0.25), prompt_truncated=True),
    ] == list(client.chat(ChatRequest("m", messages=(Message("user", "hi"),))))


def test_rendered_prompt(api, client):
    """A request that asks for the rendered prompt only gets it."""
    api.streams("/api/generate", {"response": "", "_debug_info": {"rendered_template": "<s>hi"}})
    assert [Rendered("<s>hi")] == list(client.generate(GenerateRequest("m", prompt="hi", render_only=True)))


def test_lines_hold_every_character(api, client):
    """Characters that Unicode takes for line ends, and bytes cut anywhere, do not break an answer."""
    text = "a\u2028b\u0085c\x0bd\r"
    line = json.dumps({"response": text}, ensure_ascii=False).encode() + b'\n{"done":true}\n'
    api.on("POST", "/api/generate", api.reply(chunks=[bytes([byte]) for byte in line]))
    assert [Text(text), Done("stop")] == list(client.generate(GenerateRequest("m", prompt="hi")))


def test_compressed_stream(api, client):
    """A stream that a proxy has compressed is read."""
    body = b'{"response":"a"}\n{"done":true}\n'
    plain = api.reply(body=body)
    packed = api.reply(body=gzip.compress(body), headers={"Content-Encoding": "gzip"})
    api.on("POST", "/api/generate", lambda asked: packed if "gzip" in asked.headers["Accept-Encoding"] else plain)
    assert [Text("a"), Done("stop")] == list(client.generate(GenerateRequest("m", prompt="hi")))


def test_connections_are_kept(api, client):
    """Requests share a connection, and one that the server has closed meanwhile is no error."""
    api.on("GET", "/api/tags", api.reply(body=b'{"models":[]}', headers={"Connection": "close"}))
    for _ in range(3):
        client.heartbeat()
    places = {asked.client for asked in api.asked}
    assert 1 == len(places)
    assert ((), ()) == (client.list(), client.list())


@pytest.mark.parametrize("cut", range(1, 8))
def test_split_lines(cut):
    """Lines come out the same however the bytes were cut; the last needs no end."""
    data = b"ab\n\ncd\r\nef"
    chunks = [data[:cut], data[cut:]]
    assert [b"ab", b"cd\r", b"ef"] == list(split_lines(chunks))


def test_leaving_ends_the_work(api, client):
    """Closing a stream closes its connection, which is how the server learns to stop."""
    endless = (b'{"response":"a"}\n' * 1000 for _ in itertools.count())
    api.on("POST", "/api/generate", api.reply(chunks=endless))
    with closing(client.generate(GenerateRequest("m", prompt="hi"))) as events:
        assert Text("a") == next(events)
    assert api.left.wait(10)


def test_create(api, client):
    """A model is asked for in the API's words, and its steps arrive."""
    quantizing = {"status": "q", "digest": "0", "total": 9, "completed": 3}
    api.streams("/api/create", {"status": "parsing GGUF"}, quantizing, {"status": "success"})
    request = CreateRequest(
        "m",
        source="base",
        files={"a.gguf": "sha256:1"},
        licenses=("MIT",),
        parameters={"stop": ("a",)},
        messages=(Message("user", "hi"),),
        system="",
    )
    expected = [Progress("parsing GGUF"), Progress("q", "0", 9, 3), Progress("success")]
    assert expected == list(client.create(request))
    expected = {
        "stream": True,
        "model": "m",
        "from": "base",
        "files": {"a.gguf": "sha256:1"},
        "license": ["MIT"],
        "parameters": {"stop": ["a"]},
        "messages": [{"role": "user", "content": "hi"}],
        "system": "",
    }
    assert [expected] == api.bodies("/api/create")


def test_blobs(api, client, tmp_path):
    """A file arrives byte for byte, with its length said before and its progress told."""
    content = bytes(range(256)) * 10_000
    (tmp_path / "model.gguf").write_bytes(content)
    digest = Digest("0" * 64)
    path = f"/api/blobs/{digest}"
    assert not client.has_blob(digest)
    api.on("POST", path, status=201)
    api.on("HEAD", path)
    sent = []
    client.upload_blob(tmp_path / "model.gguf", digest, sent.append)
    assert client.has_blob(digest)
    [upload] = [asked for asked in api.asked if asked.method == "POST"]
    assert content == upload.body
    assert str(len(content)) == upload.headers["Content-Length"]
    assert sorted(sent) == sent
    assert len(content) == sent[-1]


def test_push(api, client):
    """A push says what to send and how, and yields each step."""
    api.streams("/api/push", {"status": "pushing 0123", "digest": "sha256:0123", "total": 5}, {"status": "success"})
    expected = [Progress("pushing 0123", "sha256:0123", 5), Progress("success")]
    assert expected == list(client.push(PushRequest("team/smol", insecure=True)))
    assert [{"model": "team/smol", "insecure": True, "stream": True}] == api.bodies("/api/push")


@pytest.mark.parametrize(("text", "denied"), [("unauthorized: access denied", True), ("404: no such name", False)])
def test_an_error_tells_whether_a_registry_wants_credentials(api, client, text, denied):
    """In a stream an error has only words; what they mean is known here and nowhere else."""
    api.streams("/api/push", {"error": text})
    with pytest.raises(ApiError) as caught:
        list(client.push(PushRequest("team/smol")))
    assert denied == caught.value.denied


def test_upload_refused(api, client, tmp_path):
    """A refused upload says why."""
    (tmp_path / "model.gguf").write_bytes(b"x")
    digest = Digest("0" * 64)
    api.on("POST", f"/api/blobs/{digest}", {"error": "digest mismatch"}, status=400)
    with pytest.raises(ApiError, match=r"^digest mismatch$"):
        client.upload_blob(tmp_path / "model.gguf", digest)


def test_blob_check_refused(api, client):
    """Only "not there" means that a blob is not there."""
    digest = Digest("0" * 64)
    api.on("HEAD", f"/api/blobs/{digest}", status=500)
    with pytest.raises(ApiError, match="Internal Server Error"):
        client.has_blob(digest)


def test_copy_and_unload(api, client):
    """Copying and unloading send what the API asks for."""
    api.on("POST", "/api/copy")
    api.on("POST", "/api/generate", {"done": True, "done_reason": "unload"})
    client.copy("a", "b")
    client.unload("a")
    assert [{"source": "a", "destination": "b"}] == api.bodies("/api/copy")
    assert [{"model": "a", "keep_alive": 0, "stream": False}] == api.bodies("/api/generate")
