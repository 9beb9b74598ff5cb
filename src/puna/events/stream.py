"""Everything that is said while an answer is made."""

from puna.events.answering import Done, Text, Thinking, ToolCalled
from puna.events.prompts import PromptProgress, Rendered

Event = Text | Thinking | ToolCalled | PromptProgress | Rendered | Done
