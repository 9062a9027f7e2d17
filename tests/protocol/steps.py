"""The table of all steps: what happens, when it may, what it does, and where that is in the code."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from tests.protocol import broker, core, faults, route
from tests.protocol.rules import Setup
from tests.protocol.state import World


class Step(NamedTuple):
    """One thing that can happen."""

    name: str
    guard: Callable[[World, Setup], Iterable[int]]
    """The choices that there are now: places of orders, of frames, or the fate of what is on its way."""
    effect: Callable[[World, Setup, int], World]
    where: str


STEPS = (
    Step(
        "core takes the leader's report", core.next_report, core.takes_report, "Pipeline::submit, on_leader"
    ),
    Step(
        "core dispatches order",
        core.dispatchable,
        core.dispatches,
        "engine/routes.rs again, engine/dispatch.rs",
    ),
    Step(
        "core misses the late open", core.overdue, core.misses, "engine/routes.rs again, lines.rs end_unsent"
    ),
    Step("core takes a row", core.waiting_rows, core.takes_row, "engine/routes.rs on_route"),
    Step("core probes order", core.probable, core.probes, "engine/routes.rs run_queues"),
    Step("core doubts order", core.unreported, core.doubts, "engine/routes.rs run_queues, doubt"),
    Step(
        "core asks again about order", core.unanswered, core.asks_again, "engine/routes.rs order_due, query"
    ),
    Step(
        "route says HELLO", route.says_hello, route.hello, "gateway/route.py _greet, engine/routes.rs on_link"
    ),
    Step("route takes a frame", route.first_frame, route.takes_frame, "route.rs decide"),
    Step("route takes too late a frame", route.expired, route.takes_expired, "route.rs refuse_order"),
    Step("route takes late frame", route.late_frames, route.takes_late, "route.rs decide"),
    Step("route hands over", route.in_hand, route.hands_over, "gateway/route.py _take, fix/engine.py send"),
    Step("line logs on", route.line_down, route.logs_on, "fix/application.py onLogon"),
    Step("route records a report", route.next_word, route.records, "fix/application.py fromApp"),
    Step("broker reads a message", broker.next_message, broker.reads, "the broker's FIX engine"),
    Step("broker accepts order", broker.in_gateway, broker.accepts, "the broker's gateway"),
    Step("broker fills order", broker.working, broker.fills, "the broker's book"),
    Step("FAULT core is killed", faults.any_time, faults.kills_core, "Pipeline::open"),
    Step("FAULT core's disk refuses", faults.refusable, faults.refuses_row, "fix/application.py _insist"),
    Step("FAULT route is killed", faults.kill_fates, faults.kills_route, "RoutePipeline::open"),
    Step("FAULT link is cut", faults.linked, faults.cuts_link, "gateway/wire.py reconnected"),
    Step("FAULT line is cut", faults.cuttable, faults.cuts_line, "fix/application.py onLogout"),
    Step("FAULT frame is lost", faults.frames, faults.loses_frame, "gateway/wire.py send"),
    Step("FAULT broker or line is slow with order", faults.slow, faults.settles_early, "timing.settle_ms"),
    Step("FAULT route is silent", faults.silent, faults.gives_up, "gateway/core.py _beat, Pipeline::lost"),
)
