"""
What is kept on disk while the shared store is away, and what is never taken from there.
"""

from __future__ import annotations

import pytest

from memotier.engine.names import EVERYTHING
from memotier.errors import StoreError, StoreUnavailable
from memotier.stores.local import LocalStore
from memotier.stores.redis.board import LocalBoard
from memotier.stores.spill import Spilling

from .support import NAME, OTHER, address, disk, finished, item, noted, process, put, read

PATIENCE, MAX_AGE = 30.0, 100.0
NAMES = (EVERYTHING, NAME)


class Far:
    """
    A shared store that can be away, as a process sees it: with a board of its own.
    """

    kind = "far"
    watches = True

    def __init__(self, store):
        self.store = store
        self.is_away = False
        self.board = LocalBoard()

    def __getattr__(self, name):
        operation = getattr(self.store, name)

        def call(*arguments):
            if self.is_away:
                raise StoreUnavailable("it is away")
            return operation(*arguments)

        return call


@pytest.fixture
def shared(time):
    return LocalStore(1000, clock=time.clock)


@pytest.fixture
def processes(shared, place, time):
    """
    A function that makes stores as processes of one machine would have them.
    """
    made = []

    def make(**options):
        settings = {"max_age": MAX_AGE, "patience": PATIENCE, **options}
        spill = disk(place, clock=time.clock)
        far = Far(shared)
        store = Spilling(far, spill, everything=EVERYTHING, clock=time.clock, **settings)
        store.far = far
        made.append(store)
        return store

    yield make
    for store in made:
        store.spill.close()


@pytest.fixture
def cut_off(processes, time):
    """
    The same, cut off since long; what they do next, they do with the spill.
    """

    def make(in_contact=True):
        store = processes()
        if in_contact:
            store.versions(NAMES)
        store.far.is_away = True
        time.pass_(PATIENCE)
        return store

    return make


def keep(store, text="a", record=b"record", **options):
    return put(store, text, record=record, names=NAMES, **options)


def believed(store, *texts):
    """
    What is found and still valid: its tokens are those that its names have.
    """
    reading = store.get([address(text) for text in texts])
    tokens = b",".join(token or b"-" for token in store.versions(NAMES)[0])
    return [record if record and record.endswith(tokens) else None for record in reading.records]


def keep_valid(store, text="a"):
    tokens = b",".join(token or b"-" for token in store.versions(NAMES)[0])
    return keep(store, text, record=tokens)


def test_in_contact_the_spill_is_not_even_made(processes, place):
    """
    As long as the server answers, everything is there and nothing is here.
    """
    store = processes()
    assert [True] == keep(store)
    assert [b"record"] == read(store, "a")
    store.bump([NAME])
    assert [True] == store.delete([address("a")])
    assert not place.exists()


def test_a_short_absence_is_as_without_a_spill(processes, time, place):
    """
    Until memory would not be believed any more, who asks is told that the server is away.
    """
    store = processes()
    keep(store)
    store.far.is_away = True
    time.pass_(PATIENCE - 1)
    for ask in (lambda: read(store, "a"), lambda: store.versions([NAME])):
        with pytest.raises(StoreUnavailable):
            ask()
    assert not place.exists()


def test_what_is_kept_meanwhile_is_shared_by_the_processes_of_the_machine(cut_off):
    """
    After that, one keeps what another finds, also one that was started meanwhile.
    """
    one, new = cut_off(), cut_off(in_contact=False)
    assert [None] == read(one, "a")
    assert [True] == keep(one)
    assert [b"record"] == read(one, "a") == read(new, "a")
    assert [True] == keep(new, "b")
    assert [b"record"] == read(one, "b")


def test_what_is_kept_is_believed_for_as_long_as_was_said(cut_off, time):
    """
    Whatever the record's own time is, and no longer than that.
    """
    store = cut_off()
    read(store, "a")
    keep(store, "a")
    keep(store, "b", expire=5 * MAX_AGE)
    keep(store, "c", expire=5.0)
    time.pass_(6)
    assert [b"record", b"record", None] == read(store, "a", "b", "c")
    time.pass_(MAX_AGE - 6)
    assert [None, None] == read(store, "a", "b")


def test_the_first_answer_of_the_server_ends_it_for_everybody(cut_off):
    """
    Nothing that was spilled is found in any later absence, by whomever.
    """
    store, other = cut_off(), cut_off()
    believed(store, "a"), believed(other, "a")
    keep_valid(store)
    assert [None] != believed(other, "a")

    store.far.is_away = False
    assert [None] == believed(store, "a")
    assert [None] == believed(other, "a")


def test_who_was_in_contact_believes_nothing_from_before(processes, cut_off, time):
    """
    A result that another process spilled may be older than an invalidation that this one has
    heard of.
    """
    early, late = cut_off(), processes()
    late.versions(NAMES)
    keep_valid(early)
    assert [None] != believed(early, "a")
    late.bump([NAME])

    late.far.is_away = True
    time.pass_(PATIENCE)
    assert [None] == believed(late, "a")
    assert [None] == believed(early, "a")
    keep_valid(early)
    assert [None] != believed(late, "a")


def test_a_process_that_never_reached_the_server_takes_what_is_there(cut_off):
    """
    It knows nothing better, and what is there is not older than was said.
    """
    keep_valid(cut_off())
    assert [None] != believed(cut_off(in_contact=False), "a")


def test_its_tokens_are_those_of_no_server(cut_off, shared):
    """
    What was computed under the tokens of one is invalid under those of the other.
    """
    there = shared.versions(NAMES)
    store = cut_off()
    here = store.versions(NAMES)
    assert there[1] != here[1]
    assert there[0] != here[0]
    store.far.is_away = False
    assert there == store.versions(NAMES)


def test_a_late_write_goes_nowhere(cut_off, shared):
    """
    Neither what began here is stored there, nor what began there here.
    """
    store = cut_off()
    from_there = item(shared, "a", names=NAMES)
    from_here = item(store, "a", names=NAMES)
    with pytest.raises(StoreError):
        store.set([from_there])
    with pytest.raises(StoreError):
        store.set([from_here, from_there])
    store.far.is_away = False
    read(store, "a")
    assert [False, True] == store.set([from_here, from_there])
    assert [b"record"] == read(shared, "a")
    assert [False] == store.set([from_here])


def test_a_write_that_began_before_an_end_and_a_new_beginning_is_refused(cut_off, time):
    """
    The spill of one absence is not that of the next.
    """
    store = cut_off()
    late = item(store, "a", names=NAMES)
    store.far.is_away = False
    read(store, "a")
    store.far.is_away = True
    time.pass_(PATIENCE)
    assert [None] == read(store, "a")
    assert [False] == store.set([late])


@pytest.mark.parametrize("how", ["bump", "soft", "delete", "expire"])
def test_an_invalidation_meanwhile_is_made_here_and_is_an_error(cut_off, how):
    """
    Other processes of the machine do not find it any more, a write on its way is refused, and
    the caller hears that the server does not know.
    """
    store, other = cut_off(), cut_off()
    read(other, "a"), read(store, "a")
    keep(store)
    late = item(other, "a", names=NAMES)
    tokens, _ = other.versions(NAMES)
    tell = {"bump": (store.bump, [NAME]), "soft": (store.bump, [NAME], True)}
    operation, *arguments = tell.get(how) or (getattr(store, how), [address("a")])
    with pytest.raises(StoreUnavailable):
        operation(*arguments)
    reading = other.get([address("a")])
    if how == "delete":
        assert [None] == list(reading.records)
    elif how == "expire":
        assert reading.expired[0] is not None
    else:
        assert tokens != other.versions(NAMES)[0]
    assert [False] == other.set([late])


def test_an_invalidation_by_who_does_not_spill_yet_reaches_those_who_do(processes, cut_off):
    """
    The others of the machine hear of it through the spill.
    """
    spilling = cut_off(in_contact=False)
    read(spilling, "a")
    keep(spilling)
    near = processes(patience=1e9)
    near.far.is_away = True
    near._contact = 0.0
    with pytest.raises(StoreUnavailable):
        near.delete([address("a")])
    assert [None] == read(spilling, "a")


def test_a_spilled_record_is_not_labelled_anew(cut_off):
    """
    It would be believed for as long again; who asks for it hears that it cannot be done.
    """
    store = cut_off()
    read(store, "a")
    keep(store)
    guard = noted(store, "a", NAMES)._replace(instead_of=b"record")
    with pytest.raises(StoreError, match="labelled anew"):
        store.set([item(store, "a", guard=guard)])


def test_what_memory_has_is_looked_at_again_when_the_server_is_back(cut_off):
    """
    Also if the server is heard of by the thread that listens, and nobody calls.
    """
    store = cut_off()
    read(store, "a")
    before = bytes(store.board.cells)
    store.reached()
    assert not store.is_spilling
    assert before != bytes(store.board.cells)
    assert before[8:16] != bytes(store.board.cells)[8:16]


def test_a_server_that_tells_of_itself_is_not_away(processes, time):
    """
    Reading fails, but messages arrive: memory is believed, so nothing is spilled.
    """
    store = processes()
    store.versions(NAMES)
    store.far.is_away = True
    for _ in range(10):
        time.pass_(PATIENCE / 2)
        store.reached()
        with pytest.raises(StoreUnavailable):
            read(store, "a")


def test_a_spill_that_cannot_be_used_is_as_none(processes, time, place):
    """
    The error is that of the server.
    """
    store = processes()
    store.versions(NAMES)
    place.write_text("a file")
    store.far.is_away = True
    time.pass_(PATIENCE)
    with pytest.raises(StoreUnavailable, match="it is away"):
        read(store, "a")
    with pytest.raises(StoreUnavailable, match="it is away"):
        store.bump([OTHER])


def test_a_spill_that_cannot_be_emptied_is_not_believed_afterwards(cut_off, place, time):
    """
    Who could not drop it when the server came back must do so before he reads from it again.
    """
    store = cut_off()
    keep_valid(store)
    assert [None] != believed(store, "a")
    working = store.spill

    class Full:
        def __getattr__(self, name):
            def fail(*arguments):
                if name in ("get", "versions", "count"):
                    return getattr(working, name)(*arguments)
                raise StoreError("the disk is full")

            return fail

    store.spill = Full()
    store.far.is_away = False
    assert [None] == read(store, "a")
    store.far.is_away = True
    time.pass_(PATIENCE)
    with pytest.raises(StoreUnavailable, match="it is away"):
        read(store, "a")
    store.spill = working
    assert [None] == believed(store, "a")


@pytest.mark.slow
def test_a_killed_process_leaves_what_it_kept_and_nothing_that_was_invalidated(place):
    """
    Killed between keeping, invalidating and the return of the server: the next one finds what is
    valid, until it hears from the server.
    """
    header = """
    from memotier.engine.names import EVERYTHING
    from memotier.stores.spill import Spilling
    from memotier.stores.local import LocalStore
    from tests.stores.test_spill import Far, NAMES, keep
    far = Far(LocalStore(1000))
    store = Spilling(far, disk(directory), everything=EVERYTHING, max_age=1000, patience=0)
    """
    first = (
        header
        + """
    far.is_away = True
    read(store, "a")
    assert [True, True] == keep(store, "a") + put(store, "b", names=(EVERYTHING, OTHER))
    try:
        store.delete([address("b")])
    except StoreError:
        os.kill(os.getpid(), 9)
    """
    )
    child = process(first, place)
    child.communicate(timeout=60)
    assert -9 == child.returncode
    second = (
        header
        + """
    far.is_away = True
    print(read(store, "a", "b"), flush=True)
    far.is_away = False
    read(store, "a")
    os.kill(os.getpid(), 9)
    """
    )
    child = process(second, place)
    out, _ = child.communicate(timeout=60)
    assert (-9, "[b'record', None]\n") == (child.returncode, out)
    third = (
        header
        + """
    far.is_away = True
    print(read(store, "a", "b"))
    """
    )
    assert "[None, None]\n" == finished(process(third, place))
