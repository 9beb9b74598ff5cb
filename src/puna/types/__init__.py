"""The nouns every part of puna shares. All are frozen values; none knows a dialect or an engine."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from puna.types.answers import (
        Timings,
        TokenLogprob,
        ToolCall,
        Usage,
    )
    from puna.types.conversation import (
        ChatRequest,
        Message,
        Tool,
        ToolChoice,
    )
    from puna.types.inference import (
        Format,
        GenerateRequest,
        Inference,
        Schema,
        Think,
        ThinkLevel,
    )
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
    from puna.types.prompts import (
        Conversation,
        Prompt,
    )
    from puna.types.requests import (
        RequestKind,
        RequestState,
        RunningRequest,
        StoredResponse,
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
    # A command that asks for one answer begins faster without the types of everything else.
    _MODULE_OF = {
        **dict.fromkeys(("TokenLogprob", "Timings", "ToolCall", "Usage"), "answers"),
        **dict.fromkeys(("ChatRequest", "Message", "Tool", "ToolChoice"), "conversation"),
        **dict.fromkeys(("Format", "GenerateRequest", "Inference", "Schema", "Think", "ThinkLevel"), "inference"),
        **dict.fromkeys(
            (
                "Capability",
                "CreateRequest",
                "Details",
                "ModelDetails",
                "ModelSummary",
                "PullRequest",
                "PushRequest",
                "RunningModel",
                "StorePlace",
                "Tensor",
            ),
            "models",
        ),
        **dict.fromkeys(("Conversation", "Prompt"), "prompts"),
        **dict.fromkeys(("RequestKind", "RequestState", "RunningRequest", "StoredResponse"), "requests"),
        **dict.fromkeys(
            (
                "DetokenizeRequest",
                "Embeddings",
                "EmbedRequest",
                "Ranking",
                "Relevance",
                "RerankRequest",
                "TokenizeRequest",
            ),
            "texts",
        ),
    }

    def __getattr__(name: str) -> object:
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


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
