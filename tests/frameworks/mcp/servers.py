"""
A server in memory that notes what it is asked.
"""

from __future__ import annotations

import mcp_types as types
from mcp import Client
from mcp.client.caching import CacheConfig
from mcp.server.caching import CacheHint
from mcp.server.lowlevel import Server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler

from memotier.integrations.mcp import ResponseStore

READ = types.ToolAnnotations(read_only_hint=True)
METHODS = ("tools/list", "prompts/list", "resources/list", "resources/read")


class Asked:
    """
    *asked* has the methods so far, with the tool or the resource.
    """

    def __init__(self, *, ttl_ms=60_000, scope="private", hints=True, annotations=READ) -> None:
        self.asked = []
        self.annotations = annotations
        self.answer = lambda params: types.CallToolResult(
            content=[types.TextContent(text=f"about {params.arguments['q']}")],
            structured_content={"q": params.arguments["q"], "none": None},
        )
        self.bus = InMemorySubscriptionBus()
        made = {method: CacheHint(ttl_ms=ttl_ms, scope=scope) for method in METHODS}
        self.server = Server(
            "notes",
            cache_hints=made if hints else None,
            on_list_tools=self.list_tools,
            on_list_prompts=self.list_prompts,
            on_list_resources=self.list_resources,
            on_read_resource=self.read_resource,
            on_call_tool=self.call_tool,
            on_subscriptions_listen=ListenHandler(self.bus),
        )

    async def list_tools(self, ctx, params):
        self.asked.append("tools/list")
        schema = {"type": "object", "properties": {"q": {"type": "string"}}}
        tool = types.Tool(
            name="search",
            description=f"list {len(self.asked)}",
            input_schema=schema,
            annotations=self.annotations,
        )
        return types.ListToolsResult(tools=[tool])

    async def list_prompts(self, ctx, params):
        self.asked.append("prompts/list")
        return types.ListPromptsResult(prompts=[types.Prompt(name="p")])

    async def list_resources(self, ctx, params):
        self.asked.append("resources/list")
        return types.ListResourcesResult(resources=[types.Resource(name="r", uri="x:/r")])

    async def read_resource(self, ctx, params):
        self.asked.append(f"resources/read {params.uri}")
        blob = types.BlobResourceContents(uri=params.uri, blob="AAEC", _meta={"n": [None, 1.5]})
        text = types.TextResourceContents(uri=params.uri, text=f"ä {len(self.asked)}")
        return types.ReadResourceResult(contents=[text, blob])

    async def call_tool(self, ctx, params):
        self.asked.append(f"tools/call {params.arguments['q']}")
        return self.answer(params)


def connect(server, cache, who="ann", *, target="https://notes.example", **options):
    """
    A client of *who*, whose responses lie in *cache*.
    """
    own = {name: options.pop(name) for name in ("clock", "share_public") if name in options}
    config = CacheConfig(store=ResponseStore(cache), partition=who, target_id=target, **own)
    return Client(server.server, cache=config, **options)
