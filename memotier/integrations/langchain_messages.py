"""
The messages of LangChain as values that can be stored.

Importing this lets records name their classes. What is read is put together from its fields: no
constructor and no validator runs, and no class is imported because a record names it.
"""

from __future__ import annotations

from typing import Final

from ..codecs.classes import register

try:
    from langchain_core.documents import Document
    from langchain_core.messages import (
        AIMessage,
        AIMessageChunk,
        ChatMessage,
        ChatMessageChunk,
        FunctionMessage,
        FunctionMessageChunk,
        HumanMessage,
        HumanMessageChunk,
        RemoveMessage,
        SystemMessage,
        SystemMessageChunk,
        ToolMessage,
        ToolMessageChunk,
    )
except ImportError as error:
    raise ImportError(
        "memotier.integrations.langchain_messages needs langchain-core: "
        "pip install memotier[langchain]"
    ) from error

MESSAGES: Final = (
    *(AIMessage, AIMessageChunk, ChatMessage, ChatMessageChunk),
    *(FunctionMessage, FunctionMessageChunk, HumanMessage, HumanMessageChunk, RemoveMessage),
    *(SystemMessage, SystemMessageChunk, ToolMessage, ToolMessageChunk),
)

for _one in (*MESSAGES, Document):
    register(_one)
