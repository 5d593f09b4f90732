"""Settings of a project, and where each value came from.

Flags win over ``SPEEDDIAL_*`` environment variables, those over the project file's ``[tool.speeddial]``
table, that over the defaults here.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar, get_type_hints
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from speeddial.errors import SettingsError

ENVIRONMENT_PREFIX = "SPEEDDIAL_"
_PASSWORD_OPTION = re.compile(r"([?&][a-z]*password=)[^&]*")
_Number = TypeVar("_Number", int, float)
_TABLES = {
    "expert_models": ("EXPERT", "MODEL"),
    "licences": ("MODEL", "LICENCE"),
    "bases": ("MODEL", "FOLDER"),
    "prices": ("MODEL", "IN/OUT"),
}
_PRICE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*/\s*(\d+(?:\.\d+)?)\s*")
DURABILITIES = {
    "normal": "a power loss may cost the last commits, a killed process costs none",
    "full": "a power loss costs nothing; each commit waits for the disk",
}
"""What can be set for `record_durability`, and what it costs."""
BASE_MODEL = "embedded:smollm2-135m-instruct"


@dataclass(frozen=True)
class Settings:
    """Everything that can be set; the comments under the fields are what `speeddial doctor` prints."""

    model: str = BASE_MODEL
    """Engine of the experts that name none."""
    planner: str = BASE_MODEL
    """Engine of the planner, which is also the generalist that is phoned last."""
    expert_models: Mapping[str, str] = field(default_factory=dict)
    """Engine per expert, over what its card says."""
    workspace: str = "workspace"
    """Folder that tools may read and write, relative to the project."""
    record: str = ".speeddial/record.db"
    """Where the record stands: a file, relative to the workspace, or for several machines a ``postgresql://``
    URL; then its redaction key and LangGraph's checkpoints stay in ``.speeddial`` in the workspace."""
    record_durability: str = "normal"
    """``normal`` or ``full``, see `DURABILITIES`; in Postgres ``normal`` is as the server is set."""
    user: str = ""
    """Whose runs these are, as the record notes it; for finding and erasing them."""
    keep_days: float = 0.0
    """Days that runs are kept when the record is pruned; 0 for ever."""
    keep_mb: int = 0
    """Megabytes that the record may grow to before it is pruned; 0 for any size."""
    timezone: str = ""
    """Zone of the run's clock, an IANA name; empty for the machine's own."""
    now: str = ""
    """A fixed clock (ISO 8601) for tests and replays; empty for the real one."""
    max_steps: int = 12
    """Steps of one run, replanned ones included."""
    max_tokens: int = 4096
    """Tokens that one run may generate."""
    max_seconds: float = 300.0
    """Seconds that one run may take."""
    max_cost: float = 0.0
    """US dollars that one run may cost; 0 for no limit."""
    max_replans: int = 1
    """How often a failed plan is made anew."""
    transport_retries: int = 2
    """Tries after the first when an engine cannot be reached."""
    transport_timeout: float = 60.0
    """Seconds an engine may take for one call."""
    allow_unproven: bool = False
    """Whether engines that failed their canary may serve; their calls are recorded as unproven."""
    otlp: str = ""
    """URL of an OTLP/HTTP receiver that each run is sent to when it ends; empty for none."""
    otlp_content: bool = False
    """Whether what is sent there holds messages, arguments and results, redacted as on record."""
    licences: Mapping[str, str] = field(default_factory=dict)
    """Licence per model (``engine:name``) that training data of the record came from."""
    bases: Mapping[str, str] = field(default_factory=dict)
    """Bases that the flywheel may train adapters on: model (``engine:name``) -> its Hugging Face folder."""
    prices: Mapping[str, str] = field(default_factory=dict)
    """US dollars per million tokens in and out, per model, for the ledger: ``"gpt-5" = "1.25/10"``."""
    machine_price: float = 0.0
    """US dollars that an hour of this machine costs, its rent or its electricity, for the ledger."""
    redact_personal: bool = True
    """Whether the record hides personal data: e-mail, phone, card, IBAN, IP; secrets are always hidden."""
    redact: Mapping[str, str] = field(default_factory=dict)
    """What the record hides besides: name -> regular expression (RE2), for example EMP-[0-9]{6}."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Setting -> where its value came from; filled in by `load`."""

    @classmethod
    def load(
        cls,
        root: Path | None,
        overrides: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Settings:
        """Merge all sources.

        Args:
            root: the project's folder; None when there is none.
            overrides: values of flags; None values count as not given.
            environment: os.environ unless given.

        Raises:
            SettingsError: an unknown setting or a value of the wrong type, naming its source.
        """
        environment = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        sources: dict[str, str] = {}
        names = {item.name for item in fields(cls)} - {"sources"}

        def put(name: str, value: Any, source: str) -> None:
            if name not in names:
                raise SettingsError(
                    f"{source}: unknown setting {name!r}", hint=f"known: {', '.join(sorted(names))}"
                )
            values[name] = _convert(name, value, source)
            sources[name] = source

        if root is not None:
            path, table = project_table(root)
            for name, value in table.items():
                put(name, value, f"{path.name} [tool.speeddial]")
        for key, text in environment.items():
            name = key.removeprefix(ENVIRONMENT_PREFIX).lower()
            # Other SPEEDDIAL_ variables (cache folder, keys of the viewer) belong to their own files.
            if key.startswith(ENVIRONMENT_PREFIX) and name in names and text:
                put(name, text, key)
        for name, value in (overrides or {}).items():
            if value is not None:
                put(name, value, f"--{name.replace('_', '-')}")
        settings = cls(**values, sources={name: sources.get(name, "default") for name in names})
        settings.clock()
        if settings.record_durability not in DURABILITIES:
            source = settings.sources["record_durability"]
            raise SettingsError(
                f"{source}: record_durability = {settings.record_durability!r}",
                hint=f"give one of: {', '.join(DURABILITIES)}",
            )
        return settings

    def clock(self) -> datetime:
        """The run's reference time, aware, in the run's zone.

        Raises:
            SettingsError: an unknown zone or a clock that is not ISO 8601.
        """
        try:
            zone = ZoneInfo(self.timezone) if self.timezone else None
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise SettingsError(
                f"timezone: {self.timezone!r} is not an IANA zone", hint="for example Europe/Berlin"
            ) from error
        if not self.now:
            return datetime.now(zone) if zone else datetime.now().astimezone()
        try:
            moment = datetime.fromisoformat(self.now)
        except ValueError as error:
            raise SettingsError(
                f"now: {self.now!r} is not an ISO 8601 time", hint="for example 2026-11-22T09:00:00+01:00"
            ) from error
        if moment.tzinfo is None:
            return moment.replace(tzinfo=zone) if zone else moment.astimezone()
        return moment.astimezone(zone) if zone else moment

    def configured(self) -> dict[str, Any]:
        """What somebody set of all that decides who is asked and how; limits and places are not among it."""
        names = ("model", "planner", "expert_models", "timezone", "max_replans", "allow_unproven")
        return {name: getattr(self, name) for name in names if not self.is_default(name)}

    def limits(self) -> dict[str, float]:
        """What a run may use at most."""
        return {name: getattr(self, name) for name in ("max_steps", "max_tokens", "max_seconds", "max_cost")}

    def is_default(self, name: str) -> bool:
        """Whether nobody set this value."""
        return self.sources.get(name, "default") == "default"


def price_of(text: str) -> tuple[float, float]:
    """US dollars per token in and out, of ``IN/OUT`` per million.

    Raises:
        ValueError: it is no such price.
    """
    found = _PRICE.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return float(found[1]) / 1e6, float(found[2]) / 1e6


def without_password(url: str) -> str:
    """A URL as it may be shown; whatever else it is given it gives back."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        return url
    # The last @, so that nothing of a password with an @ or a / in it is left.
    user, at, place = rest.rpartition("@")
    return f"{scheme}://{user.partition(':')[0]}{at}" + _PASSWORD_OPTION.sub(r"\1***", place)


def project_table(root: Path) -> tuple[Path, dict[str, Any]]:
    """The project's settings table and the file it stands in.

    Raises:
        SettingsError: the file is not TOML.
    """
    for name, keys in (("speeddial.toml", ()), ("pyproject.toml", ("tool", "speeddial"))):
        path = root / name
        if not path.is_file():
            continue
        try:
            table: Any = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path}: not valid TOML: {error}", hint="mend the file") from error
        for key in keys:
            table = table.get(key) if isinstance(table, dict) else None
        if isinstance(table, dict):
            return path, table
    return root / "speeddial.toml", {}


def compiled_pattern(name: str, expression: str) -> Any:
    """A project's own redaction rule as an RE2 pattern.

    Args:
        name: of the rule; stands in surrogates.

    Raises:
        SettingsError: not a name, or not an expression that RE2 takes and that matches something.
    """
    if not re.fullmatch(r"[a-z][a-z_]{0,23}", name):
        raise SettingsError(
            f"redact: {name!r} is no name for a rule", hint="up to 24 lower-case letters and underscores"
        )
    try:
        import re2
    except ImportError as error:
        raise SettingsError(
            "redact: rules of one's own need RE2, which is not installed",
            hint="pip install 'speeddial[redact]'",
        ) from error
    options = re2.Options()
    options.log_errors = False
    try:
        pattern = re2.compile(expression, options=options)
    except re2.error as error:
        said = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
        raise SettingsError(
            f"redact.{name} = {expression!r}: {said}",
            hint="give an expression in RE2's syntax: no lookaround, no backreferences",
        ) from error
    if pattern.search("") is not None:
        raise SettingsError(
            f"redact.{name} = {expression!r} matches the empty text",
            hint="make it match what is to be hidden",
        )
    return pattern


def _convert(name: str, value: Any, source: str) -> Any:
    kind = get_type_hints(Settings)[name]
    if name == "redact":
        return _patterns(value, source)
    if name == "prices":
        return _priced(_table(name, value, source), source)
    if name in _TABLES:
        return _table(name, value, source)
    if kind is str and isinstance(value, str):
        return value
    if kind is bool:
        return _switch(name, value, source)
    try:
        if kind is int and not isinstance(value, bool) and not isinstance(value, float):
            return _at_least_zero(int(value))
        if kind is float and not isinstance(value, bool):
            return _at_least_zero(float(value))
    except (TypeError, ValueError):
        pass
    raise SettingsError(
        f"{source}: {name} = {value!r}", hint=f"give {name} as a {kind.__name__}, not below zero"
    )


def _switch(name: str, value: Any, source: str) -> bool:
    said = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    known = value if isinstance(value, bool) else said.get(str(value).lower())
    if known is None:
        raise SettingsError(f"{source}: {name} = {value!r}", hint=f"give {name} as true or false")
    return known


def _at_least_zero(value: _Number) -> _Number:
    if not value >= 0:
        raise ValueError(value)
    return value


def _patterns(value: Any, source: str) -> dict[str, str]:
    """A table of expressions; a JSON object in the environment and flags."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            value = None
    if not isinstance(value, Mapping) or not all(isinstance(pattern, str) for pattern in value.values()):
        raise SettingsError(
            f"{source}: redact is not a table of texts",
            hint='for example redact = {employee_id = "EMP-[0-9]{6}"}',
        )
    for name, pattern in value.items():
        compiled_pattern(name, pattern)
    return dict(value)


def _priced(table: dict[str, str], source: str) -> dict[str, str]:
    for model, price in table.items():
        try:
            price_of(price)
        except ValueError as error:
            raise SettingsError(
                f"{source}: prices: {model} = {price!r}",
                hint='give US dollars per million tokens in and out, for example "1.25/10"',
            ) from error
    return table


def _table(name: str, value: Any, source: str) -> dict[str, str]:
    """A table in TOML; ``organizer=vllm:organizer@URL,tables=...`` in the environment and flags."""
    key, item = _TABLES[name]
    if isinstance(value, str):
        pairs = [part.partition("=") for part in value.split(",") if part.strip()]
        if any(not mark for _, mark, _ in pairs):
            raise SettingsError(
                f"{source}: {name} = {value!r}", hint=f"give it as {key}={item}[,{key}={item}]"
            )
        return {left.strip(): right.strip() for left, _, right in pairs}
    if isinstance(value, Mapping) and all(isinstance(right, str) for right in value.values()):
        return dict(value)
    raise SettingsError(f"{source}: {name} = {value!r}", hint=f"give a table of {key} = {item}")
