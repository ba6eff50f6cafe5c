"""
A Django project: what its settings say holds, and each request has its user.

Settings hold for a process, so each test is a program of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from tests.docs.pages import ROOT

PROJECT = """
import asyncio, sys
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.urls import path

MEMOTIER = {"directory": "cache", "default_ttl": "10m"}
%s
settings.configure(
    SECRET_KEY="x", ROOT_URLCONF="__main__", ALLOWED_HOSTS=["*"], MEMOTIER=MEMOTIER,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth",
                    "django.contrib.sessions", "memotier.integrations.django"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware",
                "django.contrib.auth.middleware.AuthenticationMiddleware",
                "memotier.integrations.django.scope_middleware"],
)
import django
from memotier import ScopeMissing, get_cache, tiered_cache
from memotier.integrations.django import user

runs = []

@tiered_cache(scope=user, name="find")
def find(q: str) -> str:
    runs.append(user.get())
    return f"{q} of {user.get()}"

@tiered_cache(scope=user, name="find_async")
async def find_async(q: str) -> str:
    runs.append(user.get())
    return f"{q} of {user.get()}"

def view(request, q):
    try:
        return HttpResponse(find(q))
    except ScopeMissing:
        return HttpResponse("nobody", status=401)

async def view_async(request, q):
    try:
        return HttpResponse(await find_async(q))
    except ScopeMissing:
        return HttpResponse("nobody", status=401)

def boom(request, q):
    raise RuntimeError("boom")

urlpatterns = [path("sync/<q>", view), path("async/<q>", view_async), path("boom/<q>", boom)]
"""

USERS = """
django.setup()
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import AsyncClient, Client
call_command("migrate", verbosity=0)
people = {name: User.objects.create_user(name) for name in ("ann", "bob")}
"""


def run(program: str, settings: str = "") -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", PROJECT % settings + textwrap.dedent(program)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
    )


@pytest.mark.parametrize("view", ["sync", "async"])
@pytest.mark.parametrize("client", ["Client", "AsyncClient"])
def test_each_user_has_his_own(view, client):
    """
    In views of both kinds, under WSGI and ASGI; who is not logged in gets nothing, and after the
    request, even a failed one, the scope is gone.
    """
    program = f"""
    def get(client, url):
        found = client.get(url)
        return asyncio.run(found) if asyncio.iscoroutine(found) else found

    for name in ("ann", "bob", "ann"):
        client = {client}()
        client.force_login(people[name])
        answer = get(client, "/{view}/owl")
        assert f"owl of {{people[name].pk}}" == answer.content.decode(), answer.content
    assert [people["ann"].pk, people["bob"].pk] == runs, runs
    assert 401 == get({client}(), "/{view}/owl").status_code
    try:
        get(client, "/boom/owl")
    except RuntimeError:
        pass
    assert user.get(None) is None
    """
    done = run(USERS + textwrap.dedent(program))
    assert 0 == done.returncode, done.stderr


def test_settings_hold():
    """
    The default cache is the one of ``MEMOTIER``.
    """
    program = """
    django.setup()
    cache = get_cache()
    assert cache._keyed.wiring.directory.name == "cache", cache
    """
    done = run(program)
    assert 0 == done.returncode, done.stderr


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ('MEMOTIER = {"directry": "x"}', "directry"),
        ('MEMOTIER = ["directory"]', "MEMOTIER has to be a dict, not list"),
        ('MEMOTIER = {"default_ttl": "soon"}', "soon"),
    ],
)
def test_wrong_settings_are_said_at_start(settings, said):
    """
    As Django says what is wrong in settings.
    """
    program = """
    try:
        django.setup()
    except ImproperlyConfigured as error:
        print(error)
    """
    done = run(program, settings)
    assert 0 == done.returncode, done.stderr
    assert "MEMOTIER" in done.stdout and said in done.stdout, done.stdout
