"""The planner's fifth stage, a short one: what nobody serves, alone and beside what somebody does.

    python -m training.planner_strangers DATA PACK OUT [--seed N]

PACK is planner_pack_train.jsonl of `training.planner_pack`, whose openings and served requests are used; DATA
holds clinc150/, whose requests about travel, money, languages and the like nobody in the pack serves. OUT
receives planner_strangers_train.jsonl.
"""

import argparse
import json
import random
from pathlib import Path

from training.organizer import compact, read, write
from training.planner import Row

INTENTS = (
    *("book_flight", "translate", "transfer", "definition", "exchange_rate", "calculator", "book_hotel"),
    *("car_rental", "tell_joke", "spelling", "balance", "pay_bill", "uber", "directions", "gas", "recipe"),
    *(
        "fun_fact",
        "flight_status",
        "insurance",
        "mpg",
        "credit_score",
        "travel_suggestion",
        "measurement_conversion",
    ),
    *(
        "order",
        "meaning_of_life",
        "what_is_your_name",
        "card_declined",
        "taxes",
        "vaccines",
        "visa",
        "calories",
    ),
    *("oil_change_how", "tire_change", "payday", "rewards_balance", "lost_luggage", "share_location", "text"),
)
"""Of CLINC150; `out of scope` besides."""
ALONE, BESIDE, SERVED = 380, 260, 160
BLOCK = 16
JOINTS = (" and ", " and then ", ", ", ". ", "; ", " then ", " and also ", ". Also, ")


def answer(steps: list[tuple[str, str | None]]) -> str:
    return compact({"steps": [{"task": task, "expert": expert} for task, expert in steps]})


def rows(strangers: list[str], pack: list[Row], rng: random.Random) -> list[Row]:
    """Blocks of one opening each."""
    openings: dict[str, list[Row]] = {}
    for row in pack:
        system, user, said = (message["content"] for message in row["messages"])
        known = json.loads(said)["steps"]
        # Those of one served step are parts to join; files and references would make them no part alone.
        if user.startswith("Task: ") and len(known) == 1 and known[0].keys() == {"task", "expert"}:
            openings.setdefault(system, []).append(row)
    wide = [system for system, own in openings.items() if system.count("\n- ") >= 4 and len(own) >= 3]
    made: list[Row] = []
    while len(made) < ALONE + BESIDE + SERVED:
        system = rng.choice(wide)
        parts = [json.loads(row["messages"][2]["content"])["steps"][0] for row in openings[system]]
        for _ in range(BLOCK):
            stranger = rng.choice(strangers)
            if rng.random() < 0.5:
                stranger = stranger[:1].upper() + stranger[1:] + rng.choice(("", ".", "?"))
            kind = rng.choices(("alone", "beside", "served"), (ALONE, BESIDE, SERVED))[0]
            part = rng.choice(parts)
            steps: list[tuple[str, str | None]] = [(part["task"], part["expert"])]
            if kind == "alone":
                steps = [(stranger.rstrip("."), None)]
            elif kind == "beside":
                steps.insert(rng.randrange(2), (stranger.rstrip(".?"), None))
            user = (
                f"Task: {stranger if kind == 'alone' else rng.choice(JOINTS).join(task for task, _ in steps)}"
            )
            said = [("system", system), ("user", user), ("assistant", answer(steps))]
            messages = [{"role": role, "content": content} for role, content in said]
            made.append({"id": f"planner-strangers-{len(made)}", "messages": messages})
    return made


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("pack", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(f"planner-strangers-{options.seed}")
    clinc = read(options.data / "clinc150" / "train.jsonl.xz")
    strangers = [row["text"] for row in clinc if row["intent"] in INTENTS]
    strangers += [row["text"] for row in read(options.data / "clinc150" / "oos_train.jsonl")]
    made = rows(strangers, read(options.pack), rng)
    out = options.out / "planner_strangers_train.jsonl"
    print(f"{out}: {write(out, made)} rows")


if __name__ == "__main__":
    main()
