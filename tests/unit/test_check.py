"""`check` reports every problem with file, line, path, value, bound and hint."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.check import effective_table
from gateway.config import examine
from gateway.errors import Problem
from tests.unit.config_mistakes import BAD_VALUES
from tests.unit.config_text import GOOD, changed, find, line_of, problems_of, write


@pytest.mark.parametrize(("old", "new", "path", "words"), BAD_VALUES, ids=lambda value: str(value)[:40])
def test_each_bad_value_is_an_error_at_its_place(
    tmp_path: Path, old: str, new: str, path: str, words: str
) -> None:
    """One mistake gives an error with the path, and words that say what to do, on one line."""
    config, problems = examine(write(tmp_path, changed(old, new)))
    assert config is None
    problem = find(problems, path, words)
    assert problem.severity == "error"
    assert "\n" not in problem.text()
    assert problem.file == str(tmp_path / "gateway.toml")
    assert problem.line >= 1


BETA = """
[leaders.beta]
session = "LEADER"
account = "L2"
currency = "USD"
assume_flat = true
follower = "f1"
"""


def test_a_valid_deployment_has_no_problems(tmp_path: Path) -> None:
    """The text that all mistakes start from is itself without one."""
    assert problems_of(tmp_path, GOOD) == []


def test_all_problems_come_at_once_with_their_lines(tmp_path: Path) -> None:
    """Form, references and lots are reported together, in the order of the file."""
    text = (
        changed("port = 9002", "port = 0")
        .replace('route = "r2"', 'route = "r3"')
        .replace('min_lot = "0.1"', 'min_lot = "0.25"')
        .replace("max_ratio = 10", "max_ratio = 10\nmax_raito = 3")
    )
    problems = [problem for problem in problems_of(tmp_path, text) if problem.severity == "error"]
    assert [(problem.path, problem.line) for problem in problems] == [
        ("instruments.GOLD.min_lot", line_of(text, 'min_lot = "0.25"')),
        ("sessions.R1.port", line_of(text, "port = 0")),
        ("followers.f2.route", line_of(text, 'route = "r3"')),
        ("subscriptions[1].max_raito", line_of(text, "max_raito")),
    ]


def test_a_broken_section_does_not_make_references_to_it_dangle(tmp_path: Path) -> None:
    """One mistake gives one message: a name exists even when its section is wrong."""
    problems = problems_of(tmp_path, changed("port = 9002", "port = 0"))
    assert [problem.path for problem in problems if problem.severity == "error"] == ["sessions.R1.port"]


def test_a_problem_reads_as_file_line_path_value_bound_and_hint(tmp_path: Path) -> None:
    """The message has everything needed to mend it without opening the manual."""
    text = changed("port = 9001", "port = 0")
    problem = find(problems_of(tmp_path, text), "sessions.LEADER.port")
    line = line_of(text, "port = 0")
    assert problem.text() == (
        f"{tmp_path / 'gateway.toml'}:{line}: error: sessions.LEADER.port: too small: must be >= 1, got 0. "
        "TCP port, 1..65535."
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[gateway\n", 1),
        ('[gateway]\ndeployment = "a"\ndeployment = "b"\n', 3),
        ("[a]\nb = \n", 2),
        ("x = [1,\n", 1),
    ],
)
def test_malformed_toml_is_reported_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    """A file that is not TOML is one clear problem."""
    problems = problems_of(tmp_path, text)
    assert len(problems) == 1
    assert "not TOML" in problems[0].message
    assert problems[0].line == line


def test_a_missing_binary_or_empty_file_is_a_problem_not_a_traceback(tmp_path: Path) -> None:
    """Whatever the path leads to, the answer is a message."""
    assert "cannot be read" in examine(tmp_path / "none.toml")[1][0].message
    assert "cannot be read" in examine(tmp_path)[1][0].message
    (tmp_path / "b.toml").write_bytes(b"[gateway]\nx = \xff\xfe\n")
    problem = examine(tmp_path / "b.toml")[1][0]
    assert ("UTF-8" in problem.message, problem.line) == (True, 2)
    (tmp_path / "bom.toml").write_bytes(b"\xef\xbb\xbf[gateway]\n")
    (problem,) = examine(tmp_path / "bom.toml")[1]
    assert ("begins with a byte order mark" in problem.message, problem.line) == (True, 1)
    assert "UTF-8 without BOM" in problem.hint
    paths = {problem.path for problem in problems_of(tmp_path, "")}
    assert paths >= {"gateway", "sessions", "leaders", "routes", "followers", "instruments", "subscriptions"}


@pytest.mark.parametrize("section", ["gateway", "sessions", "leaders", "subscriptions", "limits", "core"])
@pytest.mark.parametrize("value", ["1", '"text"', "[]", "[1]", "{ x = 1 }"])
def test_a_section_of_the_wrong_shape_is_a_problem(tmp_path: Path, section: str, value: str) -> None:
    """A number where a section belongs does not crash the reader."""
    config, problems = examine(write(tmp_path, f"{section} = {value}\n"))
    assert config is None
    assert any(problem.path.startswith(section) for problem in problems)


def test_two_followers_on_one_account_are_refused_even_over_two_routes(tmp_path: Path) -> None:
    """An account belongs to a broker, whichever session leads there."""
    text = changed('account = "F2"', 'account = "F1"').replace(
        'target_comp_id = "B2"', 'target_comp_id = "B1"'
    )
    text = text.replace(
        'sender_comp_id = "CG"\ntarget_comp_id = "B1"', 'sender_comp_id = "CH"\ntarget_comp_id = "B1"', 1
    )
    problem = find(problems_of(tmp_path, text), "followers.f2.account", "two followers on one account")
    assert problem.value == "F1"


def test_the_same_account_text_at_two_brokers_is_two_accounts(tmp_path: Path) -> None:
    """Text alone does not make two accounts one."""
    assert problems_of(tmp_path, changed('account = "F2"', 'account = "F1"')) == []


def test_a_mapping_to_what_a_side_does_not_trade_is_refused(tmp_path: Path) -> None:
    """An instrument that exists is not enough: the leader must send it, the follower must have a symbol."""
    text = changed('account = "F1"', 'account = "F1"\nsymbols = { E = "EURUSD" }')
    text = text.replace('account = "L1"', 'account = "L1"\nsymbols = { E = "EURUSD" }')
    mapped = text.replace('k = "0.5" }', 'k = "0.5" }\nsymbol_map = { EURUSD = { instrument = "GOLD" } }')
    path = "subscriptions[0].symbol_map.EURUSD.instrument"
    assert "follower f1 has no symbol" in find(problems_of(tmp_path, mapped), path).message
    mapped = text.replace('k = "0.5" }', 'k = "0.5" }\nsymbol_map = { GOLD = { instrument = "EURUSD" } }')
    path = "subscriptions[0].symbol_map.GOLD"
    assert "leader alpha has no such instrument" in find(problems_of(tmp_path, mapped), path).message


def test_equal_comp_ids_are_refused(tmp_path: Path) -> None:
    """A FIX engine cannot tell the two sessions apart."""
    text = changed('target_comp_id = "B2"', 'target_comp_id = "B1"')
    assert "the same BeginString" in find(problems_of(tmp_path, text), "sessions.R2.sender_comp_id").message


def test_two_processes_on_one_port_are_refused(tmp_path: Path) -> None:
    """Also when one of them listens on every address; an initiator's port is not ours."""
    text = changed("port = 9003", "port = 9002").replace(
        'host = "127.0.0.1"\nport = 9002', 'host = "0.0.0.0"\nport = 9002', 1
    )
    assert "also listened on" in find(problems_of(tmp_path, text), "sessions.R2.port").message
    assert problems_of(tmp_path, changed("port = 9001", "port = 9002")) == []


def test_leaders_that_share_a_session_need_accounts(tmp_path: Path) -> None:
    """Otherwise nobody knows whose report it is."""
    text = GOOD + '\n[leaders.beta]\nsession = "LEADER"\nassume_flat = true\n'
    assert "is shared" in find(problems_of(tmp_path, text), "leaders.beta.account").message
    text = GOOD + '\n[leaders.beta]\nsession = "LEADER"\naccount = "L1"\nassume_flat = true\n'
    assert "two leaders on one account" in find(problems_of(tmp_path, text), "leaders.beta.account").message


def test_a_leader_alone_on_its_session_needs_no_account(tmp_path: Path) -> None:
    """Every report of the session is this leader's; some venues name no account at all."""
    assert problems_of(tmp_path, changed('account = "L1"\n', "")) == []


def test_a_copy_that_comes_back_is_refused(tmp_path: Path) -> None:
    """A leader that is a follower's account closes a circle, over one step or over two."""
    text = changed('account = "L1"', 'account = "L1"\nfollower = "f2"')
    assert "alpha → alpha" in find(problems_of(tmp_path, text), "subscriptions[1]", "in a circle").message
    chain = changed('account = "L1"', 'account = "L1"\nfollower = "f2"').replace(
        'follower = "f2"\nleader = "alpha"', 'follower = "f2"\nleader = "beta"'
    )
    chain += BETA
    assert any("in a circle" in problem.message for problem in problems_of(tmp_path, chain))


def test_a_circle_is_seen_without_being_told_when_broker_and_account_are_the_same(tmp_path: Path) -> None:
    """The leader's account at the follower's broker is the follower's account."""
    text = changed('account = "L1"', 'account = "F1"').replace(
        'target_comp_id = "LB"', 'target_comp_id = "B1"'
    )
    text = text.replace('sender_comp_id = "CG"', 'sender_comp_id = "CGL"', 1)
    assert "in a circle" in find(problems_of(tmp_path, text), "subscriptions[0]").message


def test_a_chain_of_copies_is_allowed(tmp_path: Path) -> None:
    """A follower may be copied in turn, as long as nothing comes back."""
    text = changed('follower = "f2"\nleader = "alpha"', 'follower = "f2"\nleader = "beta"')
    text += BETA
    assert problems_of(tmp_path, text) == []


def test_a_long_chain_and_its_circle_are_followed_to_the_end(tmp_path: Path) -> None:
    """900 leaders in a row: no depth of recursion limits what is checked."""
    head, _, _ = GOOD.partition("[leaders.alpha]")
    parts = [head, '[routes.r1]\nsession = "R1"\n']
    for n in range(900):
        parts.append(
            f'[leaders.l{n}]\nsession = "LEADER"\naccount = "L{n}"\nassume_flat = true\nfollower = "f{n}"\n'
            f'[followers.f{n}]\nroute = "r1"\naccount = "F{n}"\n'
            f'[[subscriptions]]\nfollower = "f{n}"\nleader = "l{(n + 1) % 900}"\n'
            'sizing = { mode = "multiplier", k = 1 }\n'
        )
    problems = [problem for problem in problems_of(tmp_path, "".join(parts)) if problem.severity == "error"]
    assert len(problems) == 1
    assert "in a circle" in problems[0].message


def test_a_pair_that_is_copied_twice_by_accident_is_refused(tmp_path: Path) -> None:
    """The same name, or another name with the same filters."""
    again = (
        '\n[[subscriptions]]\nfollower = "f1"\nleader = "alpha"\nsizing = { mode = "percent", percent = 5 }\n'
    )
    assert "the same name" in find(problems_of(tmp_path, GOOD + again), "subscriptions[2]").message
    named = again + 'name = "second"\n'
    assert "copies the same leader" in find(problems_of(tmp_path, GOOD + named), "subscriptions[2]").message
    assert problems_of(tmp_path, GOOD + named + 'filters = { instruments = ["GOLD"] }\n') == []


@pytest.mark.parametrize("first", [True, False])
def test_who_left_may_come_back_under_another_name(tmp_path: Path, first: bool) -> None:
    """The subscription that left stays in the file, before or behind the new one; it opens nothing."""
    left = '\nname = "old"\nleaving = "close_with_leader"\n'
    old, new = (left, '\nname = "new"\n') if first else ('\nname = "new"\n', left)
    pair = (
        '\n[[subscriptions]]\nfollower = "f1"\nleader = "alpha"\nsizing = { mode = "percent", percent = 5 }'
    )
    text = GOOD.replace(
        'sizing = { mode = "multiplier", k = "0.5" }', f'sizing = {{ mode = "percent", percent = 5 }}{old}'
    )
    config, problems = examine(write(tmp_path, text + pair + new))
    assert config is not None, problems
    notes = {row.subscription: row.note for row in effective_table(config)}
    assert "leaves by close_with_leader" in notes["old"]
    assert "leaves" not in notes["new"]


@pytest.mark.parametrize(
    ("old", "new", "path", "words"),
    [
        ("assume_flat = true\n", "", "leaders.alpha", "position report"),
        ("[routes.r1]", '[routes.r9]\nsession = "R9"\n[routes.r1]', "routes.r9", "no follower uses"),
        ('"multiplier", k = "0.5"', '"fixed", lots = "0.015"', "subscriptions[0].sizing.lots", "residue"),
        ('account = "F1"', 'account = "F1"\nsymbols = { G = "GOLD" }', "subscriptions[0]", "not copied"),
        ("port = 9001", 'port = 9001\npassword_env = "T_NO"', "sessions.LEADER.password_env", "not set here"),
    ],
)  # fmt: skip
def test_doubtful_but_possible_things_are_warnings(
    tmp_path: Path, old: str, new: str, path: str, words: str
) -> None:
    """A warning is printed and does not stop the gateway."""
    text = changed(old, new)
    if 'session = "R9"' in text:
        text += (
            '\n[sessions.R9]\nrole = "initiator"\nbegin_string = "FIX.4.4"\nsender_comp_id = "CG"\n'
            'target_comp_id = "B9"\nhost = "h"\nport = 1\nprofile = "plain"\n'
        )
    config, problems = examine(write(tmp_path, text))
    assert config is not None, [problem.text() for problem in problems]
    assert [problem.severity for problem in problems] == ["warning"]
    find(problems, path, words)


def test_a_secret_that_others_can_read_is_a_warning(tmp_path: Path) -> None:
    """The hint is the command that mends it."""
    (tmp_path / "pw").write_text("x", "utf-8")
    (tmp_path / "pw").chmod(0o644)
    text = changed("port = 9001", 'port = 9001\npassword_file = "pw"')
    assert "chmod 600" in find(problems_of(tmp_path, text), "sessions.LEADER.password_file").hint


def test_an_unreadable_profile_is_a_problem_of_the_sessions_that_use_it(tmp_path: Path) -> None:
    """A profile with a mistake of its own is named."""
    file = write(tmp_path)
    (tmp_path / "profiles" / "plain.toml").write_text("x = [", "utf-8")
    assert "plain.toml cannot be read" in find(examine(file)[1], "sessions.LEADER.profile").message


def problems_with(folder: Path, profile: str, text: str) -> list[Problem]:
    """Every problem of a deployment whose venue profile has further lines."""
    file = write(folder, text)
    with (folder / "profiles" / "plain.toml").open("a", encoding="utf-8") as stream:
        stream.write(profile)
    return examine(file)[1]


def test_a_hedging_follower_needs_the_tag_that_names_positions(tmp_path: Path) -> None:
    """A close without a name would open a second position; nothing guesses where the name goes."""
    hedging = 'position_model = "hedging"\n'
    found = find(problems_with(tmp_path, hedging, GOOD), "followers.f1", "which tag names them")
    assert (found.severity, "position_id_tag" in found.hint) == ("error", True)
    named = problems_with(tmp_path, "position_id_tag = 721\nclose_position_id_tag = 9041\n", GOOD)
    assert not [one for one in named if one.path.startswith("followers")], named


def test_orders_are_not_mirrored_into_a_hedging_account(tmp_path: Path) -> None:
    """A protective stop rests there before its position has a name."""
    hedging = 'position_model = "hedging"\nposition_id_tag = 721\n'
    text = changed('k = "0.5" }', 'k = "0.5" }\ncopy = "orders"')
    found = find(problems_with(tmp_path, hedging, text), "subscriptions[0].copy", "would open a second one")
    assert found.severity == "error"
    fills = examine(write(tmp_path, GOOD))[1]
    assert not [one for one in fills if one.path == "subscriptions[0].copy"], fills


def test_a_follower_at_a_venue_of_numeric_order_ids_is_refused(tmp_path: Path) -> None:
    """Our ClOrdIDs have letters: each order would come back, closes too."""
    problems = problems_with(tmp_path, '[cl_ord_id]\nmax_len = 13\ncharset = "digits"\n', GOOD)
    assert find(problems, "followers.f1", "digits only").severity == "error"


def test_a_venue_that_is_not_known_to_take_our_closes_is_a_warning(tmp_path: Path) -> None:
    """Closes are market orders, or limit orders that fill at once; a limit order that rests is neither."""
    file = write(tmp_path, changed('k = "0.5" }', 'k = "0.5" }\norder_type = "limit"'))
    profile = tmp_path / "profiles" / "plain.toml"
    limits = profile.read_text(encoding="utf-8").replace('"market"', '"limit"')
    profile.write_text(limits + 'tifs = ["day"]\n', encoding="utf-8")
    assert find(examine(file)[1], "followers.f1", "closes are market orders").severity == "warning"
    for tifs in ("", 'tifs = ["ioc"]\n', 'tifs = ["day", "fok"]\n'):
        profile.write_text(limits + tifs, encoding="utf-8")
        assert not [problem for problem in examine(file)[1] if "closes are" in problem.message], tifs


def test_one_mistake_does_not_hide_another_of_the_same_section(tmp_path: Path) -> None:
    """A section that cannot be read has its names looked up all the same."""
    text = changed('k = "0.5" }', 'k = "half" }').replace('leader = "alpha"', 'leader = "alfa"', 1)
    problems = problems_of(tmp_path, text)
    assert "decimal" in find(problems, "subscriptions[0].sizing.k").message
    assert find(problems, "subscriptions[0].leader", "names nothing").severity == "error"
    text = changed("port = 9002", "port = 0").replace(
        'session = "LEADER"\n', 'session = "LEDER"\nodd = 1\n', 1
    )
    problems = problems_of(tmp_path, text)
    assert "unknown key" in find(problems, "leaders.alpha.odd").message
    assert find(problems, "leaders.alpha.session", "names nothing").severity == "error"


def test_limit_orders_at_a_venue_without_ioc_are_refused(tmp_path: Path) -> None:
    """Every open would come back; market orders are no matter of time in force."""
    limit = changed('k = "0.5" }', 'k = "0.5" }\norder_type = "limit"')
    problems = problems_with(tmp_path, 'tifs = ["day", "fok"]\n', limit)
    assert find(problems, "subscriptions[0].order_type", "IOC").severity == "error"
    file = write(tmp_path, GOOD)
    profile = tmp_path / "profiles" / "plain.toml"
    profile.write_text(profile.read_text(encoding="utf-8") + 'tifs = ["day"]\n', encoding="utf-8")
    assert not [problem for problem in examine(file)[1] if "IOC" in problem.message]


def test_a_hedging_leader_waits_for_an_answer_of_all_his_positions(tmp_path: Path) -> None:
    """His reports are one for each position: where the venue answers for none, waiting would be for ever."""
    text = changed("assume_flat = true\n", "")
    start = "nothing says what this account holds"
    waits = find(problems_of(tmp_path, text), "leaders.alpha", start)
    assert "Opens wait for a position report" in waits.hint
    hedging = 'position_model = "hedging"\nposition_id_tag = 721\n'
    told = find(problems_with(tmp_path, hedging, text), "leaders.alpha", start)
    assert "not known to answer for all of them" in told.hint
    answers = find(
        problems_with(tmp_path, hedging + "[supports]\npositions = true\n", text), "leaders.alpha", start
    )
    assert "Opens wait for a position report" in answers.hint


def test_a_hedging_leader_whose_profile_says_no_tag_is_a_warning(tmp_path: Path) -> None:
    """His net is copied all the same: the tag of another venue would name what are no positions."""
    told = find(problems_with(tmp_path, 'position_model = "hedging"\n', GOOD), "leaders.alpha", "721 is read")
    assert (told.severity, "copied all the same" in told.hint) == ("warning", True)
    named = problems_with(tmp_path, "position_id_tag = 9041\n", GOOD)
    assert not [one for one in named if one.path == "leaders.alpha"], named


@pytest.mark.parametrize("leader", ["netting", "hedging"])
@pytest.mark.parametrize("follower", ["netting", "hedging"])
@pytest.mark.parametrize("copied", ["fills", "orders"])
def test_every_pairing_works_or_is_refused(tmp_path: Path, leader: str, follower: str, copied: str) -> None:
    """The table of docs/explanation/copying.md: only mirrored orders into a hedging account are refused."""
    text = changed('k = "0.5" }', f'k = "0.5" }}\ncopy = "{copied}"')
    text = text.replace('profile = "plain"', 'profile = "leaders"', 1)
    file = write(tmp_path, text)
    keys = 'begin_string = "FIX.4.4"\norder_types = ["market", "limit", "stop"]\nposition_id_tag = 721\n'
    for name, model in (("leaders", leader), ("plain", follower)):
        mine = f'{keys}position_model = "{model}"\n'
        (tmp_path / "profiles" / f"{name}.toml").write_text(mine, encoding="utf-8")
    errors = [one.path for one in examine(file)[1] if one.severity == "error"]
    refused = follower == "hedging" and copied == "orders"
    assert errors == (["subscriptions[0].copy"] if refused else []), errors
