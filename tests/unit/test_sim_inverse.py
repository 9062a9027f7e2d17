"""The simulated broker counts inverse contracts by units / price, as the core and the audit do."""

from __future__ import annotations

import random
from decimal import Decimal
from fractions import Fraction

import pytest
import typer.testing

from gateway.audit.pnl import Line
from gateway.sim import cli
from gateway.sim.book import Account
from gateway.sim.broker import Behaviour, Broker
from gateway.sim.market import DEMO_INSTRUMENTS, INSTRUMENTS, Market, inverse
from gateway.sim.text import first
from tests.unit.test_sim_broker import SESSION, fix

PROMPT = Behaviour(ack_ms=0, fill_ms=0, jitter_ms=0)
NEAR = Fraction(1, 10**20)
"""The book has 28 digits of each sum."""


def broker(symbols: tuple[str, ...] = ("XBTUSD",), currency: str = "XBT") -> Broker:
    """A broker with one account of two coins."""
    account = Account("F1", currency=currency, balance=Decimal(2))
    return Broker(1, [account], PROMPT, inverse=symbols)


def trade(model: Broker, units: int, px: str, symbol: str = "XBTUSD") -> list[str]:
    """A market order at one price; ExecID of its fills."""
    known, now = set(model.book.executions), len(model.book.orders)
    model.quote(symbol, Decimal(px), Decimal(px), now)
    side = "1" if units > 0 else "2"
    model.receive(SESSION, fix(f"35=D|11=C{now}|1=F1|55={symbol}|54={side}|38={abs(units)}|40=1|"), now)
    model.advance(now)
    return [name for name in model.book.executions if name not in known]


def account_values(model: Broker) -> tuple[str, str, str]:
    """Balance, equity and free margin as reported."""
    (report,) = model.account_values(SESSION, 0)
    fields = report.fields
    return first(fields, 901), first(fields, 900), first(fields, 899)


def test_equity_and_margin_of_an_inverse_contract_are_in_coins() -> None:
    """6,000 dollars at 60,000 are 0.1 bitcoin; at 75,000 they have won 0.02 and are worth 0.08."""
    model = broker()
    trade(model, 6_000, "60000")
    model.quote("XBTUSD", Decimal(75_000), Decimal(75_000), 9)
    assert account_values(model) == ("2", "2.02", "2.01733333")
    trade(model, -6_000, "75000")
    assert account_values(model) == ("2", "2.02", "2.02")
    assert model.book.export()["accounts"]["F1"]["cash"] == {"XBTUSD": "0.02"}  # type: ignore[index]


def test_a_linear_contract_counts_as_before() -> None:
    """Units x price; an account of dollars has cents."""
    model = broker(("XBTUSD",), "USD")
    trade(model, 100, "1.25", "EURUSD")
    model.quote("EURUSD", Decimal("1.5"), Decimal("1.5"), 9)
    assert account_values(model) == ("2", "27", "22")
    assert model.book.accounts["F1"].cash["EURUSD"] == Decimal(-125)


def test_the_average_price_of_an_inverse_order_is_harmonic() -> None:
    """6,000 at 60,000 and 6,000 at 40,000 are 0.25 bitcoin: 48,000; without the second one 60,000."""
    model = broker()
    (name,) = trade(model, 6_000, "60000")
    order = model.book.orders[model.book.executions[name].order_id]
    assert order.avg_px == 60_000
    order.take(Decimal(6_000), Decimal(40_000))
    assert order.avg_px == 48_000
    order.take(Decimal(-6_000), Decimal(40_000))
    assert order.avg_px == 60_000


@pytest.mark.parametrize("symbols", [("XBTUSD",), ()])
def test_the_book_agrees_with_what_the_audit_counts(symbols: tuple[str, ...]) -> None:
    """Any fills, with busts, of either kind of contract: money that changed hands is realised minus cost."""
    draw, model, fills = random.Random(3), broker(symbols), dict[str, tuple[int, str]]()
    for _ in range(300):
        if fills and draw.random() < 0.15:
            name = draw.choice(list(fills))
            del fills[name]
            model.bust(name, 10**9)
            continue
        units, px = draw.choice((-700, -300, 100, 400, 900)), f"{draw.randrange(90_000, 150_000) / 2}"
        (name,) = trade(model, units, px)
        fills[name] = (units, px)
    line = Line(inverse=bool(symbols))
    for units, px in fills.values():
        line.fill(Fraction(units), Fraction(px))
    account = model.book.accounts["F1"]
    assert line.cost is not None
    assert Fraction(account.positions["XBTUSD"]) == line.position != 0
    assert abs(Fraction(account.cash["XBTUSD"]) - (line.realised - line.cost)) < NEAR
    assert abs(line.realised) > 1_000 * NEAR


def test_an_inverse_instrument_is_traded_where_it_is_named() -> None:
    """What nobody names stays as it was: seeds give the demo the market that they gave it."""
    assert cli._instruments(None) == DEMO_INSTRUMENTS
    assert inverse(DEMO_INSTRUMENTS) == []
    named = cli._instruments("XBTUSD,EURUSD")
    assert (inverse(named), [one.name for one in named]) == (["XBTUSD"], ["XBTUSD", "EURUSD"])
    assert {one.symbol: one.bid for one in Market(1, named).quotes()}["XBTUSD"] == Decimal("59999.5")
    for side in ("broker", "leader"):
        told = typer.testing.CliRunner().invoke(cli.app, [side, "--instruments", "QQQ"])
        assert told.exit_code == 2
        assert f"Known: {', '.join(one.name for one in INSTRUMENTS)}." in told.output


@pytest.mark.parametrize("side", ["broker", "leader"])
def test_the_command_makes_a_broker_that_counts_so(side: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many of the instruments as are inverse; none of those that are traded without a name."""
    made: list[Broker] = []
    monkeypatch.setattr(cli, "_run", lambda model, *_: made.append(model))
    for words in (["--instruments", "EURUSD,XBTUSD"], []):
        told = typer.testing.CliRunner().invoke(cli.app, [side, *words])
        assert told.exit_code == 0, told.output
    assert [one.book.inverse for one in made] == [{"XBTUSD"}, set()]
