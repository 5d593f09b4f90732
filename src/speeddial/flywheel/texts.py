"""What can be told of a text by others: by hashed words and parts of words, weighted, or by embeddings.

scikit-learn is imported nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from speeddial.errors import UserError
from speeddial.models.embeddings import load_embedder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = Any  # a sparse matrix of scipy's, shape (texts, features), rows of length 1

FOLDS = 5
DENSE_ALPHA = 1e-5
"""Of the regression over embeddings: with those of the base, 2,500 requests of the story and 600 new ones,
1e-4, 1e-5 and 1e-6 find the tool of 97.5, 98.0 and 97.2 %, the intent of 90.5, 93.0 and 90.7."""
_FEATURES = 2**17
"""Of words and of parts of words each. Hashed, so that no vocabulary need be kept."""


@dataclass(frozen=True)
class Guess:
    """What the other texts say of one text's class."""

    own: float
    """Probability of the class that it has."""
    other: str
    """The likeliest of the other classes."""
    others: float
    """Probability of that one."""


class TextClassifier:
    """Logistic regression over texts.

    Args:
        seed: of the order in which texts are learnt.
        embeddings: whose vectors stand for texts, see `speeddial.models.embeddings`; TF-IDF unless given.
    """

    def __init__(self, seed: int = 7, embeddings: str = "") -> None:
        self._seed, self._embeddings = seed, embeddings
        self.classes: tuple[str, ...] = ()
        self._rarity: NDArray[np.float32]
        self._weights: NDArray[np.float32]
        self._bias: NDArray[np.float32]

    def fit(self, texts: Sequence[str], classes: Sequence[str]) -> TextClassifier:
        """Learn; at least two different classes.

        Args:
            texts, classes: of equal length.
        """
        from sklearn.linear_model import SGDClassifier

        if self._embeddings:
            vectors, alpha = load_embedder(self._embeddings).embed(texts), DENSE_ALPHA
        else:
            counts = _counted(texts)
            self._rarity = _rarity(counts)
            vectors, alpha = _weighted(counts, self._rarity), 2e-5
        # By stochastic gradients: 4,000 texts take 3 s, by the usual solver 260.
        model = SGDClassifier(
            loss="log_loss", alpha=alpha, max_iter=30, tol=None, random_state=self._seed
        ).fit(vectors, list(classes))
        self.classes = tuple(map(str, model.classes_))
        weights, bias = model.coef_, model.intercept_
        if len(self.classes) == 2:  # one column tells both
            weights, bias = np.vstack([-weights, weights]), np.concatenate([-bias, bias])
        self._weights, self._bias = weights.astype(np.float32), bias.astype(np.float32)
        return self

    def chances(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Probabilities, shape (texts, classes): each class against the rest, scaled to a sum of 1."""
        if self._embeddings:
            vectors: Vectors = load_embedder(self._embeddings).embed(texts)
        else:
            vectors = _weighted(_counted(texts), self._rarity)
        scores = vectors @ self._weights.T + self._bias
        each = 1.0 / (1.0 + np.exp(-np.clip(scores, -30, 30)))
        total = each.sum(axis=1, keepdims=True)
        chances: NDArray[np.float64] = each / np.where(total > 0, total, 1)
        return chances

    def save(self, file: Path) -> None:
        """Keep it in an ``.npz`` file."""
        told = np.frombuffer(json.dumps(self.classes).encode(), np.uint8)
        if self._embeddings:
            identity = load_embedder(self._embeddings).identity
            by = np.frombuffer(json.dumps([self._embeddings, identity]).encode(), np.uint8)
            np.savez_compressed(file, classes=told, embeddings=by, weights=self._weights, bias=self._bias)
            return
        unseen = self._rarity.max()
        used = np.flatnonzero((np.abs(self._weights).max(axis=0) > 0) | (self._rarity < unseen))
        np.savez_compressed(
            file,
            classes=told,
            used=used.astype(np.int32),
            weights=self._weights[:, used].astype(np.float16),
            rarity=self._rarity[used].astype(np.float16),
            bias=self._bias,
            unseen=unseen,
        )

    @classmethod
    def load(cls, file: Path) -> TextClassifier:
        """Read what `save` kept.

        Raises:
            UserError: it is no such file, or its embeddings are others by now.
            EngineUnreachable: its embeddings cannot be had here.
        """
        made = cls()
        try:
            with np.load(file, allow_pickle=False) as kept:
                made.classes = tuple(json.loads(kept["classes"].tobytes()))
                if "embeddings" in kept:
                    spec, identity = json.loads(kept["embeddings"].tobytes())
                    return made._embedding(file, spec, identity, kept["weights"], kept["bias"])
                made._weights = np.zeros((len(made.classes), 2 * _FEATURES), np.float32)
                made._weights[:, kept["used"]] = kept["weights"]
                made._rarity = np.full(2 * _FEATURES, kept["unseen"], np.float32)
                made._rarity[kept["used"]] = kept["rarity"]
                made._bias = kept["bias"]
        except (OSError, ValueError, KeyError) as error:
            raise UserError(f"{file} is no text classifier: {error}", hint="make it anew") from error
        return made

    def _embedding(
        self, file: Path, spec: str, identity: str, weights: NDArray[np.float32], bias: NDArray[np.float32]
    ) -> TextClassifier:
        if (now := load_embedder(spec).identity) != identity:
            raise UserError(
                f"{file} was made with the embeddings {identity}, {spec} gives {now}",
                hint="`speeddial data cluster` makes it anew",
            )
        self._embeddings, self._weights, self._bias = spec, weights, bias
        return self


def guesses(
    texts: Sequence[str], classes: Sequence[str], *, seed: int = 7, embeddings: str = ""
) -> list[Guess]:
    """For each text, what a classifier says that was trained on four fifths of them without it.

    Of classes with too few texts nothing can be told: their guess is their own class.

    Args:
        texts, classes: of equal length.
        seed: of the folds.
        embeddings: as for `TextClassifier`.
    """
    found = [Guess(1.0, "", 0.0)] * len(texts)
    names, numbers, counts = np.unique(np.asarray(classes), return_inverse=True, return_counts=True)
    rows = np.flatnonzero((counts >= 2 * FOLDS)[numbers])
    if len(set(numbers[rows])) < 2:
        return found
    fold = np.empty(len(rows), int)
    dice = np.random.default_rng(seed)
    for number in set(numbers[rows]):  # every class in every fold
        at = dice.permutation(np.flatnonzero(numbers[rows] == number))
        fold[at] = np.arange(len(at)) % FOLDS
    for part in range(FOLDS):
        known, asked = rows[fold != part], rows[fold == part]
        model = TextClassifier(seed, embeddings).fit(
            [texts[row] for row in known], [str(names[numbers[row]]) for row in known]
        )
        for row, chances in zip(asked, model.chances([texts[row] for row in asked]), strict=True):
            own = model.classes.index(str(names[numbers[row]]))
            rest = chances.copy()
            rest[own] = -1.0
            best = int(rest.argmax())
            found[row] = Guess(float(chances[own]), model.classes[best], float(rest[best]))
    return found


def groups(texts: Sequence[str], most: int = 15, *, seed: int = 7, embeddings: str = "") -> NDArray[np.int64]:
    """Texts sorted into groups by themselves alone; as many as part best (silhouette, Rousseeuw 1987).

    Args:
        embeddings: as for `TextClassifier`.

    Returns:
        A group's number for each text; all 0 when nothing parts them.
    """
    from sklearn.cluster import KMeans
    from sklearn.decomposition import TruncatedSVD
    from sklearn.metrics import silhouette_score
    from threadpoolctl import threadpool_limits

    if embeddings:
        vectors: Vectors = load_embedder(embeddings).embed(texts)
    else:
        counts = _counted(texts)
        vectors = _weighted(counts, _rarity(counts))
        vectors = vectors[:, np.unique(vectors.indices)]  # all columns would take minutes
    best, found = 0.05, np.zeros(len(texts), np.int64)
    # On a busy machine its threads wait for each other: two of them took ten times as long as one.
    with threadpool_limits(1):
        dimensions = min(64, len(texts) - 1, vectors.shape[1])
        points = TruncatedSVD(dimensions, random_state=seed).fit_transform(vectors)
        points /= np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9)
        for number in range(2, min(most, len(texts) // 10) + 1):
            chosen = KMeans(number, n_init=4, random_state=seed).fit_predict(points)
            score = silhouette_score(points, chosen, sample_size=min(2000, len(texts)), random_state=seed)
            if score > best:
                best, found = score, chosen.astype(np.int64)
    return found


def agreement(first: Sequence[Any], second: Sequence[Any]) -> float:
    """Adjusted Rand index of two partitions (Hubert and Arabie 1985): 1 for equal ones, 0 by chance."""
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(first, second))


def _counted(texts: Sequence[str]) -> Vectors:
    try:
        from scipy.sparse import hstack
        from sklearn.feature_extraction.text import HashingVectorizer
    except ImportError as error:
        raise UserError(
            "finding tasks needs scikit-learn", hint="pip install 'speeddial[flywheel]'"
        ) from error
    shared: dict[str, Any] = {"n_features": _FEATURES, "alternate_sign": False, "norm": None}
    words = HashingVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", **shared)
    parts = HashingVectorizer(analyzer="char_wb", ngram_range=(3, 5), **shared)
    return hstack([words.transform(texts), parts.transform(texts)], format="csr")


def _rarity(counts: Vectors) -> NDArray[np.float32]:
    seen = np.asarray((counts > 0).sum(axis=0)).ravel()
    rarity: NDArray[np.float32] = (np.log((1 + counts.shape[0]) / (1 + seen)) + 1).astype(np.float32)
    return rarity


def _weighted(counts: Vectors, rarity: NDArray[np.float32]) -> Vectors:
    """TF-IDF with damped counts; words and their parts weigh the same in each text."""
    from scipy.sparse import hstack
    from sklearn.preprocessing import normalize

    damped = counts.astype(np.float32)
    damped.data = 1 + np.log(damped.data)
    damped = damped.multiply(rarity).tocsr()
    halves = [normalize(part) for part in (damped[:, :_FEATURES], damped[:, _FEATURES:])]
    return hstack(halves, format="csr") / np.float32(2**0.5)
