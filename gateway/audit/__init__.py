"""The audit log: what the gateway decided, in a form that others can read and check.

The audit process follows the journal, replays the same engine and writes one entry per decision and outcome.
Nothing here is on the path of an order.
"""
