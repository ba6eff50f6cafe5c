"""
Agents of LangChain with a scripted model, in both colours.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context

import pytest
from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, ToolMessage

from .people import user


class Scripted(GenericFakeChatModel):
    """
    A model that calls the tools it is told to.
    """

    def bind_tools(self, tools, **options):
        return self


@pytest.fixture(params=["sync", "async"])
def run(request):
    """
    ``run(agent, [("search", {"query": "a"}), ...])``: the messages of the tools, which were called
    one after the other in one conversation.
    """

    def one(tools, calls, *, middleware=(), **options):
        script = [
            AIMessage("", tool_calls=[{"name": name, "args": args, "id": f"call-{at}"}])
            for at, (name, args) in enumerate(calls)
        ]
        model = Scripted(messages=iter([*script, AIMessage("done")]))
        state = {k: options.pop(k) for k in [*options] if k not in ("context", "context_schema")}
        schema = {k: options.pop(k) for k in [*options] if k == "context_schema"}
        agent = create_agent(model, tools, middleware=middleware, **schema)
        given = {"messages": [("user", "go")], **state}
        if request.param == "sync":
            found = agent.invoke(given, **options)
        else:
            with asyncio.Runner() as runner:
                found = runner.run(agent.ainvoke(given, **options), context=copy_context())
        return [one for one in found["messages"] if isinstance(one, ToolMessage)]

    return one


@pytest.fixture
def become():
    """
    ``become("ann")``: who asks from now on, until the end of the test.
    """
    tokens = []
    yield lambda name: tokens.append(user.set(name))
    for token in reversed(tokens):
        user.reset(token)
