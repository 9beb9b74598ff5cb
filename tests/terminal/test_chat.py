"""The real command in a terminal: a conversation as somebody has it, and what its screen shows."""

import base64
import signal
import sys

import pytest
from PIL import Image

from puna.cli.slash import HELP_SET
from puna.cli.wrapping import width
from support.pseudo_terminal import CTRL_C, CTRL_D, CTRL_Z, ENTER, TAB, UP, program, puna

ANSWER = """## 你好

这是一个 **很长** 的回答，用来检查中文、日本語とemoji 👩‍👩‍👧 在终端中如何换行，不应该在任何地方断开宽字符。

- one `code`
- two

The end of it.
"""


def says(text):
    return "answer:" + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_conversation(scripted, tmp_path, columns):
    """A whole conversation works in narrow and wide windows, and its screen shows what was said, once."""
    picture = tmp_path / "a cat.png"
    Image.new("RGB", (8, 8)).save(picture)
    with puna("run", "eyes", home=str(tmp_path), url=scripted.url, columns=columns) as terminal:
        terminal.enter("/set system Be brief.")
        terminal.wait_for("Set system message.")
        terminal.enter(says(ANSWER))
        terminal.wait_for("The end of it.")
        terminal.wait_for_prompt()
        shown = terminal.text
        assert all(width(line) <= columns for line in terminal.lines)
        assert "这是一个 很长 的回答，用来检查中文、日本語とemoji" in shown.replace("\n", "")
        assert (0, 1, 1, 1) == (shown.count("**"), shown.count("你好"), shown.count("如何"), shown.count(" • two"))
        terminal.enter("/clear")  # the engine says what any message tells it to
        terminal.wait_for("Cleared session context")
        terminal.enter('"""say:first')
        terminal.wait(lambda: terminal.lines[-1] == "...")
        terminal.type('say:second"""' + ENTER)
        terminal.wait_for("firstsecond")
        terminal.enter("/clear")
        left = scripted.log.read_text().count("left")
        terminal.enter("say:很久以前 hang")
        terminal.wait(lambda: "很久以" in terminal.lines)
        terminal.type(CTRL_C)
        terminal.wait_for_prompt()
        assert terminal.cursor_is_shown
        terminal.wait(lambda: scripted.log.read_text().count("left") == left + 1)
        terminal.enter("/clear")
        terminal.enter("./a\\ cat.png look say:seen")
        terminal.wait_for("Added image './a cat.png'")
        terminal.wait(lambda: "seen" in terminal.lines)
        terminal.enter("/save mine")
        terminal.wait_for("Created new model 'mine'")
        terminal.enter("/load mine")
        terminal.wait_for(">>> look say:seen")
        terminal.enter("/set")
        terminal.wait_for("/set nothink")
        terminal.wait_for_prompt()
        assert set(HELP_SET.split()) <= set(terminal.text.split()), "a word was broken"
        terminal.enter("/bye")
        assert 0 == terminal.ended()
    shown = scripted.call("POST", "/api/show", {"model": "mine"})
    said = [message["content"] for message in shown["messages"]]
    assert ("Be brief.", ["look say:seen", "seen"]) == (shown["system"], said)


def test_leaving_by_ctrl_c(scripted, tmp_path):
    """On an empty line Ctrl+C says how to leave, and a second one leaves."""
    with puna("run", "eyes", home=str(tmp_path), url=scripted.url) as terminal:
        terminal.wait_for_prompt()
        terminal.type(CTRL_C)
        terminal.wait_for("Use Ctrl + d or /bye to exit.")
        terminal.wait_for_prompt()
        terminal.type(CTRL_C)
        assert 0 == terminal.ended()


@pytest.mark.parametrize("when", ["typing", "answering"])
def test_ended_from_outside(scripted, tmp_path, when):
    """Whoever ends the chat by SIGTERM leaves a terminal that echoes and has its cursor."""
    with puna("run", "eyes", home=str(tmp_path), url=scripted.url) as terminal:
        if when == "answering":
            terminal.enter("say:很久以前 hang")
            terminal.wait(lambda: "很久以" in terminal.lines)
        else:
            terminal.wait_for_prompt()
            assert not terminal.echoes
        terminal.signal(signal.SIGTERM)
        terminal.wait(lambda: terminal.echoes)
        assert 143 == terminal.ended()
        assert terminal.cursor_is_shown


def test_history_and_completion(scripted, tmp_path):
    """Commands, models and paths are completed; what was typed in an earlier chat comes back."""
    Image.new("RGB", (8, 8)).save(tmp_path / "photo.png")
    with puna("run", "eyes", home=str(tmp_path), url=scripted.url) as terminal:
        terminal.enter("/se" + TAB + "sy" + TAB + "Be brief.")
        terminal.wait_for("Set system message.")
        terminal.enter("/load ey" + TAB)
        terminal.wait_for("Loading model 'eyes'")
        terminal.enter("./ph" + TAB + " say:seen")
        terminal.wait_for("Added image './photo.png'")
        terminal.wait_for_prompt()
        terminal.type(CTRL_D)
        assert 0 == terminal.ended()
    with puna("run", "eyes", home=str(tmp_path), url=scripted.url) as terminal:
        terminal.wait_for_prompt()
        terminal.type(UP)
        terminal.wait_for(">>> ./photo.png say:seen")


@pytest.mark.parametrize("name", ["dumb", ""])
def test_dumb_terminal(scripted, tmp_path, name):
    """A terminal that knows no escapes gets none, and no placeholder that it could not wipe away."""
    with puna("run", "eyes", home=str(tmp_path), url=scripted.url, TERM=name) as terminal:
        terminal.wait(lambda: terminal.lines[-1].startswith(">>>"))
        terminal.type(says("# Title\n\n**bold**\n"))
        terminal.wait_for("answer:")
        terminal.type(ENTER)
        terminal.wait_for("**bold**")
        terminal.type("/bye")
        terminal.wait_for(">>> /bye")
        terminal.type(ENTER)
        assert 0 == terminal.ended()
    assert b"\x1b" not in terminal.written
    assert b"Send a message" not in terminal.written


def test_without_colours(scripted, tmp_path):
    """NO_COLOR leaves the structure of an answer, and no colours."""
    with puna(
        "run", "eyes", says("# Title\n\n`code` and **bold**.\n"), home=str(tmp_path), url=scripted.url, NO_COLOR="1"
    ) as terminal:
        assert 0 == terminal.ended()
    assert ["Title", "", "code and bold."] == terminal.lines
    assert b"\x1b[1" in terminal.written
    assert not any(b"\x1b[%d" % code in terminal.written for code in (*range(30, 38), *range(90, 98)))


def test_resized_in_mid_answer(scripted, tmp_path):
    """A window that becomes narrower while an answer comes loses nothing of it and shows nothing twice."""
    with puna("run", "eyes", home=str(tmp_path), url=scripted.url, columns=80) as terminal:
        terminal.enter("say:**甲** say:乙丙 hang")
        terminal.wait(lambda: terminal.lines[-1].startswith("**甲**乙"))
        terminal.resize(60, 40)
        terminal.type(CTRL_C)
        terminal.wait_for_prompt()
        assert (1, 1, 1) == tuple("\n".join(terminal.lines[1:]).count(one) for one in "甲乙丙")


def test_what_is_typed_while_an_answer_comes(scripted, tmp_path):
    """Lines typed ahead are what they would have been at the prompt, each by itself."""
    scripted.gate.unlink(missing_ok=True)
    with puna("run", "eyes", home=str(tmp_path), url=scripted.url) as terminal:
        terminal.enter("say:很久以前 gate")
        terminal.wait(lambda: "很久以" in terminal.lines)
        terminal.type("/set verbose" + ENTER + "/set quiet" + ENTER)
        scripted.gate.touch()
        terminal.wait_for("Set 'verbose' mode.")
        terminal.wait_for("Set 'quiet' mode.")


def test_stopped_in_mid_answer(scripted, tmp_path):
    """Ctrl+Z gives a shell its terminal back as it was, and what is typed after fg is again for the next prompt."""
    scripted.gate.unlink(missing_ok=True)
    with program("sh", "-i", home=str(tmp_path), url=scripted.url, PS1="shell: ", ENV="") as terminal:
        terminal.wait_for("shell:")
        terminal.type(f"{sys.executable} -m puna run eyes{ENTER}")
        terminal.enter("say:很久以前 gate")
        terminal.wait(lambda: "很久以" in terminal.lines)
        terminal.type(CTRL_Z)
        terminal.wait(lambda: terminal.lines[-1].startswith("shell:"))
        terminal.type(f"stty -a{ENTER}")
        terminal.wait_for(" echo ")
        terminal.wait(lambda: terminal.lines[-1].startswith("shell:"))
        terminal.type(f"fg{ENTER}")
        terminal.wait(lambda: 2 == terminal.text.count("run eyes") and not terminal.echoes)
        terminal.type("/set verbose" + ENTER + "/set quiet" + ENTER)
        scripted.gate.touch()
        terminal.wait_for("Set 'verbose' mode.")
        terminal.wait_for("Set 'quiet' mode.")


def test_pasted_lines_are_one_message(scripted, tmp_path):
    """What is pasted goes out when Enter is pressed, not at its line ends."""
    with puna("run", "eyes", home=str(tmp_path), url=scripted.url) as terminal:
        terminal.wait_for_prompt()
        terminal.type("\x1b[200~say:one\rsay:two\x1b[201~")
        terminal.wait_for("say:two")
        terminal.type(ENTER)
        terminal.wait_for("onetwo")
