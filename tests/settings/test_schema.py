from __future__ import annotations

from dataclasses import fields

import pytest

from memotier.settings import (
    NAMESPACE_OPTIONS,
    OPTIONS,
    LevelSettings,
    NamespaceSettings,
    Settings,
)
from memotier.settings.kinds import At
from memotier.settings.model import WarmingSettings
from memotier.settings.schema import SECTIONS

_EVERY = [*OPTIONS.values(), *NAMESPACE_OPTIONS.values()]


def test_the_table_and_the_classes_have_the_same_settings():
    """
    The table is the one list of keys; the classes only add the types.
    """
    top = {o.name for o in OPTIONS.values() if not o.section}

    assert {f.name for f in fields(Settings)} == top | set(SECTIONS) | {
        "name",
        "namespaces",
        "origins",
    }
    classes = {"l1": LevelSettings, "l2": LevelSettings, "warming": WarmingSettings}
    assert set(classes) == set(SECTIONS)
    for section, cls in classes.items():
        names = {o.name for o in OPTIONS.values() if o.section == section}
        assert {f.name for f in fields(cls)} == names
    assert {f.name for f in fields(NamespaceSettings)} == set(NAMESPACE_OPTIONS)


@pytest.mark.parametrize("option", _EVERY, ids=lambda o: o.key)
def test_every_setting_is_explained(option):
    """
    The reference is made from the table: no setting without a sentence and its forms.
    """
    assert option.help.endswith(".")
    assert option.kind.forms


@pytest.mark.parametrize("option", OPTIONS.values(), ids=lambda o: o.key)
def test_every_default_is_a_value_that_could_be_written(option):
    """
    What is shown as the default would be taken if somebody wrote it down.
    """
    assert option.default == option.kind.exact(option.default, At(option.key, None))
    assert option.kind.shown(option.default)


def test_variables_are_named_after_the_keys():
    """
    Two underscores step into a table.
    """
    assert "MEMOTIER_DEFAULT_TTL" == OPTIONS["default_ttl"].env
    assert "MEMOTIER_L1__MAX_SIZE" == OPTIONS["l1.max_size"].env
