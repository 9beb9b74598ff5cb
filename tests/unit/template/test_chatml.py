"""ChatML turns."""

from __future__ import annotations

from puna.template.chatml import prompt, turn, with_results

ASKED, ANSWERED = turn("user", "Hi"), turn("assistant", "Yes")


def test_a_prompt_ends_where_the_answer_begins() -> None:
    """In a new turn, or in the last one."""
    assert "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n" == prompt([ASKED], goes_on=False)
    assert prompt([ASKED], goes_on=False, answer="<think>\n").endswith("<|im_start|>assistant\n<think>\n")
    assert prompt([ASKED, ANSWERED], goes_on=True, answer="<think>\n").endswith("<|im_start|>assistant\nYes")


def test_results_that_follow_one_another_are_a_turn_of_the_users() -> None:
    """As the models were trained."""
    messages = [("user", "Hi"), ("tool", "1"), ("tool", "2"), ("assistant", "Yes")]
    both = "<tool_response>\n1\n</tool_response>\n<tool_response>\n2\n</tool_response>"
    assert [ASKED, turn("user", both), ANSWERED] == list(with_results(messages))
    assert [turn("user", "<tool_response>\n1\n</tool_response>\n")] == list(with_results([("tool", "1")], after="\n"))
