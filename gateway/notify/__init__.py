"""Alerts on their way to people: processes write them to a spool, one process tells commands and webhooks.

`spool.py` is all that core and routes run of it: one append to a file. Everything that may wait is in the
alerts process. `inbox.py` reads the spool; `gate.py` and `waiting.py` decide what is told, and ask no clock;
`sinks.py` tells it; `desk.py` brings them together.
"""
