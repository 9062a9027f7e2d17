"""`copygate sim`: counterparties to run a gateway against."""

from __future__ import annotations

import json
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Annotated

import typer

from gateway.errors import ExitCode, OperatingError, UsageError
from gateway.failures import operating
from gateway.sim import history as histories
from gateway.sim import history_copy, history_view
from gateway.sim.actors import HistoryTicker, LeaderTicker, MarketTicker, demo_accounts
from gateway.sim.book import Execution
from gateway.sim.broker import Behaviour, Broker
from gateway.sim.fix_server import FixServer, SimSession, Ticker, free_port
from gateway.sim.market import DEMO_INSTRUMENTS, INSTRUMENTS, Market, SimInstrument, inverse
from gateway.sim.options import (
    BEGIN_STRINGS,
    check_book,
    check_store,
    checked_accounts,
    checked_session,
    checked_text,
)
from gateway.sim.reports import Dialect
from gateway.sim.scenario import HedgingScenario, LeaderScenario
from gateway.sim.text import number

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Simulated counterparties: a leader, a follower's broker, a statement as leader.",
)

FLAT_NS = 10_000_000_000
"""How long a leader may take to close everything once he is told to stop."""
DELAY_MS_MAX = 600_000
"""Ten minutes: an order whose report is later than that has been given up by everybody."""

Port = Annotated[int, typer.Option(help="TCP port on 127.0.0.1; 0 takes a free one.", min=0, max=65_535)]
Seed = Annotated[int, typer.Option(help="Seed of the market and of the broker's moods.")]
Session = Annotated[str, typer.Option(help="Our SenderCompID(49).")]
Peer = Annotated[str, typer.Option(help="The gateway's SenderCompID(49).")]
Begin = Annotated[str, typer.Option(help=f"BeginString(8): {', '.join(BEGIN_STRINGS)}.")]
Seconds = Annotated[int, typer.Option(help="Stop after this many seconds; 0 waits for Ctrl-C.", min=0)]
Store = Annotated[Path | None, typer.Option(help="Folder of the FIX store; not set: a new temporary one.")]
Instruments = Annotated[
    str | None,
    typer.Option(
        help=f"What is traded, of {', '.join(i.name for i in INSTRUMENTS)}, separated by commas; "
        f"not set: {','.join(i.name for i in DEMO_INSTRUMENTS)}."
    ),
]
BookFile = Annotated[Path | None, typer.Option(help="Write the broker's own book here (JSON) at the end.")]
Chance = Annotated[int, typer.Option(help="Chance per 10,000 orders.", min=0, max=10_000)]
Delay = Annotated[
    int,
    typer.Option(
        help="Milliseconds that each acknowledgement, fill and cancel comes later.", min=0, max=DELAY_MS_MAX
    ),
]


@app.command()
def broker(
    accounts: Annotated[str, typer.Option(help="Account names, separated by commas.")] = "F1",
    session: Session = "R1",
    peer: Peer = "COPYGATE",
    port: Port = 0,
    begin_string: Begin = "FIX.4.4",
    seed: Seed = 1,
    rejects: Chance = 0,
    partials: Chance = 0,
    delay_ms: Delay = 0,
    instruments: Instruments = None,
    hedging: Annotated[
        bool,
        typer.Option("--hedging", help="Positions stand side by side; 721 names the one that is closed."),
    ] = False,
    seconds: Seconds = 0,
    store: Store = None,
    book: BookFile = None,
) -> None:
    """A follower's broker: takes orders, answers H, AF and AN, keeps its own book.

    SIGUSR1 (kill -USR1 PID) busts the newest fill that is not busted, and standard error says which.
    """
    with _errors():
        served = checked_session(session, peer, begin_string)
        names = checked_accounts("--accounts", accounts)
        traded = _instruments(instruments)
        usual = Behaviour()
        behaviour = Behaviour(
            ack_ms=usual.ack_ms + delay_ms,
            fill_ms=usual.fill_ms + delay_ms,
            cancel_ms=usual.cancel_ms + delay_ms,
            reject_per_10k=rejects,
            partial_per_10k=partials,
            hedging=hedging,
        )
        model = Broker(seed, demo_accounts(names), behaviour, Dialect(begin_string), inverse(traded))
        tickers: list[Ticker] = [MarketTicker(Market(seed, traded), model)]
        _run(model, served, port, store, tickers, seconds, None, book)


@app.command()
def leader(
    account: Annotated[str, typer.Option(help="The leader's account.")] = "LEADER",
    session: Session = "LEADER",
    peer: Peer = "COPYGATE",
    port: Port = 0,
    begin_string: Begin = "FIX.4.4",
    seed: Seed = 1,
    trade_ms: Annotated[int, typer.Option(help="Pause between trades, milliseconds.", min=1)] = 500,
    instruments: Instruments = None,
    hedging: Annotated[
        bool,
        typer.Option("--hedging", help="He holds longs and shorts side by side; 721 names what he closes."),
    ] = False,
    seconds: Seconds = 0,
    store: Store = None,
    book: BookFile = None,
) -> None:
    """A leader who trades a generated market and ends flat; his broker reports to the gateway.

    SIGUSR1 (kill -USR1 PID) busts his newest fill that is not busted, and standard error says which.
    """
    with _errors():
        served = checked_session(session, peer, begin_string)
        name = checked_text("--account", account)
        traded = _instruments(instruments)
        behaviour = Behaviour(partial_per_10k=3000, hedging=hedging)
        model = Broker(seed, demo_accounts([name]), behaviour, Dialect(begin_string), inverse(traded))
        tickets = model.book.accounts[name].tickets
        scenario = HedgingScenario(seed, traded, tickets) if hedging else LeaderScenario(seed, traded)
        trader = LeaderTicker(scenario, model.book.accounts[name], session, trade_ms, trading=True)
        tickers: list[Ticker] = [MarketTicker(Market(seed, traded), model), trader]
        _run(model, served, port, store, tickers, seconds, trader, book)


def _instruments(names: str | None) -> tuple[SimInstrument, ...]:
    """The instruments of a list of names; the demo's without one. UsageError on an unknown name."""
    known = {i.name: i for i in INSTRUMENTS}
    if names is None:
        return DEMO_INSTRUMENTS
    wanted = [name.strip() for name in names.split(",")]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise UsageError(
            f"unknown {', '.join(unknown)}", path="--instruments", hint=f"Known: {', '.join(known)}."
        )
    return tuple(known[name] for name in dict.fromkeys(wanted))


@app.command()
def history(
    file: Annotated[Path, typer.Argument(help="MT4 account history, csv.")],
    account: Annotated[str, typer.Option(help="The leader's account.")] = "LEADER",
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    messages: Annotated[bool, typer.Option(help="Print the reports, | for SOH, and copy nothing.")] = False,
    serve: Annotated[bool, typer.Option(help="Serve the reports on a FIX session.")] = False,
    session: Session = "LEADER",
    peer: Peer = "COPYGATE",
    port: Port = 0,
    per_second: Annotated[int, typer.Option(help="Messages per second when serving.", min=1)] = 200,
    seconds: Seconds = 0,
) -> None:
    """A statement as leader: copies it to three followers, prints its reports, or plays them on a session."""
    with _errors():
        served = checked_session(session, peer, "FIX.4.4")
        name = checked_text("--account", account)
        try:
            read = histories.load(file, name)
        except ValueError as error:
            raise UsageError(str(error), path=str(file)) from error
        if messages:
            _print_messages(read)
        elif serve:
            player: list[Ticker] = [HistoryTicker(read, session, per_second)]
            _run(Broker(1, demo_accounts([name])), served, port, None, player, seconds, None, None)
        else:
            result = history_copy.run(read)
            typer.echo(json.dumps(history_view.as_json(result)) if json_output else history_view.text(result))
            raise typer.Exit(int(ExitCode.OK if result.good else ExitCode.BAD_RESULT))


def _print_messages(read: histories.History) -> None:
    for message in read.messages:
        typer.echo(message.raw.decode().replace("\x01", "|"))
    profit = histories.follow(read.messages, read.rates)
    total = "equal" if profit.total == read.statement_total else "NOT equal"
    text = f"{len(read.messages)} messages; statement total {number(read.statement_total)}"
    typer.echo(f"{text}, {total} to a 100 % follower's result", err=True)


@contextmanager
def _errors() -> Iterator[None]:
    """What a person can put right ends the command with one line and its exit code, without a traceback."""
    try:
        yield
    except BrokenPipeError:
        # The reader of our output went away; the program's entry knows what that means.
        raise
    except (OperatingError, OSError) as error:
        problem = operating(error)
        typer.echo(f"copygate: {problem}", err=True)
        raise typer.Exit(int(problem.exit_code)) from error


def _run(
    model: Broker,
    session: SimSession,
    port: int,
    store: Path | None,
    tickers: list[Ticker],
    seconds: int,
    trader: LeaderTicker | None,
    book: Path | None,
) -> None:
    """Serves until the time is over or a signal ends it; a leader is brought flat first."""
    check_book(book)
    check_store(store)
    # Not an Event: a handler may put while the same thread waits, whatever it is doing in that moment.
    wishes: SimpleQueue[int] = SimpleQueue()
    # QuickFIX resets SIGINT when it is imported, so handlers are set here, after it.
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    before = [signal.signal(one, lambda number, _: wishes.put(number)) for one in signals]
    try:
        exported = _serve(model, session, port, store, tickers, seconds, trader, wishes)
    finally:
        for one, handler in zip(signals, before, strict=True):
            signal.signal(one, handler)
    if book is not None:
        book.write_text(json.dumps(exported, indent=2) + "\n", encoding="utf-8")


def _serve(
    model: Broker,
    session: SimSession,
    port: int,
    store: Path | None,
    tickers: list[Ticker],
    seconds: int,
    trader: LeaderTicker | None,
    wishes: SimpleQueue[int],
) -> dict[str, object]:
    """Runs the server and returns the broker's book at the end."""
    with tempfile.TemporaryDirectory(prefix="copygate-sim-") as folder:
        server = FixServer(model, [session], port or free_port(), store or Path(folder), tickers)
        server.start()
        ids = f"{session.begin_string} {session.comp_id}->{session.peer_comp_id}"
        typer.echo(f"{ids} on 127.0.0.1:{server.port}")
        _attend(server, wishes, seconds)
        if trader is not None:
            server.call(trader.finish)
            deadline_ns = time.monotonic_ns() + FLAT_NS
            while not trader.flat and time.monotonic_ns() < deadline_ns:
                threading.Event().wait(0.05)
        exported = server.call(model.book.export)
        server.stop()
    if server.failure:
        typer.echo(f"copygate: the simulator stopped early: {server.failure}", err=True)
        raise typer.Exit(int(ExitCode.INTERNAL))
    return exported


def _attend(server: FixServer, wishes: SimpleQueue[int], seconds: int) -> None:
    """Waits for signals: SIGUSR1 busts a fill, another one or the end of the time returns."""
    deadline_s = time.monotonic() + seconds
    while True:
        left_s = max(deadline_s - time.monotonic(), 0) if seconds else None
        try:
            wish = wishes.get(timeout=left_s)
        except Empty:
            return
        if wish != signal.SIGUSR1:
            return
        typer.echo(f"SIGUSR1: {_busted(server.call(server.bust_newest))}", err=True)


def _busted(execution: Execution | None) -> str:
    if execution is None:
        return "there is no fill to bust"
    side = "buy" if execution.side == "1" else "sell"
    return (
        f"busted {execution.exec_id}: {side} {number(execution.qty)} {execution.symbol} at "
        f"{number(execution.px)}, account {execution.account}, ClOrdID {execution.cl_ord_id}"
    )
