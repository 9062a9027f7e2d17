"""The configuration is read exactly, compiled to what the core expects, and refused with reasons."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from gateway.config import ConfigProblems, GatewayConfig, core_config, core_json, load, schema
from gateway.config_limits import LimitsConfig, LimitSet, fold, limit_of
from gateway.config_types import decimal_text, read_decimal
from gateway.errors import EnvironmentProblem, ExitCode
from gateway.toml_lines import LineIndex, dotted
from tests.unit.config_text import GOOD, changed, find, problems_of, write


def test_a_valid_deployment_loads_with_its_profile_and_absolute_paths(tmp_path: Path) -> None:
    """Sessions, profiles and folders are reachable by name and relative to the file."""
    config = load(write(tmp_path))
    assert config.state_dir == (tmp_path / "state").resolve()
    assert list(config.leader_sessions()) == ["LEADER"]
    assert config.route_session("r2")[0] == "R2"
    assert config.profile_of("R1") == {
        "name": "plain",
        "begin_string": "FIX.4.4",
        "account_field": "tag1",
        "order_types": ["market"],
    }
    assert config.core_bind() == f"ipc://{config.state_dir}/run/core.ipc"
    assert config.observers_bind() is None


def test_the_core_gets_every_key_of_its_contract_and_no_other(tmp_path: Path) -> None:
    """The core refuses unknown keys, so the compiled shape is fixed here."""
    core = core_config(load(write(tmp_path)))
    assert list(core) == [
        "deployment", "timing", "faults", "reconcile", "retire_after_ms", "profiles", "instruments",
        "leaders", "routes", "followers", "subscriptions", "dispatch",
    ]  # fmt: skip
    assert core["routes"][0] == {"name": "r1", "session": "R1", "profile": "plain"}
    assert core["instruments"][1] == {
        "name": "GOLD", "contract_size": "10", "lot_step": "0.1", "min_lot": "0.1", "max_lot": None,
        "tick": "0.01", "base": None, "currency": "USD", "inverse": False,
    }  # fmt: skip
    assert core["timing"]["close_retry_max_ms"] == 30_000
    assert core["faults"] == {
        "reject_burst": 20, "reject_window_ms": 60_000, "repeated_copies": 0, "repeated_window_ms": 60_000,
            "self_match": "alert", "lookalike_window_ms": 0,
    }  # fmt: skip
    assert core["reconcile"] == {"every_ms": 300_000, "tolerance_lots": "0"}
    assert core["followers"][0]["on_break"] == "alert"
    first = core["subscriptions"][0]
    assert first["name"] == "f1<alpha"
    assert first["sizing"] == {"mode": "multiplier", "k": "0.5"}
    assert first["filters"] == {"instruments": None, "side": "both", "min_order_qty": "0", "tags": []}
    assert (first["max_inflation"], first["max_slippage_bps"], first["max_age_ms"]) == ("3", "0", 60_000)
    assert core["subscriptions"][1]["max_ratio"] == "10"


def test_no_float_reaches_the_core(tmp_path: Path) -> None:
    """Decimals are text in the compiled configuration, timeouts are integers."""

    def refuse(text: str) -> float:
        raise AssertionError(f"a float: {text}")

    text = core_json(load(write(tmp_path)))
    assert json.loads(text, parse_float=refuse)["deployment"] == "t"


def test_the_symbol_map_is_written_out_in_full(tmp_path: Path) -> None:
    """Identity where the file is silent, the mapping where it speaks, absence where the follower cannot."""
    text = changed(
        'account = "F1"\n', 'account = "F1"\nsymbols = { "EUR/USD" = "EURUSD", XAU = "GOLD" }\n'
    ).replace(
        'k = "0.5" }\n',
        'k = "0.5" }\nsymbol_map = { EURUSD = { instrument = "GOLD", qty_factor = "0.5" } }\n',
    )
    core = core_config(load(write(tmp_path, text)))
    assert core["subscriptions"][0]["symbol_map"] == {
        "EURUSD": {"instrument": "GOLD", "qty_factor": "0.5", "price_factor": "1"},
        "GOLD": {"instrument": "GOLD", "qty_factor": "1", "price_factor": "1"},
    }
    assert core["followers"][0]["symbols"] == {"EUR/USD": "EURUSD", "XAU": "GOLD"}
    assert core["followers"][1]["symbols"] == {"EURUSD": "EURUSD", "GOLD": "GOLD"}

    only_gold = changed('account = "F1"\n', 'account = "F1"\nsymbols = { XAU = "GOLD" }\n')
    core = core_config(load(write(tmp_path, only_gold)))
    assert list(core["subscriptions"][0]["symbol_map"]) == ["GOLD"]


def test_the_tighter_limit_of_all_scopes_wins(tmp_path: Path) -> None:
    """Global, leader and subscription bounds are folded; an instrument's own entry cannot loosen them."""
    text = changed(
        'follower = "f1"\n',
        "limits = { max_order_qty_lots = 3, instruments = { GOLD = { max_order_qty_lots = 9 } } }\n"
        'follower = "f1"\n',
    )
    text += (
        "\n[limits]\nmax_order_qty_lots = 5\nmax_order_value = 9000\n"
        'max_position_lots = 20\non_breach = "clip"\n'
        "[leaders.alpha.limits]\nmax_order_value = 5000\nmax_position_lots = 10\n"
        '[leaders.alpha.limits.instruments.EURUSD]\nmax_position_lots = 2\non_breach = "refuse"\n'
        "[followers.f1.limits]\nmax_position_lots = 30\n"
    )
    core = core_config(load(write(tmp_path, text)))
    both: dict[str, Any] = {
        "max_order_qty_lots": "3",
        "max_order_value": "5000",
        "price_collar_bps": None,
        "price_windows": [],
    }
    assert core["subscriptions"][0]["limits"] == {
        "totals": {"max_open_orders": None, "max_exposure": None, "max_leverage": None},
        "default": {**both, "max_position_lots": "10", "on_breach": "clip"},
        "instruments": {
            "EURUSD": {**both, "max_position_lots": "2", "on_breach": "refuse"},
            "GOLD": {**both, "max_position_lots": "10", "on_breach": "clip"},
        },
    }
    assert core["followers"][0]["limits"]["default"]["max_order_value"] == "9000"
    assert core["followers"][0]["limits"]["default"]["max_position_lots"] == "20"


def test_folding_no_limits_gives_no_limits() -> None:
    """Silence everywhere leaves every bound open and the action unset."""
    folded = fold(LimitsConfig(), LimitsConfig())
    assert limit_of(folded, "X") == LimitSet()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.10", "0.1"),
        (5, "5"),
        ("-0.0", "0"),
        ("1000", "1000"),
        ("+2.50", "2.5"),
        ("0.000000000000000001", None),
    ],
)
def test_decimals_are_kept_exactly_and_written_shortest(text: object, expected: str | None) -> None:
    """Text and integers come out as the core writes them."""
    assert decimal_text(read_decimal(text)) == (expected or text)


def test_a_decimal_of_38_digits_loses_nothing() -> None:
    """Python's default precision of 28 digits must not round what the file says."""
    text = "12345678901234567890.123456789012345678"
    assert decimal_text(read_decimal(text)) == text


def test_a_password_comes_from_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the secret nor its absence is left to chance."""
    secret = tmp_path / "pw"
    secret.write_text("s3cret\n", "utf-8")
    secret.chmod(0o600)
    text = changed('target_comp_id = "LB"\n', 'target_comp_id = "LB"\npassword_file = "pw"\n')
    text = text.replace('target_comp_id = "B1"\n', 'target_comp_id = "B1"\npassword_env = "T_PW"\n')
    monkeypatch.setenv("T_PW", "from-env")
    config = load(write(tmp_path, text))
    assert config.sessions["LEADER"].password(config.folder) == "s3cret"
    assert config.sessions["R1"].password(config.folder) == "from-env"
    assert config.sessions["R2"].password(config.folder) is None
    assert "s3cret" not in core_json(config)
    monkeypatch.delenv("T_PW")
    with pytest.raises(EnvironmentProblem, match="not set"):
        config.sessions["R1"].password(config.folder)
    secret.write_text("", "utf-8")
    with pytest.raises(EnvironmentProblem, match="empty"):
        config.sessions["LEADER"].password(config.folder)


def test_loading_a_bad_file_raises_every_problem_at_once(tmp_path: Path) -> None:
    """The exception carries the problems, and says them all."""
    file = write(tmp_path, changed("port = 9001", "port = 0").replace("k = 1 ", 'k = "0" '))
    with pytest.raises(ConfigProblems) as caught:
        load(file)
    assert {problem.path for problem in caught.value.problems} == {
        "sessions.LEADER.port",
        "subscriptions[1].sizing.k",
    }
    assert caught.value.exit_code == ExitCode.USAGE
    assert "2 problems" in str(caught.value)


def test_sockets_on_tcp_use_the_address_for_other_hosts(tmp_path: Path) -> None:
    """Routes connect to `connect`, the core binds `bind`."""
    core = (
        '[core]\nbind = "tcp://0.0.0.0:7001"\nconnect = "tcp://core.example:7001"\nobservers = "ipc"\n'
        'public_key_file = "k"\nsecret_key_file = "k"\n'
    )
    keys = 'public_key_file = "k"\nsecret_key_file = "k"\n'
    text = GOOD.replace('session = "R1"\n', f'session = "R1"\n{keys}').replace(
        'session = "R2"\n', f'session = "R2"\n{keys}'
    )
    config = load(write(tmp_path, text + core))
    assert config.core_bind() == "tcp://0.0.0.0:7001"
    assert config.core_connect() == "tcp://core.example:7001"
    assert config.observers_bind() == f"ipc://{config.state_dir}/run/observers.ipc"


def test_every_key_is_documented() -> None:
    """Public means documented: each key of the schema says what it means."""
    definitions = schema()["$defs"]
    silent = [
        f"{name}.{key}"
        for name, definition in [*definitions.items(), ("GatewayConfig", schema())]
        for key, field in definition.get("properties", {}).items()
        if not field.get("description")
    ]
    assert silent == []


def test_the_schema_refuses_unknown_keys() -> None:
    """Editors mark what `check` would refuse."""
    assert schema()["additionalProperties"] is False
    assert schema()["$defs"]["SessionConfig"]["additionalProperties"] is False
    assert issubclass(GatewayConfig, BaseModel)


def test_lines_are_found_behind_every_shape_of_toml() -> None:
    """Dotted and quoted keys, arrays over lines, long strings, comments with brackets, arrays of tables."""
    text = (
        "# [a] = 1\n"
        'x."y.z" = 1 # [b]\n'
        "list = [\n  1, # ]\n  '''\nk = 2\n''',\n]\n"
        '[a."b c"]\n'
        'long = """\nq = 1 \\"\\"\\" ["""\n'
        "d.e = { f = 1 }\n"
        "[[t]]\nk = 1\n[t.sub]\nk = 2\n[[t]]\nk = 3\n[t.sub]\nk = 4\n"
    )
    index = LineIndex(text)
    assert index.line(("x", "y.z")) == 2
    assert index.line(("list", 0)) == 3
    assert index.line(("a", "b c", "long")) == 10
    assert index.line(("a", "b c", "d", "e", "f")) == 12
    assert index.line(("t", 0, "k")) == 14
    assert index.line(("t", 0, "sub", "k")) == 16
    assert index.line(("t", 1, "k")) == 18
    assert index.line(("t", 1, "sub", "k")) == 20
    assert index.line(("nowhere",)) == 1
    assert dotted(("t", 1, "sub", "k")) == "t[1].sub.k"


def test_a_large_deployment_is_checked_in_seconds(tmp_path: Path) -> None:
    """2,000 followers: no rule compares everybody with everybody."""
    head, _, _ = GOOD.partition("[followers.f1]")
    rows = [
        f'[followers.f{n}]\nroute = "r{1 + n % 2}"\naccount = "A{n}"\ncurrency = "USD"\n'
        f'[[subscriptions]]\nfollower = "f{n}"\nleader = "alpha"\n'
        'sizing = { mode = "fixed", lots = "0.1" }\n'
        "limits.instruments.GOLD.max_position_lots = 3\n"
        for n in range(2_000)
    ]
    before = os.times()
    config = load(write(tmp_path, head + "".join(rows)))
    after = os.times()
    assert len(core_config(config)["subscriptions"]) == 2_000
    # Processor time, so that a busy machine does not matter; quadratic rules take minutes.
    assert after.user + after.system - before.user - before.system < 20
    assert config.subscriptions[0].max_inflation == Decimal(3)


def test_one_mistake_in_a_subscription_does_not_hide_another(tmp_path: Path) -> None:
    """A ratio without its bound, in an account without a currency: both are said at once."""
    text = changed("max_ratio = 10\n", "")
    text = text.replace('account = "F2"\ncurrency = "USD"', 'account = "F2"')
    assert 'account = "F2"\n' in text
    problems = problems_of(tmp_path, text)
    assert find(problems, "subscriptions[1].max_ratio", "max_ratio is mandatory")
    assert find(problems, "followers.f2.currency", "sizing equity")
