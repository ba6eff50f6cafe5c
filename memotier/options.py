"""
The options of ``@tiered_cache``, checked when a function is decorated.

Everything a user can get wrong is said here, with the value and the way out, before the
first call.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .cache import MultiLevelCache
from .durations import check_namespace, seconds, short
from .effects import check_effects
from .engine.clocks import Remembers, Windows
from .errors import ConfigError
from .freshness import check_windows
from .keyed import check_tags
from .needs import Needs, check_depends
from .remembered import check_remembers
from .scopes import Scope, check_agent, check_scope, check_sources
from .templates import check_template
from .types import Codec, Seconds

if TYPE_CHECKING:
    from .quota import Quota
    from .verified import Verify


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionOptions:
    """
    What one function asked for, checked.
    """

    name: str | None
    namespace: str
    #: Seconds; or a callable of the result and the call, which has ``args`` and ``kwargs``.
    ttl: Seconds | Callable[..., Any] | None
    static_tags: tuple[str, ...]
    #: Makes tags from the arguments by name; and whether it is the user's callable.
    templates: tuple[str, ...]
    tags_function: Callable[..., Iterable[str]] | None
    cache: MultiLevelCache | str
    key: Callable[..., Any] | None
    ignore: tuple[str, ...]
    version: str
    on_unkeyable: str
    codec: str | Codec
    cache_if: Callable[[Any], Any] | None
    #: What a result costs in money, tokens or the like; None: nobody says.
    cost: Callable[[Any], Any] | None
    copy: bool | str
    single_flight: str | None
    #: What a result is good for when it is no longer fresh; None: nothing.
    windows: Windows | None
    #: What its results depend on besides the arguments; None: on nothing.
    needs: Needs | None
    #: Which errors are remembered; None: none.
    remembers: Remembers | None
    #: Whether its calls are recorded for warming; None: what the settings say.
    record: bool | None
    #: Parameters that are never written down, and the one that says for whom a call is.
    redact: tuple[str, ...]
    record_user: str | None
    #: Whether its hottest results are computed again when they were invalidated.
    rewarm: bool
    #: Whose the results are; None: nobody said, so everybody's.
    scope: Scope | None
    #: What each scope may have; None: no less than the whole cache.
    quota: Quota | None
    #: Whether it is a tool of agents, of which more has to be said.
    agent: bool
    #: What a call does besides returning its result (effects.KINDS); None: nobody said.
    effects: str | None
    #: Whether a result is an error, which is never kept; None: no result is one.
    is_error: Callable[[Any], Any] | None
    #: Whether a caller may have what another one's call has computed; None: nobody is asked.
    authorize: Callable[..., Any] | None
    #: Which hits are computed once more and compared; None: none.
    verify: Verify | None


def check_options(
    label: str,
    signature: inspect.Signature,
    module: str,
    *,
    name: Any,
    namespace: Any,
    ttl: Any,
    tags: Any,
    cache: Any,
    key: Any,
    ignore: Any,
    version: Any,
    on_unkeyable: Any,
    codec: Any,
    cache_if: Any,
    cost: Any,
    copy: Any,
    single_flight: Any,
    depends_on: Any,
    cache_exceptions: Any,
    error_ttl: Any,
    error_ttl_max: Any,
    record: Any,
    redact: Any,
    record_user: Any,
    rewarm: Any,
    scope: Any,
    quota: Any,
    agent: Any,
    effects: Any,
    is_error: Any,
    authorize: Any,
    verify: Any,
    equal: Any,
    streams: bool = False,
    **freshness: Any,
) -> FunctionOptions:
    """
    The options, or ``ConfigError`` for the first that cannot be used.
    """

    def refuse(option: str, value: Any, advice: str) -> ConfigError:
        return ConfigError(f"{label}: {option}={short(value)} cannot be used: {advice}")

    if name is not None and (type(name) is not str or not 0 < len(name) <= 256):
        raise refuse("name", name, "a text of 1 to 256 characters")
    for option, value in (("key", key), ("cache_if", cache_if), ("cost", cost)):
        if value is not None and not callable(value):
            given = "the arguments" if option == "key" else "the result"
            raise refuse(option, value, f"give a callable, which is given {given}")
    for option, value in (
        *(("key", key), ("cache_if", cache_if), ("cost", cost)),
        *(("ttl", ttl), ("tags", tags)),
    ):
        if inspect.iscoroutinefunction(value):
            raise refuse(option, value, "it is called without await; give a plain function")
    if type(version) not in (str, int, float) or version == "":
        raise refuse("version", version, 'a text, a number, or "auto"')
    if on_unkeyable not in ("raise", "bypass"):
        raise refuse("on_unkeyable", on_unkeyable, '"raise" or "bypass"')
    if copy not in (True, False, "auto") or isinstance(copy, int) is not isinstance(copy, bool):
        raise refuse("copy", copy, '"auto", True or False')
    if isinstance(codec, type) and isinstance(codec, Codec):
        raise refuse("codec", codec, f"give an instance: {codec.__name__}()")
    if codec not in ("safe", "pickle") and not isinstance(codec, Codec):
        raise refuse("codec", codec, '"safe", "pickle", or an object with name, encode, decode')
    if single_flight not in ("process", "machine", "cluster", None):
        raise refuse("single_flight", single_flight, '"cluster", "machine", "process" or None')
    if not isinstance(cache, (str, MultiLevelCache)) or cache == "":
        raise refuse("cache", cache, "a MultiLevelCache, or the name of a configured one")

    def parameters(option: str, value: Any) -> tuple[str, ...]:
        if isinstance(value, str):
            raise refuse(option, value, f"write {option}=({value!r},)")
        try:
            names = tuple(value)
        except TypeError:
            raise refuse(option, value, "give the names of parameters") from None
        for one in names:
            if type(one) is not str or one not in signature.parameters:
                known = ", ".join(signature.parameters) or "none"
                raise refuse(option, one, f"it is not a parameter; there are: {known}")
        return names

    ignore, redact = parameters("ignore", ignore), parameters("redact", redact)
    if record not in (None, True, False) or isinstance(record, int) is not isinstance(record, bool):
        raise refuse("record", record, "True, False, or None (what the settings say)")
    if type(rewarm) is not bool:
        raise refuse("rewarm", rewarm, "True or False")
    if rewarm and record is not True:
        raise refuse("rewarm", rewarm, "calls are made again only where record=True says they may")
    if record_user is not None:
        parameters("record_user", (record_user,))
        if record_user in redact:
            raise refuse("record_user", record_user, "redact= says that it is never written down")
    if key is not None and ignore:
        raise refuse("ignore", ignore, "key= alone decides what counts")

    checked_scope = check_scope(label, signature, scope, ignore=ignore, streams=streams)
    is_scoped = checked_scope is not None and not checked_scope.is_public
    if record and is_scoped:
        raise refuse("record", record, "calls of a scope are not written down for later ones")
    check_agent(label, agent, checked_scope, cache_exceptions)
    checked_effects = check_effects(label, effects, agent=agent)

    needs = check_depends(
        label, signature, depends_on, cache=cache, key=key, ignore=ignore, scope=checked_scope
    )
    sources = () if needs is None else needs.functions
    check_sources(label, checked_scope, sources)
    # What few functions have is not loaded for the others.
    if authorize is not None or any(one.options.authorize is not None for one in sources):
        from .authorized import check_authorize

        check_authorize(label, authorize, sources, cache_exceptions=cache_exceptions)
    if quota is not None:
        from .quota import check_quota

        quota = check_quota(label, quota, is_scoped=is_scoped, on_unkeyable=on_unkeyable)
    if verify is not None or equal is not None:
        from .verified import check_verify

        verify = check_verify(label, verify, equal, effects=checked_effects)
    static, templates, function = check_tags_option(label, signature, tags)
    checked_ttl = _check_ttl(label, ttl)
    return FunctionOptions(
        name=name,
        namespace=default_namespace(module) if namespace is None else _namespace(label, namespace),
        ttl=checked_ttl,
        static_tags=static,
        templates=templates,
        tags_function=function,
        cache=cache,
        key=key,
        ignore=ignore,
        version=f"{type(version).__name__}:{version}" if version != "auto" else "auto",
        on_unkeyable=on_unkeyable,
        codec=codec,
        cache_if=cache_if,
        cost=cost,
        copy=copy,
        single_flight=single_flight,
        record=record,
        redact=redact,
        record_user=record_user,
        rewarm=rewarm,
        scope=checked_scope,
        quota=quota,
        agent=agent,
        effects=checked_effects,
        is_error=_check_is_error(label, is_error, agent=agent),
        authorize=authorize,
        verify=verify,
        windows=check_windows(label, ttl=checked_ttl, single_flight=single_flight, **freshness),
        needs=needs,
        remembers=check_remembers(
            label,
            cache_exceptions=cache_exceptions,
            error_ttl=error_ttl,
            error_ttl_max=error_ttl_max,
        ),
    )


def _check_is_error(label: str, is_error: Any, *, agent: bool) -> Callable[[Any], Any] | None:
    """
    What judges the results; None: nobody.
    """
    if is_error is None:
        is_error = agent
    if type(is_error) is bool:
        if not is_error:
            return None
        from .errorlike import looks_like_error

        return looks_like_error
    if not callable(is_error) or inspect.iscoroutinefunction(is_error):
        raise ConfigError(
            f"{label}: is_error={short(is_error)} cannot be used: give a plain function, which is "
            "given the result, True for memotier.looks_like_error, or False if no result is one"
        )
    return is_error  # type: ignore[no-any-return]


def default_namespace(module: str) -> str:
    """
    The module's name, or what of it can be a namespace with a digest of all of it.
    """
    try:
        return check_namespace(module)
    except ConfigError:
        from hashlib import blake2b

        digest = blake2b(module.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        kept = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "-" for c in module)
        return f"module-{kept[:32]}-{digest}"


def _namespace(label: str, namespace: Any) -> str:
    try:
        return check_namespace(namespace)
    except ConfigError as error:
        raise ConfigError(f"{label}: {error}") from None


def _check_ttl(label: str, ttl: Any) -> Any:
    if ttl is None:
        return None
    if not callable(ttl):
        try:
            return seconds(ttl, what="ttl")
        except ConfigError as error:
            raise ConfigError(f"{label}: {error}") from None

    count = _count_of_positional(ttl)
    if count == 0:
        raise ConfigError(
            f"{label}: ttl={short(ttl)} cannot be used: a callable is given the result and, "
            "if it takes more, the arguments"
        )
    takes_arguments = count != 1

    def ttl_of(result: Any, call: Any) -> Seconds | None:
        found = ttl(result, *call.args, **call.kwargs) if takes_arguments else ttl(result)
        return None if found is None else seconds(found, what="ttl")

    return ttl_of


def _count_of_positional(function: Callable[..., Any]) -> int:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 1  # a builtin that does not tell: it is given the result
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD, p.KEYWORD_ONLY) for p in parameters):
        return 99
    return len(parameters)


def check_tags_option(
    label: str, signature: inspect.Signature, tags: Any
) -> tuple[tuple[str, ...], tuple[str, ...], Callable[..., Iterable[str]] | None]:
    if callable(tags):
        return (), (), tags
    if isinstance(tags, str):
        raise ConfigError(f"{label}: tags={tags!r} is one string; write tags=[{tags!r}]")
    try:
        tags = check_tags(tags)
    except ConfigError as error:
        raise ConfigError(
            f"{label}: tags={short(tags)} cannot be used ({error}): give a list of texts, or a "
            "callable which is given the arguments and returns one"
        ) from None

    static: list[str] = []
    templates: list[str] = []
    for tag in tags:
        fields = check_template(label, "tag", tag, signature, "tags= takes a callable")
        (templates if fields else static).append(tag if fields else tag.format())
    return tuple(static), tuple(templates), None
