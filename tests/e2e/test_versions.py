"""Our own dialect in every version of FIX: a leader and two brokers trade, and their books agree."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.trading import started

PROFILES = Path(__file__).parents[2] / "fix_specs" / "profiles"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("begin_string", "profile"),
    [("FIX.4.2", "copygate42"), ("FIX.4.3", "own"), ("FIXT.1.1", "copygate50sp2")],
)
def test_our_dialect_trades_in_every_version(tmp_path: Path, begin_string: str, profile: str) -> None:
    """4.4 is every other test's. No profile ships for 4.3: a desk writes its own, from that of 4.4."""
    (tmp_path / "profiles").mkdir()
    own = (PROFILES / "copygate44.toml").read_text("utf-8").replace("FIX.4.4", "FIX.4.3")
    (tmp_path / "profiles" / "own.toml").write_text(own, "utf-8")

    def change(text: str) -> str:
        text = text.replace("[gateway]\n", '[gateway]\nprofiles_dir = "profiles"\n')
        return text.replace("FIX.4.4", begin_string).replace("copygate44", profile)

    with started(tmp_path, 3, 2, change, begin_string) as run:
        run.traded(10)
        run.finish()
        verdict = run.verdict()
        assert verdict.good, verdict.reasons
