"""The official JSON-Schema-Test-Suite: exact, too strict, refused or permissive, schema by schema.

    python -m benchmarks.schema_suite draft2020-12.jsonl[.xz] [--list permissive,strict,refused]

Reads lines ``{"file", "groups": [{"description", "schema", "tests": [{"description", "data", "valid"}]}]}``.
A schema is *permissive* when the check takes an instance that the suite calls invalid, or the grammar does
without the contract's report naming the rule that is checked afterwards; *strict* when a valid instance is
refused (objects are closed, sizes bounded, and so on: see docs/contract.md); *refused* when there is no
contract or no grammar for it. Ends with 1 when anything is permissive.
"""

from __future__ import annotations

import argparse
import json
import lzma
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from speeddial.contract import Contract
from speeddial.contract.formats import admits
from speeddial.contract.jsontext import write_json
from speeddial.errors import DefinitionError


def judged(schema: Any, tests: list[dict[str, Any]]) -> tuple[str, str]:
    """Verdict on a schema and what led to it."""
    try:
        contract = Contract.from_schema(schema)
        after = contract.report.after
    except DefinitionError as error:
        return "refused", " ".join(str(error).split())[:160]
    verdict, why = "exact", ""
    for test in tests:
        taken = not contract.check(test["data"])
        written = admits(contract.grammar, write_json(test["data"]))
        if not test["valid"] and (taken or (written and not after)):
            return "permissive", f"{test['description']}: {json.dumps(test['data'])[:80]}"
        if test["valid"] and not taken and not why:
            verdict, why = "strict", f"{test['description']}: {json.dumps(test['data'])[:80]}"
    return verdict, why


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("suite", type=Path)
    parser.add_argument("--list", default="permissive", help="verdicts to list one by one (permissive)")
    options = parser.parse_args()
    listed = options.list.split(",")
    verdicts: Counter[str] = Counter()
    open_suite = lzma.open if options.suite.suffix == ".xz" else open
    with open_suite(options.suite, "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            for group in row["groups"]:
                verdict, why = judged(group["schema"], group["tests"])
                verdicts[verdict] += 1
                if verdict in listed:
                    print(f"{verdict}: {row['file']}: {group['description']}: {why}")
    for verdict in ("exact", "strict", "refused", "permissive"):
        print(f"{verdict:10} {verdicts[verdict]:4}")
    sys.exit(1 if verdicts["permissive"] else 0)


if __name__ == "__main__":
    main()
