"""The configuration: read it, check it, or print its schema. Everything others need is exported here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gateway.config_core import core_config, core_json
from gateway.config_model import (
    FollowerConfig,
    GatewayConfig,
    InstrumentConfig,
    LeaderConfig,
    RouteConfig,
    SubscriptionConfig,
)
from gateway.config_read import read
from gateway.config_rules import apply_rules
from gateway.config_sections import CoreSection, GatewaySection, SessionConfig, TimingSection
from gateway.errors import ConfigProblems, Problem

__all__ = [
    "ConfigProblems",
    "CoreSection",
    "FollowerConfig",
    "GatewayConfig",
    "GatewaySection",
    "InstrumentConfig",
    "LeaderConfig",
    "Problem",
    "RouteConfig",
    "SessionConfig",
    "SubscriptionConfig",
    "TimingSection",
    "core_config",
    "core_json",
    "examine",
    "load",
    "schema",
    "without_followers",
]


def examine(path: Path) -> tuple[GatewayConfig | None, list[Problem]]:
    """Every problem of a file in the order of its lines, and the configuration when none is an error.

    The last word has the core: its engine is built from what the file becomes, as at a start."""
    draft = read(path)
    apply_rules(draft)
    problems = sorted(draft.problems, key=lambda problem: (problem.line, problem.path))
    if any(problem.severity == "error" for problem in problems):
        return None, problems
    config = GatewayConfig.model_validate(draft.raw)
    used = {session.profile for session in config.sessions.values()}
    config.attach(draft.file, {name: draft.profiles[name] for name in sorted(used)})
    refused = _refused_by_core(config, draft.file)
    problems += refused
    return (None if any(problem.severity == "error" for problem in refused) else config), problems


def _refused_by_core(config: GatewayConfig, file: Path) -> list[Problem]:
    """What the core says when its engine is built; a warning where no core is built that could say it."""
    try:
        # `check` starts at once, and works where nothing is built.
        from gateway._fastcore import ConfigError, prove_config
    except ImportError:
        hint = "Build it with `make build`."
        return [
            Problem(
                str(file), 1, "", "the core was not asked: it is not built, or older", "", "", hint, "warning"
            )
        ]
    try:
        prove_config(core_json(config))
    except ConfigError as error:
        hint = "It is right by every rule of `check`, which should know this one: please report it."
        return [Problem(str(file), 1, "", f"the core refuses it: {error}", hint=hint)]
    return []


def load(path: Path) -> GatewayConfig:
    """Reads and checks a deployment.

    Raises `ConfigProblems` with every problem when one of them is an error.
    """
    config, problems = examine(path)
    if config is None:
        raise ConfigProblems([problem for problem in problems if problem.severity == "error"])
    return config


def without_followers(config: GatewayConfig) -> GatewayConfig:
    """All that a supervisor, a route or a running core needs; 10,000 followers would take 50 MB in each."""
    return config.model_copy(update={"followers": {}, "subscriptions": ()})


def schema() -> dict[str, Any]:
    """The JSON schema of the file, for editors."""
    result = GatewayConfig.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **result}
