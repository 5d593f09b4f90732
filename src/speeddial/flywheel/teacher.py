"""S5, distil: a teacher reads the answers that a student is to learn, and says how likely each token was.

    flywheel/distil-5d0c2f41a9b3/
        scores.npz        of each answer's tokens the likeliest ones and their log probabilities

A teacher writes in the student's tokens, or its probabilities mean nothing to it. It is asked as the call
path asks it: a trained expert with its own prompt, any other model with the tools' signatures below the
student's, and both held to the grammar of the calls. What it said is kept part by part in
``flywheel/.work``: killed, the step goes on from there.
"""

from __future__ import annotations

import asyncio
import io
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from speeddial.contract import CallsContract
from speeddial.errors import NotFound, UserError
from speeddial.expert import Expert
from speeddial.filehash import sha256_of
from speeddial.flywheel.artefact import MANIFEST, WORK, Artefact, made, name_of
from speeddial.flywheel.dataset import END, START, ChatEncoder
from speeddial.flywheel.distil import Score, read_scores, write_scores
from speeddial.flywheel.rows import Form
from speeddial.lexicon import Lexicon
from speeddial.models import ENGINES, Model, is_folder, load_model
from speeddial.models.adapter import weights_hash
from speeddial.models.chat_tokenizer import ChatTokenizer
from speeddial.models.grammars import CompiledGrammar, GuidedTokenizer
from speeddial.models.likely import under
from speeddial.project import Project
from speeddial.workspace import write_whole

STEP = "distil"
SCORES = "scores.npz"
MOST = 20
"""Likeliest tokens that are kept of each; vLLM tells no more unless told otherwise."""
PART = 64
"""Rows that are on disk together, so what a kill costs at most."""
_AT_ONCE = {"embedded": 4}
"""Rows that a teacher reads side by side: one of other engines. vLLM 0.32 for CPUs ends when it is to score
two prompts in one batch with LoRA on (punica_cpu.py: "subscript b has size 4 for operand 1")."""
_COMPARED = 40
"""Rows whose texts must come out as the same tokens."""


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """Who scores."""

    name: str
    """As it was asked for."""
    model: Model
    prompt: str
    """What stands above each request, in place of the student's own."""
    lexicon: Lexicon | None = None
    adapter: Path | None = None
    adapter_name: str = ""
    weights: str = ""
    """Hash of what it was trained to, or of the version that it is; empty for what its name alone tells."""
    licence: str
    """Of what it says."""

    @classmethod
    def find(cls, name: str, project: Project, folder: Path, form: Form) -> Teacher:
        """The teacher of a name.

        Args:
            name: ``engine:model``, an expert of the project, or a version's folder, such as
                ``train-5d0c2f41a9b3``.
            folder: of all artefacts.
            form: how the student writes calls.

        Raises:
            NotFound: there is none of this name.
            UserError: its engine is not here, or it is an expert that was trained to write other calls.
        """
        if name.partition(":")[0] in ENGINES:
            return cls(
                name=name,
                model=load_model(name, project.root),
                prompt=f"{form.prompt}\n{form.contract.describe()}",
                lexicon=form.lexicon,
                weights=weights_hash(project.root / name.partition(":")[2]) if is_folder(name) else "",
                licence=project.licences.of(name, ""),
            )
        if name in project.experts:
            expert = project.experts[name]
            weights = weights_hash(expert.trained)
            licence = project.licences.of(project.model_of(expert), name if expert.adapter else "")
        elif (folder / name / MANIFEST).is_file():
            version = Artefact.open(folder / name)
            cards = sorted(file for file in version.files if Path(file).match("experts/*/card.toml"))
            if not cards:
                raise NotFound(f"{name} is no version", hint="name an artefact of `speeddial train`")
            expert = Expert.from_card(version.path / cards[0])
            weights, licence = version.sha256, version.report["licence"]
        else:
            raise NotFound(
                f"there is no teacher {name!r}",
                hint="name an engine and model (vllm:NAME@URL), a version (train-...) or an expert: "
                f"{', '.join(project.experts) or 'this project has none'}",
            )
        known = expert.definitions or expert.tools
        if expert.trained and (expert.calls != form.calls or not set(form.definitions) <= set(known)):
            raise UserError(
                f"the teacher {name} writes other calls than the student: {expert.calls} of "
                f"{', '.join(known)}, not {form.calls} of {', '.join(form.definitions)}",
                hint="take a version of the same tasks, or an engine's model, which is shown the tools",
            )
        return cls(
            name=name,
            model=load_model(project.model_of(expert), project.root),
            prompt=expert.prompt if expert.trained else f"{expert.prompt}\n{form.contract.describe()}",
            lexicon=expert.lexicon,
            adapter=expert.adapter,
            adapter_name=expert.name if expert.adapter else "",
            weights=weights,
            licence=licence,
        )

    def form(self, own: Form) -> Form:
        """How it is asked for the calls that a student writes so."""
        return replace(own, prompt=self.prompt, lexicon=self.lexicon)

    async def same_tokens(self, encoder: ChatEncoder, rows: Sequence[Mapping[str, Any]]) -> None:
        """See that teacher and student cut texts into the same tokens.

        Raises:
            UserError: they do not.
            EngineError: the teacher does not tell, or is not there.
        """
        step = max(1, len(rows) // _COMPARED)
        said = [message["content"] for row in rows[::step] for message in row["messages"]]
        pairs = [(START, [encoder.start]), (END, [encoder.end])]
        # Spelled-out control tokens are text to the student, and not to every server.
        pairs += [(text, encoder.plain(text)) for text in dict.fromkeys(said) if text and "<|" not in text]
        for text, own in pairs:
            if await self.model.encode(text) != own:
                raise UserError(
                    f"the teacher {self.name} has other tokens than the student: {text[:40]!r} is "
                    f"{len(own)} of the student's",
                    hint="take a teacher of the student's family (SmolLM2 for the embedded base), or a "
                    "candidate on a base of the teacher's (setting `bases`); without --teacher the recorded "
                    "answers are learnt, whoever gave them",
                )

    async def score(
        self, encoder: ChatEncoder, row: Mapping[str, Any], grammar: Callable[[str], CompiledGrammar]
    ) -> Score:
        """What it says in place of each token of a row's answer.

        Args:
            row: in its own `form`.
            grammar: of the answers to what a person says.

        Raises:
            EngineError: it failed.
        """
        *asked, last = row["messages"]
        answer = [*encoder.plain(last["content"]), encoder.end]
        found = await self.model.likely(
            encoder.prompt(asked), answer, MOST, adapter=self.adapter, adapter_name=self.adapter_name
        )
        if int(found.tokens.max()) >= encoder.size:
            raise UserError(
                f"the teacher {self.name} has tokens that the student has not", hint="take one of its family"
            )
        held = await asyncio.to_thread(lambda: under(found, answer, grammar(asked[-1]["content"])))
        return Score(held.tokens, held.logs.astype(np.float16), held.given.astype(np.float16))


async def distil(
    folder: Path,
    teacher: Teacher,
    rows: Sequence[Mapping[str, Any]],
    contract: CallsContract,
    tokenizer: Path,
    inputs: Mapping[str, str],
    parameters: Mapping[str, Any],
    *,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Artefact:
    """Score rows; found when that was done before, gone on with when it was cut short.

    Args:
        folder: of all artefacts.
        rows: {"id", "messages"} in the teacher's form; their answers are scored.
        contract: of the calls, for any request.
        tokenizer: the student's tokenizer.json.
        inputs: name -> hash of what the rows were made of.
        parameters: all else that decides the rows.
        progress: told how many of how many rows are scored.

    Raises:
        UserError: teacher and student have other tokens, or the disk refused.
        EngineError: the teacher failed; call again to go on.
    """
    inputs = {**inputs, "tokenizer": sha256_of([tokenizer])}
    inputs |= {"teacher": teacher.weights} if teacher.weights else {}
    parameters = {
        **parameters,
        "teacher": teacher.name,
        "model": teacher.model.name,
        "prompt": teacher.prompt,
        "most": MOST,
    }
    name = name_of(STEP, inputs, parameters)
    work = folder / WORK / name
    parts: list[Path] = []
    few = asyncio.Semaphore(_AT_ONCE.get(teacher.model.engine, 1))

    async def score(row: Mapping[str, Any]) -> Score:
        async with few:
            return await teacher.score(encoder, row, grammar)

    def grammar(said: str) -> CompiledGrammar:
        return guided.compiled(contract.bound(said).grammar)

    if not (folder / name).is_dir():
        encoder = ChatEncoder(tokenizer)
        await teacher.same_tokens(encoder, rows)
        chat = ChatTokenizer(tokenizer)
        guided = GuidedTokenizer(chat.vocabulary(), chat.size, chat.end)
        work.mkdir(mode=0o700, parents=True, exist_ok=True)
        for at in range(0, len(rows), PART):
            parts.append(work / f"{at:08}.npz")
            if not parts[-1].is_file():
                part = rows[at : at + PART]
                said = await asyncio.gather(*(score(row) for row in part))
                kept = io.BytesIO()
                write_scores(kept, dict(zip((row["id"] for row in part), said, strict=True)))
                write_whole(parts[-1], kept.getvalue())
            progress(min(at + PART, len(rows)), len(rows))

    def make(draft: Path) -> Mapping[str, Any]:
        scores = dict(read_scores(parts))
        write_scores(draft / SCORES, scores)
        given = np.concatenate([score.given for score in scores.values()]).astype(np.float64)
        return {
            "teacher": teacher.name,
            "model": teacher.model.name,
            "licence": teacher.licence,
            "rows": len(scores),
            "tokens": len(given),
            "given": round(float(np.exp(given.mean())), 4),
        }

    artefact = made(folder, STEP, inputs, parameters, make)
    shutil.rmtree(work, ignore_errors=True)
    return artefact
