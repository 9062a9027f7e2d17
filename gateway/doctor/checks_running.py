"""What the doctor says of a running deployment. Pure; where none runs, each check says so."""

from __future__ import annotations

from typing import Any

from gateway.audit.alive import LAG_ROWS_MAX, SILENT_S_MAX, ago
from gateway.doctor.facts import Facts, Finding, Result

OK, WARN, FAIL, SKIP = Result.OK, Result.WARN, Result.FAIL, Result.SKIP
NOT_RUNNING = "it does not run"
NOT_STARTED = (
    "`copygate run` starts it again by itself; a unit of your own (`--only audit`) has to be started."
)


def locks(facts: Facts) -> list[Finding]:
    """Who has the deployment's folders: two processes cannot share one."""
    if not facts.running.locks:
        return [Finding("locks", SKIP, "it never ran here")]
    held = [(folder, holder) for folder, holder in facts.running.locks if holder is not None]
    if not held:
        return [Finding("locks", OK, "nobody holds one")]
    seen = ", ".join(f"{folder} by pid {holder.pid}" for folder, holder in held)
    if any(folder == "core" for folder, _ in held) or facts.running.status is not None:
        return [Finding("locks", OK, seen)]
    advice = "A part runs without its core (--only), or was left: look at that process before you start."
    return [Finding("locks", WARN, seen, advice)]


def core(facts: Facts) -> list[Finding]:
    """The core answers."""
    running = facts.running
    if running.problem:
        advice = (
            "Run the doctor as the user that runs the gateway. If it hangs: read its log, and end its "
            "process; the supervisor starts another."
        )
        return [Finding("core runs", FAIL, running.problem, advice)]
    if running.status is None:
        return [Finding("core runs", SKIP, NOT_RUNNING)]
    status = running.status
    stops = status.get("stops") or []
    seen = f"epoch {status.get('epoch')}, journal row {status.get('journal_rows')}, {len(stops)} stops"
    if stops:
        return [Finding("core runs", WARN, seen, "`copygate ctl CONFIG stops` says who stopped what.")]
    return [Finding("core runs", OK, seen)]


def routes(facts: Facts) -> list[Finding]:
    """Every route is linked, and its session is up."""
    if facts.running.status is None:
        return [Finding("routes", SKIP, NOT_RUNNING)]
    found: list[dict[str, Any]] = facts.running.status.get("routes") or []
    down = [route["name"] for route in found if not (route.get("up") and route.get("synced"))]
    seen = f"{len(found) - len(down)} of {len(found)} up"
    if down:
        advice = "Read the lines of these routes in the log: `fix.event`, `fix.logout`, `run.ended`."
        return [Finding("routes", WARN, f"{seen}; not: {', '.join(down)}", advice)]
    return [Finding("routes", OK, seen)]


def audit(facts: Facts) -> list[Finding]:
    """The audit follows the journal."""
    word = facts.running.audit
    if facts.running.status is None:
        return [Finding("audit", SKIP, NOT_RUNNING)]
    advice = "Read the audit's lines in the log; it makes up for what it missed."
    if not word.status:
        return [Finding("audit", WARN, "it says nothing", advice)]
    seen = f"{word.status.get('state')}, {word.status.get('lag_rows')} rows behind"
    if word.status.get("state") == "failed":
        return [Finding("audit", FAIL, f"{seen}: {word.status.get('detail')}", advice)]
    if not word.runs:
        gone = (
            f"it does not run while the core does: process {word.status.get('pid')} is gone; its last word,"
        )
        return [Finding("audit", FAIL, f"{gone} {ago(word.age_s)} ago: {seen}", f"{NOT_STARTED} {advice}")]
    if word.age_s > SILENT_S_MAX:
        return [Finding("audit", WARN, f"{seen}, {word.age_s:.0f} s ago", advice)]
    lags = int(word.status.get("lag_rows") or 0) > LAG_ROWS_MAX
    return [Finding("audit", WARN if lags else OK, seen, advice if lags else "")]


def alerts(facts: Facts) -> list[Finding]:
    """Every sink takes alerts."""
    if facts.problems:
        return [Finding("alerts", SKIP, "the configuration has errors")]
    if not facts.wanted.sinks:
        advice = "Name somebody in [alerts]: a rejected close waits for nobody's morning."
        return [Finding("alerts", WARN, "nobody is told but the log", advice)]
    if facts.running.status is None or facts.running.alerts is None:
        return [Finding("alerts", SKIP, f"{len(facts.wanted.sinks)} sinks; {NOT_RUNNING}")]
    sinks: dict[str, dict[str, Any]] = facts.running.alerts.get("sinks") or {}
    down = [
        f"{name} since {sink['down_since']} ({sink['said']}), {len(sink['waiting'])} waiting"
        for name, sink in sinks.items()
        if sink.get("down_since")
    ]
    told = ", ".join(f"{name} {sink.get('told')}" for name, sink in sinks.items())
    if down:
        advice = "`copygate alerts test CONFIG` says what each sink answers now."
        return [Finding("alerts", FAIL, "; ".join(down), advice)]
    return [Finding("alerts", OK, f"told: {told}")]
