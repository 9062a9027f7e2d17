"""What the doctor says of a machine: one function for each check, from facts to findings. Pure."""

from __future__ import annotations

from collections.abc import Callable

from gateway.doctor.checks_files import disk_space, disk_speed, file_system, keys, passwords, state_folder
from gateway.doctor.checks_running import alerts, audit, core, locks, routes
from gateway.doctor.facts import MIB, Facts, Finding, Port, Result, unknown

OK, WARN, FAIL, SKIP = Result.OK, Result.WARN, Result.FAIL, Result.SKIP
PYTHON_MIN = (3, 11)
SQLITE_MIN = (3, 51, 3)
"""Older ones can damage a file in WAL mode when two connections reset it at one time (decision 0002)."""
CLOCK_ERROR_US = 100_000
"""Without a limit of its own. Brokers take a few seconds between SendingTime(52) and their clock."""
RATE_PPM_MAX = 1_000
"""ntpd slews by 500 ppm; more is a step, or a clock that is wrong."""
FILES_FIXED, FILES_SESSION, FILES_ROUTE = 64, 8, 4
"""Open files of a process: its own, of each FIX session (socket, stores, logs), of each link."""
PROCESS_BYTES, FOLLOWER_BYTES, READ_BYTES = 16 * MIB, 16 * 1024, 40 * 1024
"""Of each process, and of each follower in core and audit; reading a follower's configuration at the start
(decision 0009: 274 MiB for 13 processes and 10,000 followers, and 400 MB while they are read)."""
PROCESSES_FIXED = 4


def python(facts: Facts) -> list[Finding]:
    """The interpreter, and its SQLite, which writes the audit's files."""
    found = facts.program.python
    good = found[:2] >= PYTHON_MIN
    advice = "" if good else "Install Python 3.11 or newer, and the package into it."
    lines = [Finding("python", OK if good else FAIL, _dotted(found), advice)]
    sqlite = facts.program.python_sqlite
    old = sqlite < SQLITE_MIN
    advice = (
        "It writes the audit files only, which are made again from the journal: use a Python with "
        f"{_dotted(SQLITE_MIN)} or newer where there is one."
    )
    lines.append(Finding("sqlite of python", WARN if old else OK, _dotted(sqlite), advice if old else ""))
    return lines


def core_build(facts: Facts) -> list[Finding]:
    """The Rust core: of this version, with its own SQLite, and no test build."""
    program = facts.program
    again = "Build it again (`make build`), or install the package again."
    if program.core_problem:
        return [Finding("core", FAIL, program.core_problem, again)]
    seen = f"version {program.core_version}, engine {program.engine_version}"
    if program.leaves_out:
        return [Finding("core", FAIL, f"{seen}: a test build in which rules can be left out", again)]
    same = program.core_version == program.version
    lines = [
        Finding(
            "core",
            OK if same else FAIL,
            seen if same else f"{seen}, but the program is {program.version}",
            "" if same else again,
        )
    ]
    new = program.core_sqlite >= SQLITE_MIN
    lines.append(
        Finding("sqlite of the core", OK if new else FAIL, _dotted(program.core_sqlite), "" if new else again)
    )
    return lines


def quickfix(facts: Facts) -> list[Finding]:
    """QuickFIX loads, and is the version that this program was tested with."""
    program = facts.program
    wanted = program.quickfix_wanted
    advice = f"Install quickfix=={wanted}." if wanted else "Install the package again."
    if program.quickfix_problem:
        return [Finding("quickfix", FAIL, program.quickfix_problem, advice)]
    if wanted and program.quickfix != wanted:
        return [Finding("quickfix", FAIL, f"{program.quickfix}, tested with {wanted}", advice)]
    return [Finding("quickfix", OK, program.quickfix)]


def configuration(facts: Facts) -> list[Finding]:
    """The file; `check` has all of it."""
    ask = f"Run `copygate check {facts.config_path}`."
    if facts.problems:
        more = f" (and {len(facts.problems) - 1} more)" if len(facts.problems) > 1 else ""
        return [Finding("configuration", FAIL, facts.problems[0] + more, ask)]
    seen = (
        f"{facts.wanted.leader_sessions} leader sessions, {facts.wanted.routes} routes, "
        f"{facts.wanted.followers} followers, {facts.warnings} warnings"
    )
    return [Finding("configuration", WARN if facts.warnings else OK, seen, ask if facts.warnings else "")]


def profiles(facts: Facts) -> list[Finding]:
    """Profiles were read with the configuration; QuickFIX must be able to read its dictionaries."""
    if facts.problems:
        return unknown("dictionaries")
    bad = [f"{name}: {why}" for name, why in facts.dictionaries if why]
    if bad:
        advice = "Install the package again, or make them: `python fix_specs/structural/generate.py`."
        return [Finding("dictionaries", FAIL, "; ".join(bad), advice)]
    seen = f"profiles {', '.join(facts.profiles)}; {len(facts.dictionaries)} dictionaries"
    return [Finding("dictionaries", OK, seen)]


def clock_error(facts: Facts) -> list[Finding]:
    """What the kernel knows of the distance to UTC, and the limit that the configuration sets."""
    found, limit = facts.machine.clock_error_us, facts.wanted.clock_error_us
    advice = "Run chrony or ntpd: ages of trades, and SendingTime(52), are by this clock."
    name = "clock"
    if found is None:
        return [Finding(name, FAIL if limit is not None else WARN, "nobody keeps it at UTC", advice)]
    seen = f"within {found:,} us of UTC, by the kernel"
    if limit is not None and found > limit:
        return [Finding(name, FAIL, f"{seen}; opens stop beyond {limit:,} us", advice)]
    return [Finding(name, WARN, seen, advice) if found > CLOCK_ERROR_US else Finding(name, OK, seen)]


def clock_rate(facts: Facts) -> list[Finding]:
    """The wall clock against the one that never steps, while the doctor was at work."""
    rate = facts.machine.clock_rate_ppm
    seen = f"{rate:+,.0f} ppm against the steady clock"
    if abs(rate) > RATE_PPM_MAX:
        advice = "It is being stepped or runs wrong: have it corrected slowly (chrony without makestep)."
        return [Finding("clock rate", WARN, seen, advice)]
    return [Finding("clock rate", OK, seen)]


def ports(facts: Facts) -> list[Finding]:
    """Where we listen: free, or held by this deployment itself."""
    name = "ports"
    if facts.problems:
        return unknown(name)
    if not facts.ports:
        return [Finding(name, SKIP, "nothing listens: all sessions connect, and links are ipc")]
    bad = [
        _taken(name, port) for port in facts.ports if port.problem and not (port.holder and port.holder.ours)
    ]
    if bad:
        return bad
    ours = sum(port.holder is not None for port in facts.ports)
    return [Finding(name, OK, f"{len(facts.ports) - ours} free, {ours} held by this deployment")]


def _taken(name: str, port: Port) -> Finding:
    by = f" by {port.holder.name} (pid {port.holder.pid})" if port.holder else ""
    advice = "Stop what holds it, or choose another port."
    return Finding(name, FAIL, f"{port.key}: {port.address}: {port.problem}{by}", advice)


def counterparties(facts: Facts) -> list[Finding]:
    """Whom we connect to: the name resolves, and somebody takes the connection."""
    name = "counterparties"
    if facts.problems:
        return unknown(name)
    if facts.is_offline:
        return [Finding(name, SKIP, "--offline: nobody was asked")]
    if not facts.peers:
        return [
            Finding(name, SKIP, "no session has to be tried: those that connect are up, or there are none")
        ]
    bad = [
        Finding(
            name,
            FAIL,
            f"{peer.session}: {peer.address}: {peer.problem}",
            "Ask the counterparty whether it listens, and look at host, port and firewalls.",
        )
        for peer in facts.peers
        if peer.problem
    ]
    slowest = max(peer.took_ms for peer in facts.peers)
    return bad or [
        Finding(name, OK, f"{len(facts.peers)} take a connection, the slowest in {slowest:.0f} ms")
    ]


def open_files(facts: Facts) -> list[Finding]:
    """The most that one process needs is the core's: its sessions, and a link for each route."""
    if facts.problems:
        return unknown("open files")
    wanted = facts.wanted
    need = FILES_FIXED + FILES_SESSION * wanted.leader_sessions + FILES_ROUTE * wanted.routes
    seen = f"limit {facts.machine.open_files:,}, the core needs about {need:,}"
    advice = "Raise it: `ulimit -n`, or LimitNOFILE= in the unit."
    if facts.machine.open_files < need:
        return [Finding("open files", FAIL, seen, advice)]
    tight = facts.machine.open_files < 2 * need
    return [Finding("open files", WARN if tight else OK, seen, advice if tight else "")]


def processors(facts: Facts) -> list[Finding]:
    """Core and a route each have a thread that must not wait."""
    found = facts.machine.processors
    few = found < 2
    advice = "Give it two: core and routes wait for each other on one." if few else ""
    return [Finding("processors", WARN if few else OK, f"{found:g}", advice)]


def memory(facts: Facts) -> list[Finding]:
    """What all processes take together, by what was measured."""
    if facts.problems:
        return unknown("memory")
    wanted, machine = facts.wanted, facts.machine
    processes = PROCESSES_FIXED + wanted.routes
    need = PROCESS_BYTES * processes + FOLLOWER_BYTES * wanted.followers
    peak = need + READ_BYTES * wanted.followers
    limit = machine.memory_limit_bytes
    seen = f"{machine.memory_free_bytes // MIB:,} MiB free"
    seen += f", limit {limit // MIB:,} MiB" if limit is not None else ""
    seen += f"; about {need // MIB:,} MiB are needed, {peak // MIB:,} MiB at the start"
    if limit is not None and limit < need:
        return [Finding("memory", FAIL, seen, "Raise the limit (MemoryMax= of the unit, the container's).")]
    room = min(machine.memory_free_bytes, machine.memory_free_bytes if limit is None else limit)
    if facts.running.status is None and room < peak:
        return [Finding("memory", WARN, seen, "Make room, or spread the followers over two deployments.")]
    return [Finding("memory", OK, seen)]


def left_stop(facts: Facts) -> list[Finding]:
    """A stop that was left while no core answered."""
    if facts.problems:
        return unknown("left stop")
    if not facts.left_stops:
        return [Finding("left stop", OK, "none")]
    advice = "The next core takes it up and stops so; release it by `copygate ctl CONFIG arm --who NAME`."
    return [Finding("left stop", WARN, "; ".join(facts.left_stops), advice)]


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


Check = Callable[[Facts], list[Finding]]
CHECKS: tuple[Check, ...] = (
    configuration,
    python,
    core_build,
    quickfix,
    profiles,
    state_folder,
    file_system,
    disk_space,
    disk_speed,
    passwords,
    keys,
    clock_error,
    clock_rate,
    processors,
    memory,
    open_files,
    ports,
    counterparties,
    left_stop,
    locks,
    core,
    routes,
    audit,
    alerts,
)
"""Every check, in the order of the report. A new one is added here and nowhere else."""


def examine(facts: Facts) -> list[Finding]:
    """All findings."""
    return [finding for check in CHECKS for finding in check(facts)]
