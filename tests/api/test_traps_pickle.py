"""
Traps 3 and 4 of decorating with a proxy: pickle, copies, worker processes, cloudpickle.
"""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import pytest

from memotier import tiered_cache

from . import importable
from .importable import Branch, Shop
from .test_traps import run_python

# -- 3: pickle and copy -----------------------------------------------------------------------

FOUND = {
    "function": importable.double,
    "coroutine function": importable.adouble,
    "unbound method": Shop.price,
    "staticmethod below": Shop.below,
    "staticmethod above": Shop.above,
    "classmethod above": Shop.outer,
    "of a subclass": Branch.outer,
}


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", FOUND)
def test_trap_3_pickle_by_reference(name, protocol):
    """
    Pickling stores a name; what is found under it is the decorated object itself.
    """
    thing = FOUND[name]
    again = pickle.loads(pickle.dumps(thing, protocol))

    assert again == thing
    assert type(again) is type(thing)
    assert again.cache_info() == thing.cache_info()
    if "class" not in name:
        assert again is thing or "of a" in name


def test_trap_3_pickle_of_a_bound_method():
    """
    A bound method is pickled with its instance.
    """
    shop = Shop(5)
    shop.price(1)
    again = pickle.loads(pickle.dumps(shop.price))

    assert 15 == again(3)
    assert 5 == again.__self__.rate
    assert again.__self__ is not shop


def test_trap_3_what_cannot_be_found_cannot_be_pickled(cache):
    """
    A local function is refused when it is pickled, not when it is loaded.
    """
    local = tiered_cache(cache=cache)(lambda x: x)
    hidden = tiered_cache(cache=cache)(importable.double.__wrapped__)
    partial = tiered_cache(cache=cache)(_Callable())

    for thing in (local, hidden, partial):
        with pytest.raises(pickle.PicklingError, match="another process would not find it"):
            pickle.dumps(thing)


class _Callable:
    def __call__(self, x):
        return x


@pytest.mark.parametrize("name", FOUND)
@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy], ids=["copy", "deepcopy"])
def test_trap_3_copies(name, way):
    """
    A copy of a function is the function, as without cache.
    """
    thing = FOUND[name]

    assert thing == way(thing)
    assert type(thing) is type(way(thing))


def test_trap_3_copies_of_what_holds_it(cache):
    """
    An object that keeps a cached function or its own bound method can be copied deeply.
    """
    shop = Shop(2)
    shop.own, shop.double = shop.price, importable.double
    again = copy.deepcopy(shop)

    assert again.double is importable.double
    assert again is again.own.__self__
    again.rate = 10
    assert [30, 6] == [again.own(3), shop.own(3)]
    assert shop.own == copy.copy(shop.own)


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_trap_3_process_pool(method):
    """
    Worker processes get the cached function, for functions and for all kinds of methods.
    """
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        jobs = [
            pool.submit(importable.report, thing, 5)
            for thing in (importable.double, Shop(3).price, Shop.outer, Shop.above, Shop.below)
        ]
        found = [job.result(60) for job in jobs]

    assert [
        ("Tiered", 10, 1),
        ("BoundMethod", 15, 1),
        ("BoundMethod", ("Shop", 5), 1),
        ("Tiered", 7, 1),
        ("Tiered", 6, 1),
    ] == found


# -- 4: cloudpickle ---------------------------------------------------------------------------


@pytest.mark.extras
def test_trap_4_cloudpickle_keeps_importable_functions():
    """
    What a worker can import arrives as it is.
    """
    import cloudpickle

    assert importable.double is pickle.loads(cloudpickle.dumps(importable.double))
    again = pickle.loads(cloudpickle.dumps(Shop(3).price))
    assert ("BoundMethod", 15) == importable.report(again, 5)[:2]


@pytest.mark.extras
def test_trap_4_cloudpickle_takes_functions_of_main_by_value(tmp_path):
    """
    A function of a script or notebook arrives as the plain function: right, and not cached.
    """
    import cloudpickle  # noqa: F401 - used by the script

    script = tmp_path / "script.py"
    script.write_text(
        "import cloudpickle, pickle, types\n"
        "from memotier import tiered_cache\n"
        "@tiered_cache\n"
        "def f(x): return 2 * x\n"
        "again = pickle.loads(cloudpickle.dumps(f))\n"
        "print(type(again) is types.FunctionType, again(3), f(3))\n"
    )
    assert "True 6 6\n" == run_python(str(script))
