"""The chat: what is typed comes in through a pipe that prompt_toolkit reads as a terminal."""

import io
import json
import signal
import sys

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from puna.cli.chat import converse
from puna.cli.history import LineHistory
from puna.cli.session import Session
from puna.client import ApiError, Client

ENTER, CTRL_C, CTRL_D, CTRL_J, UP = "\r", "\x03", "\x04", "\n", "\x1b[A"
PASTE = "\x1b[200~{}\x1b[201~"
SHOWN = {
    "modelfile": "FROM x\n",
    "details": {"family": "llama"},
    "model_info": {"general.architecture": "llama"},
    "parameters": "stop  a",
    "system": "Model's own.",
}


def answer(*pieces):
    lines = [{"message": {"content": piece}} for piece in pieces]
    return [*lines, {"message": {"content": ""}, "done": True, "done_reason": "stop", "eval_count": 3}]


@pytest.fixture
def chat(api, monkeypatch, tmp_path, capsys):
    """Runs a chat in which ``typed`` is typed; returns what was printed."""
    monkeypatch.setenv("HOME", str(tmp_path))
    api.on("POST", "/api/show", SHOWN)
    api.on("POST", "/api/chat", lambda asked: api.reply(chunks=lines_for(asked.json)))

    def lines_for(body):
        said = [{"done": True, "done_reason": "load"}] if "messages" not in body else answer("Hel", "lo")
        return [json.dumps(line).encode() + b"\n" for line in said]

    def run(*typed, session=None):
        with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
            pipe.send_bytes(("".join(typed) + CTRL_D).encode(errors="surrogateescape"))
            with Client(api.url) as client:
                converse(client, session or Session("smol"))
        return capsys.readouterr()

    return run


def conversations(api):
    """The messages of every request but those that load."""
    bodies = [body for body in api.bodies("/api/chat") if "messages" in body]
    return [[message["content"] for message in body["messages"]] for body in bodies]


def test_conversation(api, chat):
    """The model is loaded at once, and each message goes out with what was said before."""
    printed = chat("hi", ENTER, "again", ENTER)
    assert "Hello\n\nHello\n\n" == printed.out
    assert {"stream": True, "model": "smol"} == api.bodies("/api/chat")[0]
    assert [["hi"], ["hi", "Hello", "again"]] == conversations(api)


@pytest.mark.parametrize(
    "typed", [f"one{CTRL_J}two{ENTER}", f'"""one{ENTER}two"""{ENTER}', PASTE.format("one\r\ntwo") + ENTER]
)
def test_several_lines(api, chat, typed):
    """A message has several lines by Ctrl+J, by three quotes, and by pasting."""
    chat(typed)
    assert [["one\ntwo"]] == conversations(api)


def test_leaving(api, chat):
    """/bye ends the chat; what was typed after it is not read."""
    chat("/bye", ENTER, "hi", ENTER)
    assert [] == conversations(api)


def test_ctrl_c(api, chat):
    """Ctrl+C on an empty line says how to leave, on another it drops the line."""
    printed = chat(CTRL_C, "wrong", CTRL_C, "right", ENTER)
    assert "\nUse Ctrl + d or /bye to exit.\nHello\n\n" == printed.out
    assert [["right"]] == conversations(api)


def test_system_message_and_options(api, chat):
    """What was set goes with every message; the system message comes first."""
    chat("/set system Be brief.", ENTER, "/set parameter seed 7", ENTER, "/set format json", ENTER, "hi", ENTER)
    body = api.bodies("/api/chat")[-1]
    assert {"role": "system", "content": "Be brief."} == body["messages"][0]
    assert ({"seed": 7}, "json") == (body["options"], body["format"])


def test_clear(api, chat):
    """A cleared conversation begins anew."""
    chat("hi", ENTER, "/clear", ENTER, "hi", ENTER)
    assert [["hi"], ["hi"]] == conversations(api)


def test_verbose(chat):
    """Statistics follow an answer when they are wanted."""
    printed = chat("/set verbose", ENTER, "hi", ENTER)
    assert ("Set 'verbose' mode.\nHello\n\n", "eval count:           3 token(s)\n\n") == (printed.out, printed.err)


@pytest.mark.parametrize(
    ("command", "out"),
    [
        ("/show system", "Model's own.\n"),
        ("/show modelfile", "FROM x\n\n"),
        ("/show license", "The model has no license.\n"),
        ("/show template", "The model has no template.\n"),
        ("/show parameters", "Model defined parameters:\nstop  a\n\n\n"),
        ("/?", None),
        ("/nonsense", "Unknown command '/nonsense'. Type /? for help\n"),
    ],
)
def test_commands(chat, command, out):
    """Commands print to standard output, with one line end."""
    printed = chat(command, ENTER)
    assert out is None or out == printed.out
    assert printed.out.endswith("\n")
    assert "" == printed.err


def test_show_what_was_set(chat):
    """What the session has set is shown with what the model has."""
    printed = chat("/set parameter seed 7", ENTER, "/show parameters", ENTER)
    assert "User defined parameters:\nseed                           7\n" in printed.out
    printed = chat("/set parameter stop a b", ENTER, "/show parameters", ENTER)
    assert (
        'defined parameters:\nstop                           "a"\nstop                           "b"\n' in printed.out
    )
    printed = chat("/set system Mine.", ENTER, "/show system", ENTER, "/show info", ENTER)
    assert "Set system message.\nMine.\n  Model\n    architecture    llama    \n" in printed.out


def test_usage_is_a_mistake(chat):
    """How a command is used goes to standard error."""
    printed = chat("/load", ENTER)
    assert ("", "Usage:\n  /load <model>\n") == (printed.out, printed.err)


def test_list(api, chat):
    """The models in the store are listed as by the command."""
    api.on("GET", "/api/tags", {"models": []})
    assert "NAME    ID    SIZE    MODIFIED \n" == chat("/list", ENTER).out
    api.on("GET", "/api/tags", {"models": [{"name": "tiny:latest"}, {"name": "smol:latest"}]})
    assert ["NAME", "tiny:latest"] == [line.split()[0] for line in chat("/list TI", ENTER).out.splitlines()]


def test_load(api, chat):
    """Another model goes on with nothing said."""
    printed = chat("hi", ENTER, "/load big", ENTER, "hi", ENTER)
    assert "Loading model 'big'\n" in printed.out
    assert ["smol", "smol", "big", "big"] == [body["model"] for body in api.bodies("/api/chat")]
    assert ["hi"] == conversations(api)[-1]


def test_load_prints_what_the_model_begins_with(api, chat):
    """As at the start: a conversation that was saved goes on before one's eyes."""
    begun = {"messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Ada."}]}
    shown = {"smol": SHOWN, "mine": SHOWN | begun}
    api.on("POST", "/api/show", lambda asked: api.reply(body=json.dumps(shown[asked.json["model"]]).encode()))
    printed = chat("/load mine", ENTER)
    assert "Loading model 'mine'\n>>> Who?\nAda.\n\n" == printed.out


def test_load_missing(api, chat):
    """A model that is not there leaves the chat with the one it had."""
    reply = api.replies["POST", "/api/chat"]
    missing = api.reply(status=404, body=b'{"error":"model \'nope\' not found"}')
    api.on("POST", "/api/chat", lambda asked: missing if asked.json["model"] == "nope" else reply(asked))
    printed = chat("/load nope", ENTER, "hi", ENTER)
    assert "Loading model 'nope'\nCouldn't find model 'nope'\nHello\n\n" == printed.out
    assert "smol" == api.bodies("/api/chat")[-1]["model"]


def test_save(api, chat):
    """A saved model holds what was set and said."""
    api.streams("/api/create", {"status": "success"})
    printed = chat("/set system Be.", ENTER, "/set parameter seed 7", ENTER, "hi", ENTER, "/save mine", ENTER)
    assert "Created new model 'mine'\n" in printed.out
    expected = {
        "stream": True,
        "model": "mine",
        "from": "smol",
        "system": "Be.",
        "parameters": {"seed": 7},
        "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Hello"}],
    }
    assert [expected] == api.bodies("/api/create")


def test_save_under_a_bad_name(api, chat):
    """A name that is none is a mistake, and the chat goes on."""
    printed = chat("/save a/b/c/d/e:", ENTER, "hi", ENTER)
    assert "Error: invalid model name\n" == printed.err
    assert "Hello\n\n" == printed.out


def test_messages_of_the_model(api, chat):
    """A conversation that the model begins with is shown, and left to the server to send."""
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "arr"}]
    api.on("POST", "/api/show", SHOWN | {"messages": messages})
    printed = chat("ahoy", ENTER)
    assert ">>> hi\narr\n\nHello\n\n" == printed.out
    assert [["ahoy"]] == conversations(api)


def test_failure_leaves_the_chat_open(api, chat):
    """A message that fails is not remembered; the next one may work."""
    reply = api.replies["POST", "/api/chat"]
    busy = api.reply(status=503, body=b'{"error":"server busy"}')
    api.on("POST", "/api/chat", lambda asked: busy if "fail" in asked.body.decode() else reply(asked))
    printed = chat("fail", ENTER, "hi", ENTER)
    assert "Error: 503 Service Unavailable: server busy\n" == printed.err
    assert ["hi"] == conversations(api)[-1]


def test_stopped_answer_stays_said(api, chat, monkeypatch):
    """An answer that the user stops ends at the server too, and what it said is remembered."""

    class Impatient(io.StringIO):
        def write(self, text):
            written = super().write(text)
            if text == "Once":
                signal.raise_signal(signal.SIGINT)
            return written

    def endless():
        yield json.dumps({"message": {"content": "Once"}}).encode() + b"\n"
        while True:
            yield b"\n" * 4096

    reply = api.replies["POST", "/api/chat"]
    story = api.reply(chunks=endless())
    api.on("POST", "/api/chat", lambda asked: story if asked.body.endswith(b'"tell me"}]}') else reply(asked))
    out = Impatient()
    monkeypatch.setattr(sys, "stdout", out)
    chat("tell me", ENTER, "go on", ENTER)
    assert api.left.wait(10)
    assert "Once\n\nHello\n\n" == out.getvalue()
    assert ["tell me", "Once", "go on"] == conversations(api)[-1]


def test_missing_model(api, chat):
    """A chat with a model that is not there does not begin."""
    api.on("POST", "/api/show", {"error": "model 'smol' not found"}, status=404)
    with pytest.raises(ApiError, match="not found"):
        chat()


def test_history(api, chat, tmp_path):
    """What was typed is there in the next chat, in the file that Ollama's chat keeps too."""
    chat("first", ENTER, "second", ENTER)
    assert "first\nsecond\n" == (tmp_path / ".ollama" / "history").read_text()
    chat(UP, UP, ENTER)
    assert ["first"] == conversations(api)[-1]


def test_bytes_that_are_no_text(api, chat, tmp_path):
    """What a terminal sends in another encoding than UTF-8 is replaced; the chat and its history go on."""
    chat("caf\udce9", ENTER, "hi", ENTER)
    assert ["caf\ufffd", "Hello", "hi"] == conversations(api)[-1]
    assert "caf\ufffd\nhi\n" == (tmp_path / ".ollama" / "history").read_text(encoding="utf-8")


@pytest.mark.parametrize("how", ["variable", "command"])
def test_no_history(chat, tmp_path, monkeypatch, how):
    """No history is kept when none is wanted."""
    if how == "variable":
        monkeypatch.setenv("OLLAMA_NOHISTORY", "1")
        chat("hi", ENTER)
    else:
        chat("/set nohistory", ENTER, "hi", ENTER)
    kept = tmp_path / ".ollama" / "history"
    assert not kept.exists() or "hi" not in kept.read_text().split()


def test_history_has_an_end(tmp_path):
    """The history keeps the latest hundred lines, for its owner only."""
    path = tmp_path / "history"
    path.write_text("".join(f"{number}\n" for number in range(150)))
    history = LineHistory(path)
    history.store_string("one\ntwo")
    lines = path.read_text().splitlines()
    assert (100, "52", ["one", "two"]) == (len(lines), lines[0], lines[-2:])
    assert 0o600 == path.stat().st_mode & 0o777
    assert "two" == next(iter(history.load_history_strings()))


@pytest.mark.parametrize(("kept", "why"), [(".ollama", "Not a directory"), (".ollama/history/x", "Is a directory")])
def test_history_that_cannot_be_kept(api, chat, tmp_path, kept, why):
    """A history that cannot be read or written is mentioned once, after what was typed, and nothing worse happens."""
    (tmp_path / kept).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / kept).touch()
    printed = chat("a", ENTER, "b", ENTER)
    assert f"Warning: the history cannot be kept in {tmp_path}/.ollama/history: {why}\n" == printed.err
    assert ["a", "Hello", "b"] == conversations(api)[-1]


def test_history_behind_a_link(tmp_path):
    """A history that is kept elsewhere stays there, and no other file is left."""
    (tmp_path / "history").symlink_to("elsewhere")
    LineHistory(tmp_path / "history").store_string("a")
    assert "a\n" == (tmp_path / "elsewhere").read_text()
    assert {"elsewhere", "history"} == {path.name for path in tmp_path.iterdir()}
