from __future__ import annotations

import pytest

_FILE = [
    # what stands in the file, what the message must hold
    ("l1.max_sise = 5", ("l1.max_sise = 5", "did you mean l1.max_size?")),
    ("max_size = 5", ("max_size = 5", "did you mean l1.max_size or l2.max_size?")),
    ('ttl = "5m"', ("ttl = '5m'", "l1.ttl or l2.ttl?")),
    ("l1 = 5", ("l1 = 5", "is not a table", "write l1 = { max_size = 1000 }")),
    ('"l1.max_size" = 5', ('"l1.max_size" is not', "write l1 = { max_size = ... }")),
    (
        "zzz = 5",
        ("zzz = 5", "there are directory, redis_url", "l1, l2, warming, namespaces, caches"),
    ),
    (
        "l3 = {ttl = 5}",
        ("l3 (value not shown)", "max_value_bytes, snapshots, audit, l1, l2, warming, namespaces"),
    ),
    ('default_ttl = "10x"', ("default_ttl = '10x'", '"1h30m"')),
    ("default_ttl = true", ("default_ttl = True", '"1h30m"')),
    ("flush_interval = 0", ("flush_interval = 0 is not above zero",)),
    ('flush_interval = "none"', ("flush_interval = 'none' is not a duration",)),
    ('max_value_bytes = "5M"', ("max_value_bytes = '5M'", '"64MB"')),
    ("l1.max_size = -1", ("l1.max_size = -1", "a whole number, 0 or more")),
    ('l1.max_size = "5"', ("l1.max_size = '5'", "a whole number, 0 or more")),
    ("l1.max_size = 1.5", ("l1.max_size = 1.5", "a whole number, 0 or more")),
    ("l2.max_size = 0", ("l2.max_size = 0", "a whole number, 1 or more")),
    ("l2.max_size = true", ("l2.max_size = True", "a whole number, 1 or more")),
    ('l1.eviction = "LRU"', ("l1.eviction = 'LRU'", '"lru", "lfu", "fifo", "ttl" or "clock2q"')),
    ('l2.eviction = "clock2q"', ("l2.eviction = 'clock2q'", '"lru", "lfu", "fifo" or "ttl"')),
    ('write_policy = "back"', ("write_policy = 'back'", '"write_back" or "write_around"')),
    ('mode = "read-only"', ("mode = 'read-only'", '"on", "readonly", "offline" or "off"')),
    ("mode = true", ("mode = True", '"on", "readonly", "offline" or "off"')),
    ("directory = 5", ("directory = 5 is not a path",)),
    ('directory = ""', ("directory = ''", "is not the path of a directory", '"none"')),
    ('directory = "a\\u0000b"', ("directory = 'a\\x00b'", "is not the path of a directory")),
    ('directory = "~nobody-here/x"', ("directory = '~nobody-here/x'", "no such home")),
    ('directory = "redis://u:hunter2@h"', ("directory holds a URL (redis://...)", "redis_url")),
    ('redis_url = "redis://u:hunter2@h"', ("redis_url (value not shown)", "MEMOTIER_REDIS_URL")),
    ('redis_url = "redis://h?password=hunter2"', ("redis_url (value not shown)", "never read")),
    ('redis_url = "http://u:hunter2@h"', ("redis_url (value not shown)", "redis://localhost")),
    ('redis_url = "redis://u:hun#ter2@h"', ("redis_url (value not shown)", "%XX")),
    ('redis_url = "redis://u:hunter2/@h"', ("redis_url (value not shown)", "%XX")),
    ('redis_url = "redis://h?socket_timeout=x"', ("redis_url (value not shown)", "no number of")),
    ('redis_url = "redis://h/hunter2"', ("redis_url (value not shown)", "number of a database")),
    ('redis_url = "redis://h?hunter2=1"', ("redis_url (value not shown)", "socket_timeout")),
    ("[tool.memotier.caches.x]\nredis_url = 5", ("caches.x.redis_url is a int", "rediss://")),
    (
        'redis_url = "redis://h"\ndirectory = "x"',
        ("redis_url cannot be used with the directory", '"none"'),
    ),
    ('redis_url = "redis://h"\nl2.max_size = 5', ("l2.max_size cannot be used", "maxmemory")),
    ("[tool.memotier.caches.x.l2]\nmax_sz = 5", ("caches.x.l2.max_sz = 5", "l2.max_size?")),
    ("[tool.memotier.caches.x.caches.y]", ("caches.x.caches", "is not a setting")),
    ("[tool.memotier.caches.default]", ("caches.default", "those at the top level")),
    ('[tool.memotier.caches."a.b"]', ('caches."a.b"', "'a.b' is no name for a cache")),
    ("caches = 5", ("caches = 5 is not a table", "[tool.memotier.caches.NAME]")),
    ("namespaces = []", ("namespaces = [] is not a table",)),
    ("namespaces.tool = 5", ("namespaces.tool = 5 is not a table", 'tool = { ttl = "10m" }')),
    ("namespaces.a.ttle = 5", ("namespaces.a.ttle = 5", "did you mean ttl?")),
    ("namespaces.a.ttl = 0", ("namespaces.a.ttl = 0 is not above zero",)),
    ('namespaces.a.tags = "web"', ("namespaces.a.tags = 'web'", 'such as ["web"]')),
    ('namespaces.a.tags = ["web", ""]', ("namespaces.a.tags = ['web', '']", "not empty")),
    ("namespaces.a.tags = [5]", ("namespaces.a.tags = [5]", 'such as ["web"]')),
    ('namespaces."a..b".ttl = 5', ("namespaces: namespace 'a..b' has an empty level",)),
    ('l1 = {max_size = "none", max_bytes = "none"}', ("l1 would grow without end", "limit one")),
]


@pytest.mark.parametrize(("text", "told"), _FILE, ids=[text for text, _ in _FILE])
def test_a_slip_in_the_file_is_told_with_file_key_value_and_remedy(project, text, told):
    """
    One line from which the reader can mend it; what a URL may hide is not shown.
    """
    path = project.write(f"[tool.memotier]\n{text}")

    message = project.error()

    assert message.startswith(f"{path}: ")
    assert [] == [part for part in told if part not in message]
    assert "hunter2" not in message


@pytest.mark.parametrize(
    "name",
    ["key", "signing_key", "API_TOKEN", "password", "db-password", "secret", "credentials"],
)
@pytest.mark.parametrize("table", ["tool.memotier", "tool.memotier.l2", "tool.memotier.caches.x"])
def test_secrets_in_the_file_are_refused_and_not_repeated(project, name, table):
    """
    A project file is committed and shared: the key belongs into MEMOTIER_KEY.
    """
    path = project.write(f'[{table}]\n{name} = "hunter2"')

    message = project.error()

    assert message.startswith(f"{path}: ")
    assert f"{name} looks like a secret" in message
    assert "MEMOTIER_KEY" in message
    assert "hunter2" not in message


def test_secrets_inside_an_unknown_table_are_not_repeated(project):
    """
    An error shows no value of which we do not know what it is.
    """
    project.write('[tool.memotier.server]\npassword = "hunter2"')

    message = project.error()

    assert "server (value not shown) is not a setting" in message
    assert "hunter2" not in message


_VARIABLES = [
    ("MEMOTIER_L1_MAX_SIZE", "5", (" = '5'", "did you mean MEMOTIER_L1__MAX_SIZE?")),
    ("MEMOTIER_MAX_SIZE", "5", ("MEMOTIER_L1__MAX_SIZE or MEMOTIER_L2__MAX_SIZE?",)),
    ("MEMOTIER_MOD", "off", ("did you mean MEMOTIER_MODE?",)),
    ("MEMOTIER_FOO", "x", ("there are MEMOTIER_DIRECTORY, MEMOTIER_REDIS_URL",)),
    ("MEMOTIER_KEYS", "hunter2", ("(value not shown)", "did you mean MEMOTIER_KEY?")),
    ("MEMOTIER_REDIS_URL", "redis://:hunter2@h:x", ("MEMOTIER_REDIS_URL (value not", "%XX")),
    ("MEMOTIER_REDIS__URL", "redis://:hunter2@h", ("(value not", "mean MEMOTIER_REDIS_URL?")),
    ("MEMOTIER_L1__MAX_SIZE", "many", (" = 'many'", "a whole number, 0 or more")),
    ("MEMOTIER_L1__MAX_SIZE", "", (" = ''", "a whole number, 0 or more")),
    ("MEMOTIER_L1__MAX_SIZE", "9" * 5000, ("5002 characters", "a whole number, 0 or more")),
    ("MEMOTIER_L1__TTL", "90", (" = '90' has no unit", 'write "90s"')),
    ("MEMOTIER_MODE", "Off", (" = 'Off'", '"offline" or "off"')),
    ("MEMOTIER_NAMESPACES__TOOL__TTL", "5m", ("cannot hold the dots", "pyproject.toml")),
    ("MEMOTIER_CACHES__X__TTL", "5", ("MEMOTIER_CACHES__X__L1__TTL or ",)),
    ("MEMOTIER_CACHES__X__REDIS_URL", "5", ("(value not shown)", "is not the URL of a")),
    ("MEMOTIER_CACHES__X", "5", ("is not a setting",)),
    ("MEMOTIER_CACHES__DEFAULT__MODE", "off", ("those at the top level",)),
    ("MEMOTIER_CACHES__A.B__MODE", "off", ("'a.b' is no name for a cache",)),
]


@pytest.mark.parametrize(("name", "text", "told"), _VARIABLES, ids=[v[0] for v in _VARIABLES])
def test_a_slip_in_a_variable_is_told_with_its_name_and_the_nearest(project, name, text, told):
    """
    A variable that nothing reads would be a setting that silently does nothing.
    """
    project.environ[name] = text

    message = project.error()

    assert message.startswith(name)
    assert [] == [part for part in told if part not in message]
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ({"l1": {"max_sise": 5}}, "configure(): l1.max_sise = 5 is not a setting: did you mean"),
        ({"redis_url": b"redis://h"}, "configure(): redis_url is a bytes: use a URL"),
        ({"signing_key": "hunter2"}, "configure(): signing_key looks like a secret"),
        ({"mode": None}, "configure(): mode = None cannot be used"),
        ({"l1": None}, "configure(): l1 = None is not a table"),
        ({"namespaces": {5: {}}}, "configure(): namespaces: 5 is not a name"),
        ({"directory": b"x"}, "configure(): directory = b'x' is not a path"),
    ],
)
def test_a_slip_in_the_code_is_told_with_configure(project, overrides, told):
    """
    The same checks hold for configure().
    """
    project.overrides = overrides

    message = project.error()

    assert told in message
    assert "hunter2" not in message


def test_a_slip_anywhere_is_heard_of_at_once(project):
    """
    Also in the settings of a cache that nobody asked for yet.
    """
    project.write("[tool.memotier.caches.later]\nmode = 5")

    assert "caches.later.mode = 5" in project.error("default")
