"""The record's schema as an ordered list of migrations and a table of those that were applied.

A migration is never edited once it has shipped: a change of the schema is a new function at the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from speeddial.errors import UserError

if TYPE_CHECKING:
    from speeddial.record.database import Connection

    Migration = Callable[[Connection], None]


def m001_runs_and_interactions(db: Connection) -> None:
    """Runs, interactions, and the content-addressed texts they refer to. Times are ns since 1970, UTC."""
    db.execute(
        """
        CREATE TABLE contents (
            hash TEXT PRIMARY KEY,      -- sha256:HEX of the body in UTF-8
            body TEXT NOT NULL          -- compact JSON, redacted
        )"""
    )
    db.execute(
        """
        CREATE TABLE runs (
            id TEXT PRIMARY KEY,        -- sorts by start
            workflow TEXT NOT NULL,
            task TEXT NOT NULL,
            status TEXT NOT NULL,       -- running, done, partial, failed, limit, waiting, cancelled
            answer TEXT NOT NULL DEFAULT '',
            error TEXT NOT NULL DEFAULT '',
            missing TEXT NOT NULL DEFAULT '[]',
            inputs TEXT NOT NULL DEFAULT '[]',
            settings TEXT NOT NULL DEFAULT '{}',
            limits TEXT NOT NULL DEFAULT '{}',
            versions TEXT NOT NULL DEFAULT '{}',
            started_ns INTEGER NOT NULL,
            ended_ns INTEGER,
            resumed INTEGER NOT NULL DEFAULT 0,
            writer_pid INTEGER NOT NULL,
            writer_host TEXT NOT NULL,
            writer_started TEXT NOT NULL,
            redactions TEXT NOT NULL DEFAULT '{}'
        )"""
    )
    db.execute(
        """
        CREATE TABLE interactions (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            run TEXT NOT NULL REFERENCES runs(id),
            kind TEXT NOT NULL,         -- plan, model, tool
            step INTEGER NOT NULL,      -- number in the plan; 0 for what belongs to the whole run
            attempt INTEGER NOT NULL,
            parent INTEGER REFERENCES interactions(id),
            escalated_from INTEGER REFERENCES interactions(id),
            reason TEXT NOT NULL DEFAULT '',
            expert TEXT NOT NULL DEFAULT '',
            model TEXT NOT NULL DEFAULT '',
            adapter TEXT NOT NULL DEFAULT '',
            adapter_version TEXT NOT NULL DEFAULT '',
            messages TEXT NOT NULL DEFAULT '[]',    -- hashes in contents
            tools TEXT,                             -- hash in contents
            schema TEXT,                            -- hash in contents
            schema_hash TEXT NOT NULL DEFAULT '',
            tool TEXT NOT NULL DEFAULT '',
            effect TEXT NOT NULL DEFAULT '',
            arguments TEXT,
            resolved TEXT,
            idempotency_key TEXT NOT NULL DEFAULT '',
            status TEXT NOT NULL,       -- running, then a Status, or done/failed/unknown_outcome for tools
            raw TEXT,
            parsed TEXT,
            result TEXT,
            text TEXT NOT NULL DEFAULT '',
            error TEXT NOT NULL DEFAULT '',
            receipt TEXT,
            confidence REAL,
            finish TEXT NOT NULL DEFAULT '',
            tokens_in INTEGER NOT NULL DEFAULT 0,
            tokens_out INTEGER NOT NULL DEFAULT 0,
            tokens_forced INTEGER NOT NULL DEFAULT 0,
            cost REAL NOT NULL DEFAULT 0,
            latency_ms REAL,
            started_ns INTEGER NOT NULL,
            ended_ns INTEGER,
            redactions TEXT NOT NULL DEFAULT '{}'
        )"""
    )
    db.execute("CREATE INDEX interactions_of_run ON interactions(run)")
    db.execute("CREATE INDEX interactions_of_expert ON interactions(expert, status)")
    db.execute("CREATE INDEX runs_not_ended ON runs(status) WHERE status = 'running'")


def m002_journal(db: Connection) -> None:
    """What resuming needs: the outcome of every paid or effectful call, and questions to a person."""
    db.execute(
        """
        CREATE TABLE journal (
            run TEXT NOT NULL REFERENCES runs(id),
            step INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            kind TEXT NOT NULL,
            effect TEXT NOT NULL,
            payload TEXT NOT NULL,
            result TEXT,
            begun_ns INTEGER NOT NULL,
            finished_ns INTEGER,
            redactions TEXT NOT NULL DEFAULT '{}',
            PRIMARY KEY (run, step, attempt, kind)
        ) WITHOUT ROWID"""
    )
    db.execute(
        """
        CREATE TABLE approvals (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            run TEXT NOT NULL REFERENCES runs(id),
            step INTEGER NOT NULL,
            topic TEXT NOT NULL,
            question TEXT NOT NULL,
            options TEXT NOT NULL,
            details TEXT NOT NULL DEFAULT 'null',
            decision TEXT,
            text TEXT NOT NULL DEFAULT '',
            asked_ns INTEGER NOT NULL,
            answered_ns INTEGER,
            redactions TEXT NOT NULL DEFAULT '{}',
            UNIQUE (run, step, topic)
        )"""
    )


def m003_users_forks_and_tokens(db: Connection) -> None:
    """Whose run it was, which run it was forked from, and how sure the model was of each token."""
    db.execute("ALTER TABLE runs ADD COLUMN user_id TEXT NOT NULL DEFAULT ''")
    db.execute("ALTER TABLE runs ADD COLUMN forked_from TEXT")
    db.execute("ALTER TABLE runs ADD COLUMN forked_step INTEGER")
    # [[characters, probability or null], ...] over `raw`; lengths, as the texts would undo a redaction.
    db.execute("ALTER TABLE interactions ADD COLUMN tokens TEXT")


def m004_feedback(db: Connection) -> None:
    """What people said about runs and interactions; and which erasures began, so that each one ends."""
    # Deleting a row looks for rows that refer to it: without these a whole table for each.
    db.execute("CREATE INDEX interactions_of_parent ON interactions(parent) WHERE parent IS NOT NULL")
    db.execute(
        "CREATE INDEX interactions_escalated ON interactions(escalated_from) WHERE escalated_from IS NOT NULL"
    )
    db.execute(
        """
        CREATE TABLE feedback (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            run TEXT NOT NULL REFERENCES runs(id),
            interaction INTEGER REFERENCES interactions(id),    -- NULL: about the run's answer
            verdict TEXT NOT NULL,      -- accept, correct, comment, label
            call TEXT,                  -- what would have been right
            label TEXT NOT NULL DEFAULT '',
            text TEXT NOT NULL DEFAULT '',
            author TEXT NOT NULL DEFAULT '',
            created_ns INTEGER NOT NULL,
            redactions TEXT NOT NULL DEFAULT '{}'
        )"""
    )
    db.execute("CREATE INDEX feedback_of_interaction ON feedback(interaction)")
    db.execute("CREATE INDEX feedback_of_run ON feedback(run)")
    db.execute(
        """
        CREATE TABLE erasures (         -- holds nothing of what was erased
            run_hash TEXT PRIMARY KEY,  -- sha256:HEX of the run's id
            reason TEXT NOT NULL,       -- run, user, retention
            begun_ns INTEGER NOT NULL,  -- its rows are gone since then
            ended_ns INTEGER,           -- its bytes are overwritten since then; NULL: not yet
            counts TEXT NOT NULL        -- JSON: table -> rows
        )"""
    )


def m005_search_and_browsing(db: Connection) -> None:
    """Where texts stand, for full-text search; and indexes for lists, filters and sums.

    The table of texts itself is made by `SearchIndex`: each database has its own kind.
    """
    db.execute(
        """
        CREATE TABLE search_documents (
            id INTEGER PRIMARY KEY,     -- in the order in which things were said
            text INTEGER NOT NULL,      -- its id in search_text; another document's when said again
            run TEXT NOT NULL,
            interaction INTEGER,        -- NULL: the run's own task, answer and error, or feedback on them
            kind TEXT NOT NULL,         -- run, message, plan, model, tool, feedback
            content INTEGER,            -- from the hash of a message
            version INTEGER NOT NULL    -- when what it was made of had ended; 0 for what was at work
        )"""
    )
    db.execute("CREATE INDEX search_documents_of_run ON search_documents(run, text)")
    db.execute("CREATE INDEX search_documents_again ON search_documents(text, id) WHERE text <> id")
    db.execute(
        "CREATE UNIQUE INDEX search_documents_of_content ON search_documents(content)"
        " WHERE content IS NOT NULL"
    )
    db.execute("CREATE INDEX search_documents_at_work ON search_documents(id) WHERE version = 0")
    db.execute("CREATE INDEX search_documents_runs ON search_documents(id) WHERE kind = 'run'")
    db.execute("CREATE TABLE search_state (name TEXT PRIMARY KEY, value INTEGER NOT NULL)")

    db.execute("CREATE INDEX runs_ended ON runs(ended_ns)")
    for column in ("status", "workflow", "user_id"):
        db.execute(f"CREATE INDEX runs_by_{column} ON runs({column}, id)")
    # By expert or tool first a list of runs is found, then whether one run has such an interaction.
    db.execute("DROP INDEX interactions_of_expert")
    db.execute("CREATE INDEX interactions_of_expert ON interactions(expert, run, status)")
    db.execute("CREATE INDEX interactions_of_tool ON interactions(tool, run, status) WHERE tool <> ''")
    # What a list of runs adds up, so that it need not read the rows, which hold all that was said.
    db.execute(
        "CREATE INDEX interactions_sums ON interactions(run, kind, expert, tokens_in, tokens_out, cost)"
    )


MIGRATIONS: tuple[Migration, ...] = (
    m001_runs_and_interactions,
    m002_journal,
    m003_users_forks_and_tokens,
    m004_feedback,
    m005_search_and_browsing,
)


def sqlite_tables(db: Connection) -> set[str]:
    """Names of the tables of an SQLite file."""
    return {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def applied(db: Connection, tables: Callable[[Connection], set[str]] = sqlite_tables) -> list[str]:
    """Names of the migrations that this database has, in order; empty for a new one."""
    if "migrations" not in tables(db):
        return []
    return [row[0] for row in db.execute("SELECT name FROM migrations ORDER BY number")]


def migrate(
    db: Connection,
    where: str,
    migrations: Sequence[Migration] = MIGRATIONS,
    tables: Callable[[Connection], set[str]] = sqlite_tables,
) -> list[str]:
    """Bring the schema up to date inside the caller's transaction; returns the names newly applied.

    Args:
        where: the database's name for messages.
        tables: tells which tables there are.

    Raises:
        UserError: the database is not a record, or was written by a newer Speeddial.
    """
    have = applied(db, tables)
    names = [migration.__name__ for migration in migrations]
    if not have and tables(db):
        raise UserError(f"{where} is a database but not a Speeddial record", hint="name another one")
    if have != names[: len(have)]:
        unknown = [name for name in have if name not in names]
        raise UserError(
            f"{where} was written by a newer Speeddial (schema {have[-1]}, this one knows up to {names[-1]})"
            if unknown
            else f"{where} has migrations {have} where {names[: len(have)]} were expected",
            hint="upgrade Speeddial, or name another record",
        )
    if not have:
        db.execute(
            "CREATE TABLE migrations"
            " (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_ns INTEGER NOT NULL)"
        )
    for migration in migrations[len(have) :]:
        migration(db)
        db.execute(
            "INSERT INTO migrations (name, applied_ns) VALUES (?, ?)", (migration.__name__, time.time_ns())
        )
    return names[len(have) :]
