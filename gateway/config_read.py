"""Reads a configuration file into a draft: every part that is valid, and every problem of the rest."""

from __future__ import annotations

import re
import tomllib
import types
from codecs import BOM_UTF8
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from gateway import resources
from gateway.config_alerts import AlertsSection
from gateway.config_guards import GuardsConfig
from gateway.config_limits import ClockSection, LimitsConfig, MessagesConfig
from gateway.config_model import (
    FollowerConfig,
    GatewayConfig,
    InstrumentConfig,
    LeaderConfig,
    RouteConfig,
    SubscriptionConfig,
)
from gateway.config_sections import (
    CoreSection,
    FaultsSection,
    GatewaySection,
    ReconcileSection,
    SessionConfig,
    TimingSection,
)
from gateway.config_together import TogetherConfig
from gateway.config_types import NAME_PATTERN
from gateway.config_watch import WatchSection
from gateway.config_words import bound_of, hint_of, message_of, not_toml_hint, value_of
from gateway.errors import OperatingError, Problem, Severity, shown
from gateway.hints import CHOICE_CUTOFF, did_you_mean, nearest
from gateway.toml_lines import Key, LineIndex, dotted

FILE_BYTES_MAX = 32 * 1024 * 1024
"""A configuration of 20,000 followers is about 8 MB; more is some other file."""
M = TypeVar("M", bound=BaseModel)

SECRET_HINT = "Secrets never stand in the TOML: use password_file or password_env."
TAGS = {"mode": "sizing mode", "rule": "guard", "kind": "kind of sink"}
"""Keys that tell what a part is, with their words."""
_HINTS = {"password": SECRET_HINT, "passwd": SECRET_HINT, "secret": SECRET_HINT, "secret_key": SECRET_HINT,
          "token": "Secrets never stand in the TOML: use token_file or token_env."}  # fmt: skip


@dataclass
class Draft:
    """What could be read. `names` lists all sections written, valid or not, so that references resolve."""

    file: Path
    lines: LineIndex
    raw: dict[str, Any]
    gateway: GatewaySection | None = None
    timing: TimingSection | None = None
    faults: FaultsSection | None = None
    reconcile: ReconcileSection | None = None
    core: CoreSection | None = None
    watch: WatchSection | None = None
    limits: LimitsConfig | None = None
    together: TogetherConfig | None = None
    guards: GuardsConfig | None = None
    messages: MessagesConfig | None = None
    clock: ClockSection | None = None
    alerts: AlertsSection | None = None
    sessions: dict[str, SessionConfig] = field(default_factory=dict)
    leaders: dict[str, LeaderConfig] = field(default_factory=dict)
    routes: dict[str, RouteConfig] = field(default_factory=dict)
    followers: dict[str, FollowerConfig] = field(default_factory=dict)
    instruments: dict[str, InstrumentConfig] = field(default_factory=dict)
    subscriptions: dict[int, SubscriptionConfig] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def text_of(self, path: Iterable[Key]) -> str | None:
        """A text as the file has it, also in a section that has a mistake; None where there is none."""
        found: Any = self.raw
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        return found if isinstance(found, str) else None

    def named_by(self, section: str, key: str) -> list[str]:
        """What the parts of a section name by a key, also those that have a mistake."""
        table = self.raw.get(section)
        found = [self.text_of((section, name, key)) for name in (table if isinstance(table, dict) else ())]
        return [name for name in found if name is not None]

    def report(
        self,
        path: Iterable[Key],
        message: str,
        *,
        value: object = None,
        bound: str = "",
        hint: str = "",
        severity: Severity = "error",
    ) -> None:
        """Adds a problem at a path of the file."""
        where = tuple(path)
        self.problems.append(
            Problem(
                file=str(self.file),
                line=self.lines.line(where),
                path=dotted(where),
                message=message,
                value="" if value is None else shown(value),
                bound=bound,
                hint=hint,
                severity=severity,
            )
        )


def read(file: Path) -> Draft:
    """Reads the file; never raises for what is wrong in it."""
    file = file.absolute()
    draft = Draft(file=file, lines=LineIndex(""), raw={})
    text = _text(draft)
    if text is None:
        return draft
    try:
        draft.raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        _malformed(draft, str(error))
        return draft
    except RecursionError:
        draft.report((), "not TOML: brackets are nested too deeply", hint="Write values flat.")
        return draft
    draft.lines = LineIndex(text)
    _sections(draft)
    _profiles(draft)
    return draft


def _text(draft: Draft) -> str | None:
    try:
        with draft.file.open("rb") as stream:
            data = stream.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        hint = "Name an existing file; `copygate init DIR` writes one to start from."
        draft.report((), f"the file cannot be read: {error.strerror}", hint=hint)
        return None
    if len(data) > FILE_BYTES_MAX:
        draft.report((), "the file is too long", bound=f"at most {FILE_BYTES_MAX} bytes")
        return None
    if data.startswith(BOM_UTF8):
        # TOML 1.0 allows none, and its reader would point at a first line that looks right.
        message = "the file begins with a byte order mark (BOM), which TOML does not allow"
        hint = "Save the file as UTF-8 without BOM; editors offer it beside plain UTF-8."
        draft.problems.append(Problem(str(draft.file), 1, "", message, hint=hint))
        return None
    try:
        return data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        draft.lines = LineIndex("")
        line = data.count(b"\n", 0, error.start) + 1
        message = f"line {line} is not UTF-8 text"
        draft.problems.append(Problem(str(draft.file), line, "", message, hint="Save the file as UTF-8."))
        return None


def _malformed(draft: Draft, message: str) -> None:
    found = re.search(r"\(at line (\d+), column (\d+)\)", message)
    lines = draft.file.read_text("utf-8").rstrip("\n").split("\n")
    line = int(found.group(1)) if found else len(lines)
    hint = not_toml_hint(message, lines[line - 1] if line <= len(lines) else "")
    draft.problems.append(Problem(str(draft.file), line, "", f"not TOML: {message}", hint=hint))


def _sections(draft: Draft) -> None:
    for key in draft.raw:
        if key not in GatewayConfig.model_fields:
            draft.report((key,), "unknown key", hint=_belongs(key))
    draft.gateway = _part(draft, ("gateway",), GatewaySection, required=True)
    draft.timing = _part(draft, ("timing",), TimingSection)
    draft.faults = _part(draft, ("faults",), FaultsSection)
    draft.reconcile = _part(draft, ("reconcile",), ReconcileSection)
    draft.core = _part(draft, ("core",), CoreSection)
    draft.watch = _part(draft, ("watch",), WatchSection)
    draft.limits = _part(draft, ("limits",), LimitsConfig)
    if "together" in draft.raw:
        draft.together = _validated(draft, ("together",), TogetherConfig, draft.raw["together"])
    if "guards" in draft.raw:
        draft.guards = _validated(draft, ("guards",), GuardsConfig, draft.raw["guards"])
    if "messages" in draft.raw:
        draft.messages = _validated(draft, ("messages",), MessagesConfig, draft.raw["messages"])
    if "clock" in draft.raw:
        draft.clock = _validated(draft, ("clock",), ClockSection, draft.raw["clock"])
    draft.alerts = _part(draft, ("alerts",), AlertsSection)
    draft.sessions = _parts(draft, "sessions", SessionConfig)
    draft.leaders = _parts(draft, "leaders", LeaderConfig)
    draft.routes = _parts(draft, "routes", RouteConfig)
    draft.followers = _parts(draft, "followers", FollowerConfig)
    draft.instruments = _parts(draft, "instruments", InstrumentConfig, plain_names=False)
    rows = draft.raw.get("subscriptions")
    if not isinstance(rows, list) or not rows:
        hint = "Write at least one [[subscriptions]] section, with double brackets."
        draft.report(("subscriptions",), "nobody copies anybody", hint=hint)
        return
    for number, row in enumerate(rows):
        part = _validated(draft, ("subscriptions", number), SubscriptionConfig, row)
        if part is not None:
            draft.subscriptions[number] = part


def _belongs(key: str) -> str:
    """Where a key without a section may belong."""
    fields = GatewayConfig.model_fields
    near = did_you_mean(key, fields)
    owners = [
        name
        for name, info in fields.items()
        for model in _models(info.annotation)
        if key in _keys(model) and get_origin(info.annotation) not in (dict, tuple)
    ]
    where = " or ".join(f"{owner}.{key}" for owner in owners)
    return f"It belongs into a section: {where}." if where and not near.startswith("Did") else near


def _part(draft: Draft, path: tuple[str], model: type[M], required: bool = False) -> M | None:
    if path[0] not in draft.raw:
        if not required:
            return model()
        draft.report(path, "the section is missing", hint=f"Add [{path[0]}].")
        return None
    return _validated(draft, path, model, draft.raw[path[0]])


def _parts(draft: Draft, section: str, model: type[M], plain_names: bool = True) -> dict[str, M]:
    table = draft.raw.get(section)
    if not isinstance(table, dict) or not table:
        draft.report((section,), "at least one is needed", hint=f"Add a section [{section}.NAME].")
        return {}
    draft.names[section] = list(table)
    parts: dict[str, M] = {}
    limit = next(
        (m.max_length for m in GatewayConfig.model_fields[section].metadata if hasattr(m, "max_length")), None
    )
    if limit is not None and len(table) > limit:
        draft.report((section,), "too many", value=str(len(table)), bound=f"at most {limit}")
    for name, row in table.items():
        if plain_names and not re.match(NAME_PATTERN, name):
            bound = "1..=32 letters, digits, - or _, beginning with a letter or digit"
            draft.report((section, name), "the name cannot be used", value=name, bound=bound)
            continue
        part = _validated(draft, (section, name), model, row)
        if part is not None:
            parts[name] = part
    return parts


def _validated(draft: Draft, path: tuple[Key, ...], model: type[M], raw: object) -> M | None:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            _translate(draft, path, model, raw, details)
        return None


def _translate(
    draft: Draft, prefix: tuple[Key, ...], model: type[BaseModel], raw: object, details: ErrorDetails
) -> None:
    """Turns pydantic's words into ours: what, bound, value, hint."""
    inner = _real_path(details["loc"], raw)
    path, kind, context = prefix + inner, details["type"], details.get("ctx", {})
    if kind == "extra_forbidden":
        key = str(inner[-1])
        hint = _HINTS.get(key) or did_you_mean(key, _fields_at(model, details["loc"][:-1]))
        draft.report(path, "unknown key", hint=hint)
    elif kind == "missing":
        meaning = _meaning(model, details["loc"])
        draft.report(path, "is missing", hint=f"It means: {meaning}" if meaning else "")
    elif kind in ("union_tag_invalid", "union_tag_not_found"):
        tag = str(context.get("discriminator", "'mode'")).strip("'")
        what = TAGS[tag]
        modes = str(context.get("expected_tags", ""))
        value = str(context.get("tag", "nothing"))
        path = (*path, tag) if path[-1] != tag else path
        hint = nearest(value, _words(modes), CHOICE_CUTOFF)
        draft.report(
            path, f"unknown {what}", value=value, bound=f"one of {modes}" if modes else "named", hint=hint
        )
    elif kind == "literal_error":
        expected = str(context.get("expected", ""))
        value = details["input"]
        # The bound lists the choices already: the hint is the nearest one, or what they mean.
        hint = nearest(str(value), _words(expected), CHOICE_CUTOFF) or _meaning(model, details["loc"])
        draft.report(path, "not one of the choices", value=value, bound=expected, hint=hint)
    else:
        meaning = _meaning(model, details["loc"])
        draft.report(
            path,
            message_of(details),
            value=value_of(details),
            bound=bound_of(context, kind),
            hint=hint_of(details, meaning),
        )


def _real_path(loc: tuple[Key, ...], raw: object) -> tuple[Key, ...]:
    """Leaves out what pydantic adds to a path: the tags of unions and its `[key]` mark."""
    path: list[Key] = []
    for number, key in enumerate(loc):
        last = number == len(loc) - 1
        if isinstance(raw, dict):
            if key not in raw and (not last or key == "[key]" or key in map(raw.get, TAGS)):
                continue
            raw = raw.get(key)
        elif isinstance(raw, list) and isinstance(key, int) and key < len(raw):
            raw = raw[key]
        path.append(key)
    return tuple(path)


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The models an annotation can hold, through Optional, unions, containers and Annotated."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) is Annotated:
        return _models(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType, dict, tuple, list):
        return [model for part in get_args(annotation) for model in _models(part)]
    return []


def _keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a model by the names that the file has for them."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def _fields_at(model: type[BaseModel], loc: tuple[Key, ...]) -> list[str]:
    models = [model]
    for key in loc:
        found = [m for owner in models if key in _keys(owner)
                 for m in _models(_keys(owner)[str(key)].annotation)]  # fmt: skip
        tagged = [m for m in models for tag in TAGS if tag in m.model_fields
                  and key in get_args(m.model_fields[tag].annotation)]  # fmt: skip
        models = found or tagged or models
    return [name for owner in models for name in _keys(owner)]


def _meaning(model: type[BaseModel], loc: tuple[Key, ...]) -> str:
    models = [model]
    meaning = ""
    for key in loc:
        fields = [_keys(owner)[str(key)] for owner in models if key in _keys(owner)]
        if fields:
            # A message is one line; a description may be two.
            meaning = " ".join((fields[0].description or "").split())
            models = [m for info in fields for m in _models(info.annotation)] or models
    return meaning


def _words(text: str) -> list[str]:
    return re.findall(r"'([^']*)'", text)


def _profiles(draft: Draft) -> None:
    folders: list[Path] = []
    own = draft.text_of(("gateway", "profiles_dir"))
    if own is not None:
        folders.append(draft.file.parent / own)
    try:
        folders.append(resources.profiles())
    except OperatingError as error:
        draft.report((), error.text())
    known = [path.stem for folder in folders for path in sorted(folder.glob("*.toml"))]
    for name, session in draft.sessions.items():
        if session.profile in draft.profiles:
            continue
        if session.profile not in known:
            if not isinstance(draft.raw.get("gateway"), dict):
                continue  # Nobody knows which folder of profiles was meant.
            hint = did_you_mean(session.profile, known)
            draft.report(
                ("sessions", name, "profile"), "no such venue profile", value=session.profile, hint=hint
            )
            continue
        path = next(p for folder in folders if (p := folder / f"{session.profile}.toml").is_file())
        try:
            profile = tomllib.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            draft.report(
                ("sessions", name, "profile"), f"the venue profile {path.name} cannot be read: {error}"
            )
            continue
        # The file's name is the profile's name: one name for people, config and core.
        draft.profiles[session.profile] = {**profile, "name": session.profile}
