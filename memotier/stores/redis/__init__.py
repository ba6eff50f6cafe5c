"""
The second tier of several machines: a Redis or Valkey server.

    store.py    the ``Store`` protocol; nothing else here is used from outside
    layout.py   keys, and the head of a record
    scripts.py  what the server does in one step
    requests.py what it is asked, without I/O; operations.py, listing.py: each method as such steps
    server.py   one server, asked: redis-py, timeouts, errors
    lines.py    its connections for threads; loops.py: those for tasks
    board.py    what other processes invalidated, as the hit path wants to have it
    watch.py    the thread that hears of it
    leases.py   who computes a key, of all processes; and the thread that renews that
    bells.py    waiting for somebody to give it back
    numbers.py  what of it may have been lost on the way, or by the server
    tracking.py what only the server can tell: that it was emptied
    age.py      how long memory is believed when nothing can be heard
    births.py   whether the server still has what it had

Nothing is imported from redis-py before a store is used, and only in server.py.
"""
