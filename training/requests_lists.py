"""Generated requests about lists."""

import random
from typing import Any

from training import words
from training.hwu64 import call
from training.requests import Request, article, bare, template, tidy
from training.words import pick


def item_text(rng: random.Random, dev: bool, kind: str) -> str:
    pools = {"food": words.GROCERY, "thing": words.THING, "task": words.TASK_ITEM}
    return pick(rng, pools[kind], dev)


def list_and_kind(rng: random.Random, dev: bool) -> tuple[str, str]:
    name = pick(rng, words.LIST, dev)
    if name in (
        "shopping",
        "grocery",
        "groceries",
        "costco",
        "bakery",
        "farmers market",
        "picnic",
        "Aldi",
        "kitchen",
    ):
        return name, "food"
    if name in (
        "to do",
        "to-do",
        "todo",
        "errands",
        "work",
        "chores",
        "household",
        "project",
        "homework",
        "weekend",
        "tasks",
        "daily tasks",
        "DIY",
    ):
        return name, "task"
    return name, rng.choice(["thing", "thing", "food", "task"])


def list_phrase(rng: random.Random, name: str) -> str:
    if (
        name
        in ("books to read", "movies to watch", "things to buy", "restaurants to try", "contacts to call")
        or rng.random() < 0.04
    ):
        return rng.choice([f"my list of {name}", f"the list of {name}", f"my {name} list"])
    return rng.choice(
        [
            f"my {name} list",
            f"the {name} list",
            f"my {name} list",
            f"the {name} list",
            f"our {name} list",
            f"{name} list",
        ]
    )


def enumeration(rng: random.Random, items: list[str], spoken: bool) -> str:
    if len(items) == 1:
        return items[0]
    joint = rng.choice([" and ", " and ", " and ", ", "]) if not spoken else " and "
    comma = " " if spoken and rng.random() < 0.5 else (", " if not spoken else " and ")
    return (
        comma.join(items[:-1])
        + (", and " if not spoken and len(items) > 2 and rng.random() < 0.2 else joint)
        + items[-1]
    )


def add_to_list(rng: random.Random, dev: bool, spoken: bool) -> Request:
    name, kind = list_and_kind(rng, dev)
    count = rng.choice([1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5])
    items: list[str] = []
    for _ in range(4 * count):  # the development words may be fewer than asked for
        if len(items) == count:
            break
        item = item_text(rng, dev, kind)
        if item not in items and not any(item in other or other in item for other in items):
            items.append(item)
    if not spoken and rng.random() < 0.1 and kind != "food":
        quote = rng.choice(['"', "'"])
        said = " and ".join(f"{quote}{i}{quote}" for i in items[:2])
        items = items[:2]
    elif kind == "thing" and rng.random() < 0.25:
        said = enumeration(
            rng,
            [
                article(i) if i[0].islower() and not i.startswith(("a ", "new ", "running")) else i
                for i in items
            ],
            spoken,
        )
    else:
        said = enumeration(rng, items, spoken)
    fill = {"i": said, "l": list_phrase(rng, name)}
    arguments: dict[str, Any] = {"items": [bare(i) for i in items], "list": name}
    form = rng.random()
    imperative = True
    if form < 0.7:
        pattern = template(
            rng,
            """
add {i} to {l}|add {i} to {l}|put {i} on {l}|put {i} on {l}|add {i} on {l}|write {i} on {l}
note {i} on {l}|include {i} in {l}|on {l} put {i}|add to {l}: {i}|to {l} add {i}|I need {i} on {l}
append {i} to {l}|stick {i} on {l}|{l}: add {i}|put down {i} on {l}|~pop {i} on {l}
~{l} should also have {i}|~jot {i} down on {l}|I want {i} added to {l}|update {l} with {i}
enter {i} in {l}
""",
            dev,
        )
        imperative = not pattern.startswith(("I ", "{l}", "on ", "to "))
    elif form < 0.8:
        arguments.pop("list")
        pattern = template(
            rng,
            """
add {i} to the list|add {i} to my list|put {i} on the list|put {i} on my list|~throw {i} on the list
""",
            dev,
        )
    elif form < 0.87 and kind == "food":
        arguments.pop("list")
        pattern = template(
            rng,
            """
we need {i}|we're out of {i}|I need {i}|we need more {i}|we ran out of {i}|~there is no more {i}
""",
            dev,
        )
        imperative = False
    elif form < 0.95:
        arguments.pop("items")
        pattern = template(
            rng,
            """
create {l1}|make {l1}|start {l1}|create a new list called {n}|create a list named {n}
make a new list for {n}|start a new {n} list|I need a new {n} list|create a list for {n}|new {n} list
~open up a fresh {n} list|~set up {l1}
""",
            dev,
        )
        fill |= {"n": name, "l1": f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name} list"}
        imperative = not pattern.startswith(("I ", "new"))
    else:
        pattern = template(
            rng,
            """
create {l1} with {i}|start {l1} with {i}|make a new list called {n} with {i}|~begin {l1} with {i} on it
""",
            dev,
        )
        fill |= {"n": name, "l1": f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name} list"}
    if (
        name.endswith("s")
        and "{l1}" in pattern
        and fill["l1"].startswith("a ")
        and name.startswith(("books", "movies", "things"))
    ):
        fill["l1"] = f"a list of {name}"
    return Request(tidy(pattern.format(**fill)), call("add_to_list", **arguments), imperative=imperative)


def show_list(rng: random.Random, dev: bool, spoken: bool) -> Request:
    name, kind = list_and_kind(rng, dev)
    item = bare(item_text(rng, dev, kind))
    form = rng.random()
    if form < 0.72:
        pattern = template(
            rng,
            """
what's on {l}|what is on {l}|show me {l}|show {l}|read {l}|read me {l}|open {l}|what do I have on {l}
tell me what's on {l}|display {l}|is there anything on {l}|is {i} on {l}|do I have {i} on {l}
how many items are on {l}|did I put {i} on {l}|pull up {l}|let me see {l}|check {l}|~what did I put on {l}
~is {i} already on {l}|~walk me through {l}|what's left on {l}|give me {l}|list everything on {l}
""",
            dev,
        )
        return Request(
            tidy(pattern.format(l=list_phrase(rng, name), i=item)),
            call("show_list", list=name),
            imperative=pattern.split()[0]
            in ("show", "read", "open", "tell", "display", "pull", "check", "give", "list"),
        )
    pattern = template(
        rng,
        """
what lists do I have|show me my lists|show all my lists|which lists do I have|list my lists
what are my lists|do I have any lists|show my lists|how many lists do I have|read me the names of my lists
~name all of my lists|~which lists exist|what's on my list|show my list|read the list|what is on the list
""",
        dev,
    )
    return Request(
        pattern, call("show_list"), imperative=pattern.split()[0] in ("show", "list", "read", "name")
    )


def remove_from_list(rng: random.Random, dev: bool, spoken: bool) -> Request:
    name, kind = list_and_kind(rng, dev)
    items = [item_text(rng, dev, kind) for _ in range(rng.choice([1, 1, 1, 1, 2, 2, 3]))]
    if len(set(items)) < len(items) or any(x != y and x in y for x in items for y in items):
        items = items[:1]
    items = [bare(i) for i in items]
    said = enumeration(rng, items, spoken)
    if rng.random() < 0.2:
        said = f"the {said}"
    arguments: dict[str, Any] = {"items": items, "list": name}
    pattern = template(
        rng,
        """
remove {i} from {l}|remove {i} from {l}|delete {i} from {l}|take {i} off {l}|take {i} off of {l}
cross {i} off {l}|strike {i} from {l}|erase {i} from {l}|I don't need {i} anymore, take it off {l}
check {i} off {l}|from {l} remove {i}|tick off {i} on {l}|get rid of {i} on {l}|drop {i} from {l}
~{i} can come off {l}|~wipe {i} off {l}|I bought {i}, remove it from {l}|take {i} out of {l}
remove {i} from the list|take {i} off the list|delete {i} from my list|cross {i} off my list
""",
        dev,
    )
    if "{l}" not in pattern:
        arguments.pop("list")
    return Request(
        tidy(pattern.format(i=said, l=list_phrase(rng, name))),
        call("remove_from_list", **arguments),
        imperative=not pattern.startswith(("I ", "{i}", "from")),
    )


def delete_list(rng: random.Random, dev: bool, spoken: bool) -> Request:
    name, _ = list_and_kind(rng, dev)
    pattern = template(
        rng,
        """
delete {l}|delete {l}|remove {l}|get rid of {l}|erase {l}|throw away {l}|clear {l}|empty {l}
I don't need {l} anymore, delete it|trash {l}|~bin {l}|~I'm done with {l}, remove it|wipe {l}|discard {l}
delete the list called {n}|delete the whole {n} list|delete the list|delete my list
""",
        dev,
    )
    arguments = {"list": name} if "{" in pattern else {}
    return Request(
        tidy(pattern.format(l=list_phrase(rng, name), n=name)),
        call("delete_list", **arguments),
        imperative=pattern[0] != "I",
    )
