"""The ledger: what specialists really serve of an agent's traffic, what it saves, and what it has cost.

All of it is counted, from the record of the proxy and the artefacts of training; nothing is assumed but that
a call which a specialist served would have cost what the large model's calls of the same task cost. Those are
its answers to requests that no specialist was asked for (escalated ones are the harder), and the answers that
the versions were trained on. Each figure says how many calls it rests on, with an interval of 95 %: Wilson's
of shares of calls; of tokens and money by drawing shares and means 4,000 times as often as they may be.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speeddial.errors import NotFound
from speeddial.flywheel.artefact import MANIFEST, Artefact, named
from speeddial.flywheel.cluster import ASSIGNED
from speeddial.flywheel.curate import KEPT
from speeddial.flywheel.deployment import Deployments, of_planner
from speeddial.flywheel.evaluate import wilson
from speeddial.flywheel.sample import read_samples
from speeddial.record import Record
from speeddial.record.selection import Selection
from speeddial.settings import Settings, price_of

WORKFLOW = "proxy"
OTHER = "(no task)"
"""Requests that nobody assigned: they came before the first specialist, or while there was none."""
_DRAWS = 4000
_LEAST = 2
"""Calls from which a mean and its error can be told."""

Draws = NDArray[np.float64]


@dataclass(frozen=True)
class Figure:
    """A measured number with its 95 % interval."""

    value: float
    low: float
    high: float
    calls: int
    """That it rests on."""

    @classmethod
    def share(cls, part: int, of: int) -> Figure | None:
        if not of:
            return None
        low, high = wilson(part, of)
        return cls(part / of, low, high, of)

    @classmethod
    def drawn(cls, draws: Draws, calls: int) -> Figure:
        """Of draws whose first is what was counted."""
        low, high = np.quantile(draws, (0.025, 0.975))
        value = float(draws[0])
        return cls(value, min(value, float(low)), max(value, float(high)), calls)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One task, or all of them."""

    task: str
    stage: str
    """Of the version that is deployed now; empty for none."""
    calls: int
    served: int
    served_share: Figure | None
    tokens_share: Figure | None
    """Of the large model's tokens, those that it was spared."""
    cost_share: Figure | None
    """The same in money."""
    saved: Figure | None
    """US dollars, less what the specialists' own work cost."""
    asked: int
    """Requests that came to a specialist's turn."""
    escalated: int
    """Of these, left to the large model."""
    reasons: Mapping[str, int]
    """Why, by kind."""
    wasted: Mapping[str, float]
    """What specialists did for nothing: tokens, seconds, cost; of shadows too."""
    baseline_calls: int
    """Calls of the large model that its price of a call rests on."""
    training_cost: float | None
    training_seconds: float
    break_even: Figure | None
    """Calls of this traffic until training is paid for; None where nothing is surely saved or prices lack."""


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """The whole."""

    since: str
    """ISO 8601; when the first version was deployed unless given."""
    tasks: tuple[Line, ...]
    total: Line
    missing: tuple[str, ...]
    """What was not told, so that some figures are left out."""

    def as_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)


@dataclass
class _Work:
    """What one side did."""

    calls: int = 0
    tokens: int = 0
    seconds: float = 0.0
    cost: float = 0.0

    def add(self, row: Mapping[str, Any], cost: float) -> None:
        self.calls += 1
        self.tokens += row["tokens_in"] + row["tokens_out"]
        self.seconds += (row["latency_ms"] or 0.0) / 1000
        self.cost += cost


@dataclass
class _Account:
    """What is counted of a task."""

    calls: int = 0
    served: int = 0
    asked: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    own: _Work = field(default_factory=_Work)
    wasted: _Work = field(default_factory=_Work)
    large: list[tuple[int, float]] = field(default_factory=list)
    """Tokens and price of each of the large model's calls, where it told its tokens ..."""
    usual: list[tuple[int, float]] = field(default_factory=list)
    """... and of those that no specialist was asked for."""
    training_seconds: float = 0.0


class _Prices:
    """What tokens and hours cost.

    Args:
        settings: those of the project.
    """

    def __init__(self, settings: Settings) -> None:
        self._models = {model: price_of(price) for model, price in settings.prices.items()}
        self.hour = settings.machine_price
        self.unpriced: Counter[str] = Counter()

    def of(self, model: str, tokens_in: int, tokens_out: int, cost: float) -> float:
        """US dollars; of a model without a price 0, and its name is kept."""
        if cost:
            return cost
        if model not in self._models:
            self.unpriced[model] += 1
            return 0.0
        each_in, each_out = self._models[model]
        return tokens_in * each_in + tokens_out * each_out

    def of_own(self, row: Mapping[str, Any]) -> float:
        """Of a specialist's decode: its price if it has one, else this machine's time."""
        if row["cost"] or row["model"] in self._models:
            return self.of(row["model"], row["tokens_in"], row["tokens_out"], row["cost"])
        return (row["latency_ms"] or 0.0) / 3_600_000 * self.hour


def ledger(
    record: Record, settings: Settings, folder: Path, *, since: datetime | None = None, user: str = ""
) -> Ledger:
    """Count.

    Args:
        settings: prices.
        folder: of all artefacts.
        since: aware; when the first version was deployed unless given.
        user: whose requests; everybody's unless given.

    Raises:
        RecordError: the record cannot be read.
        ArtefactDamaged: an artefact was changed.
    """
    deployments = Deployments(folder)
    history = deployments.history()
    if since is None and history:
        since = datetime.fromisoformat(history[0].at)
    prices = _Prices(settings)
    accounts: dict[str, _Account] = defaultdict(_Account)
    chosen = Selection(workflow=WORKFLOW, since=since, user=user).as_recorded(record.redactor)
    for told, rows in _requests(record, chosen):
        _count(accounts[told.get("task") or OTHER], told, rows, prices)
    live = deployments.live()
    for task, there in live.items():
        if not there.is_agent:
            _ = accounts[task]
    versions = _versions(folder)
    for version in versions:
        tasks = [row["task"] for row in version.report["tasks"]]
        for task in tasks:
            accounts[task].training_seconds += version.report.get("seconds", 0.0) / len(tasks)
    learnt = _learnt(folder, versions, prices)
    for task, calls in learnt.items():
        accounts[task].usual += calls
    priced = not prices.unpriced
    dice = np.random.default_rng(7)
    reckoned = {task: _Reckoned(account, prices, dice, priced=priced) for task, account in accounts.items()}
    order = sorted(reckoned, key=lambda task: (task == OTHER, -accounts[task].calls, task))
    stages = {task: one.stage for task, one in live.items()}
    return Ledger(
        since=since.isoformat() if since else "",
        tasks=tuple(_line(task, stages.get(task, ""), [reckoned[task]], prices) for task in order),
        total=_line("all", "", list(reckoned.values()), prices),
        missing=tuple(_missing(accounts, prices)),
    )


class _Reckoned:
    """A task's account with what follows from it, each as many draws."""

    def __init__(
        self, account: _Account, prices: _Prices, dice: np.random.Generator, *, priced: bool
    ) -> None:
        self.account = account
        usual = account.usual or account.large
        self.told = len(usual) >= _LEAST or not account.served
        self.priced = self.told and priced
        self.baseline = len(usual)
        served = account.calls * dice.beta(account.served + 0.5, account.calls - account.served + 0.5, _DRAWS)
        served[0] = account.served
        if not account.served:
            served[:] = 0.0
        tokens, costs = _means(usual, dice)
        large_tokens, large_costs = _means(account.large or usual, dice)
        left = account.calls - served
        self.spared_tokens, self.used_tokens = served * tokens, left * large_tokens
        self.spared, self.spent = served * costs, left * large_costs
        self.own = account.own.cost + account.wasted.cost
        self.training = account.training_seconds / 3600 * prices.hour


def _line(task: str, stage: str, parts: list[_Reckoned], prices: _Prices) -> Line:
    accounts = [part.account for part in parts]
    calls, served = sum(one.calls for one in accounts), sum(one.served for one in accounts)
    asked = sum(one.asked for one in accounts)
    seconds = sum(one.training_seconds for one in accounts)
    training = sum(part.training for part in parts) if prices.hour else None
    saved = sum((part.spared - part.own for part in parts), np.zeros(_DRAWS))
    priced = bool(calls) and all(part.priced for part in parts)
    told = bool(calls) and all(part.told for part in parts)
    reasons: Counter[str] = sum((one.reasons for one in accounts), Counter())
    return Line(
        task=task,
        stage=stage,
        calls=calls,
        served=served,
        served_share=Figure.share(served, calls),
        tokens_share=_ratio([(one.spared_tokens, one.used_tokens) for one in parts], calls) if told else None,
        cost_share=_ratio([(one.spared, one.spent) for one in parts], calls) if priced else None,
        saved=Figure.drawn(saved, calls) if priced else None,
        asked=asked,
        escalated=asked - served,
        reasons=dict(reasons.most_common()),
        wasted={
            name: round(sum(getattr(one.wasted, name) for one in accounts), 6)
            for name in ("calls", "tokens", "seconds", "cost")
        },
        baseline_calls=sum(part.baseline for part in parts),
        training_cost=training,
        training_seconds=round(seconds, 1),
        break_even=_break_even(training, saved, calls) if priced and served else None,
    )


def _break_even(training: float | None, saved: Draws, calls: int) -> Figure | None:
    """Calls until what each saves on the mean has paid for training."""
    if not training:
        return None
    each = Figure.drawn(saved / calls, calls)
    # Where it may be that nothing is saved, there is no number of calls.
    if each.low <= 0:
        return None
    return Figure(training / each.value, training / each.high, training / each.low, calls)


def _ratio(parts: list[tuple[Draws, Draws]], calls: int) -> Figure | None:
    spared = sum((part for part, _ in parts), np.zeros(_DRAWS))
    whole = spared + sum((rest for _, rest in parts), np.zeros(_DRAWS))
    return Figure.drawn(spared / whole, calls) if np.all(whole > 0) else None


def _means(calls: list[tuple[int, float]], dice: np.random.Generator) -> tuple[Draws, Draws]:
    """Mean tokens and price of a call, drawn as far as they are known; never below zero."""
    if not calls:
        return np.zeros(_DRAWS), np.zeros(_DRAWS)
    values = np.asarray(calls, float)
    error = values.std(axis=0, ddof=1) / len(values) ** 0.5 if len(values) >= _LEAST else np.zeros(2)
    # One draw for both: they rise and fall together.
    off = dice.standard_normal(_DRAWS)
    off[0] = 0.0
    drawn = np.maximum(0.0, values.mean(axis=0) + np.outer(off, error))
    return drawn[:, 0], drawn[:, 1]


def _count(account: _Account, told: Mapping[str, Any], rows: list[Any], prices: _Prices) -> None:
    served = told.get("served_by") not in (None, "", "large model")
    own = [row for row in rows if row["expert"]]
    account.calls += 1
    account.served += served
    if why := told.get("why"):
        account.reasons.update([why] if why != "stage" else [])
    account.asked += served or told.get("why", "stage") != "stage"
    shadow = False
    for row in own:
        shadow = shadow or row["reason"] == "shadow"
        work = account.own if served and not shadow else account.wasted
        work.add(row, prices.of_own(row))
    for row in rows:
        if row["expert"] or not row["tokens_in"] + row["tokens_out"]:
            continue
        call = (
            row["tokens_in"] + row["tokens_out"],
            prices.of(row["model"], row["tokens_in"], row["tokens_out"], row["cost"]),
        )
        account.large.append(call)
        if told.get("why", "stage") == "stage":
            account.usual.append(call)


def _requests(record: Record, chosen: Selection) -> Iterator[tuple[dict[str, Any], list[Any]]]:
    """Each request that was answered: its run's settings, and its decodes."""
    where, parameters = chosen.where_run()
    rows = record.database.read(
        "SELECT runs.id, runs.settings, interactions.expert, interactions.model, interactions.reason,"
        " interactions.tokens_in, interactions.tokens_out, interactions.cost, interactions.latency_ms"
        " FROM runs JOIN interactions ON interactions.run = runs.id"
        f" WHERE {where} AND runs.status IN ('done', 'failed') AND interactions.kind = 'model'"
        " ORDER BY runs.id, interactions.id",
        parameters,
    )
    for _, group in groupby(rows, key=lambda row: row["id"]):
        decodes = list(group)
        told = json.loads(decodes[0]["settings"])
        # What was recorded elsewhere did not come by this proxy, whatever its time.
        if not told.get("imported"):
            yield told, decodes


def _versions(folder: Path) -> list[Artefact]:
    """All that was trained, deployed or not: the failed tries cost as much; the planner answers no agent."""
    found = [Artefact.open(file.parent) for file in sorted(folder.glob(f"train-*/{MANIFEST}"))]
    return [version for version in found if not of_planner(version)]


def _learnt(
    folder: Path, versions: Iterable[Artefact], prices: _Prices
) -> dict[str, list[tuple[int, float]]]:
    """Task -> tokens and price of each of the large model's answers that the newest version learnt from."""
    found: dict[str, list[tuple[int, float]]] = {}
    for version in sorted(versions, key=lambda one: one.created, reverse=True):
        tasks = {row["task"] for row in version.report["tasks"]} - found.keys()
        if not tasks:
            continue
        found |= {task: [] for task in tasks}
        try:
            select = named(folder, version.inputs["select"])
            samples = named(folder, select.inputs["curate"]).file(KEPT)
            assigned = json.loads(named(folder, select.inputs["cluster"]).file(ASSIGNED).read_text("utf-8"))
        except (NotFound, KeyError):
            continue  # erased meanwhile: what the proxy has seen since must do
        for sample in read_samples(samples):
            task = assigned.get(sample.id)
            if task in tasks and not sample.expert and sample.tokens_in + sample.tokens_out:
                price = prices.of(sample.model, sample.tokens_in, sample.tokens_out, sample.cost)
                found[task].append((sample.tokens_in + sample.tokens_out, price))
    return found


def _missing(accounts: Mapping[str, _Account], prices: _Prices) -> Iterator[str]:
    for model, calls in prices.unpriced.most_common():
        yield f'{calls} calls of {model} have no price: set prices = {{"{model}" = "IN/OUT"}}'
    if not prices.hour and any(account.training_seconds for account in accounts.values()):
        yield "an hour of this machine has no price: set machine_price"
    for task, account in accounts.items():
        if account.served and len(account.usual or account.large) < _LEAST:
            yield f"{task}: the large model told the tokens of too few calls to say what one takes"
