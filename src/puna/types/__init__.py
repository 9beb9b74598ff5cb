"""The nouns every part of puna shares. All are frozen values; none knows a dialect or an engine."""

from importlib import import_module
from typing import TYPE_CHECKING

from puna.types.inference import (
    ChatRequest,
    Conversation,
    Format,
    GenerateRequest,
    Inference,
    Message,
    Prompt,
    RequestKind,
    RequestState,
    RunningRequest,
    Schema,
    StoredResponse,
    Think,
    ThinkLevel,
    Timings,
    TokenLogprob,
    Tool,
    ToolCall,
    ToolChoice,
    Usage,
)

if TYPE_CHECKING:
    from puna.types.models import (
        Capability,
        CreateRequest,
        Details,
        ModelDetails,
        ModelSummary,
        PullRequest,
        PushRequest,
        RunningModel,
        StorePlace,
        Tensor,
    )
    from puna.types.texts import (
        DetokenizeRequest,
        Embeddings,
        EmbedRequest,
        Ranking,
        Relevance,
        RerankRequest,
        TokenizeRequest,
    )
else:

    def __getattr__(name: str) -> object:
        # A command that asks for one answer begins faster without the types of everything else.
        for module in ("models", "texts"):
            found = import_module(f"{__name__}.{module}")
            if name in vars(found):
                return vars(found)[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Capability",
    "ChatRequest",
    "Conversation",
    "CreateRequest",
    "Details",
    "DetokenizeRequest",
    "EmbedRequest",
    "Embeddings",
    "Format",
    "GenerateRequest",
    "Inference",
    "Message",
    "ModelDetails",
    "ModelSummary",
    "Prompt",
    "PullRequest",
    "PushRequest",
    "Ranking",
    "Relevance",
    "RequestKind",
    "RequestState",
    "RerankRequest",
    "RunningModel",
    "RunningRequest",
    "Schema",
    "StorePlace",
    "StoredResponse",
    "Tensor",
    "Think",
    "ThinkLevel",
    "Timings",
    "TokenLogprob",
    "TokenizeRequest",
    "Tool",
    "ToolCall",
    "ToolChoice",
    "Usage",
]
