"""
Figures and events for other systems, and what frameworks need. Each module needs its own package,
and none is imported unless it is asked for::

    from memotier.integrations import prometheus       # pip install memotier[prometheus]
    from memotier.integrations import opentelemetry    # pip install memotier[opentelemetry]
    from memotier.integrations import logs             # needs nothing
    from memotier.integrations import starlette        # pip install memotier[starlette]
    from memotier.integrations import fastmcp          # pip install memotier[fastmcp]
    from memotier.integrations import mcp              # pip install memotier[mcp]
    from memotier.integrations import pydantic_ai      # pip install memotier[pydantic-ai]
    from memotier.integrations import langchain        # pip install memotier[langchain]
    from memotier.integrations import langchain_tools  # pip install memotier[langchain]
    from memotier.integrations import langgraph        # pip install memotier[langgraph]

``memotier.integrations.django`` is an application for ``INSTALLED_APPS`` (memotier[django]).
"""

from __future__ import annotations
