"""Orders of Taskmaster-4 as nested calls: an item, how many, and lists of attributes and extras.

The original calls name things by ids that an earlier call gave; here they are named as the person named them.
Only orders of which every text stands in the request are kept; quantities, texts there, become integers.
"""

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from speeddial.jsonlines import read_objects
from training.caller_rows import Definition, Row, call, example, shuffled

_ID = re.compile(r"-\d+$")
_WORDINGS = [
    ("add_order_item", "item", "quantity", "attributes", "name", "option", "extras"),
    ("orderDrink", "drink", "count", "options", "kind", "value", "addons"),
    ("place_coffee_order", "product", "amount", "customisations", "attribute", "choice", "toppings"),
    ("order.create", "beverage", "number", "settings", "key", "value", "additions"),
]
_OTHERS: list[Definition] = [
    {
        "name": "show_menu",
        "description": "Show what is served",
        "parameters": {"type": "object", "properties": {"category": {"type": "string"}}},
    },
    {
        "name": "finish_order",
        "description": "Send an order off to be made",
        "parameters": {
            "type": "object",
            "properties": {"order_id": {"type": "string"}},
            "required": ["order_id"],
        },
    },
]


def rows(folder: Path, part: str, rng: random.Random) -> Iterator[Row]:
    """Cases of a part: train or dev."""
    for _, dialogue in read_objects(folder / f"{part}.jsonl.xz"):
        names: dict[str, str] = {}
        for number, turn in enumerate(dialogue["turns"]):
            for step in turn.get("steps", ()):
                if step.get("resp") == "get_menu_items" and isinstance(step["value"], dict):
                    for item in step["value"].get("menu_items", ()):
                        names[item["menu_item_id"]] = item["name"]
            orders = [step["args"] for step in turn.get("steps", ()) if step.get("call") == "add_order_item"]
            wording = rng.choice(_WORDINGS)
            calls = [_order(args, names, turn["t"], wording) for args in orders]
            if not calls or None in calls or len(turn["t"]) > 300:
                continue
            tools = shuffled([_tool(wording), *rng.sample(_OTHERS, rng.choice([0, 1, 2]))], rng)
            kind = "several" if len(calls) > 1 else "call"
            made = [call(wording[0], arguments) for arguments in calls if arguments]
            if case := example(f"tm4-{dialogue['id']}.{number}", f"tm4-{kind}", tools, turn["t"], made):
                yield case


def _order(
    args: dict[str, Any], names: dict[str, str], text: str, wording: tuple[str, ...]
) -> dict[str, Any] | None:
    _, item, quantity, attributes, kind, value, extras = wording
    name = _as_said(names.get(str(args.get("menu_item_id")), ""), text)
    count = str(args.get("quantity", ""))
    if not name or not count.isdigit() or set(args) - {"menu_item_id", "quantity", "attributes", "addons"}:
        return None
    order: dict[str, Any] = {item: name, quantity: int(count)}
    chosen = []
    for one in args.get("attributes") or ():
        option = _as_said(str(one.get("option", "")), text)
        if not option:
            return None
        chosen.append({kind: str(one["attribute_id"]).replace("-", " "), value: option})
    added = [
        _as_said(_ID.sub("", str(one.get("addon_id", ""))).replace("-", " "), text)
        for one in args.get("addons") or ()
    ]
    if not all(added) or any(one.get("option") != "ADD" for one in args.get("addons") or ()):
        return None
    return order | ({attributes: chosen} if chosen else {}) | ({extras: added} if added else {})


def _as_said(name: str, text: str) -> str:
    found = re.search(rf"(?<!\w){re.escape(name.casefold())}(?!\w)", text.casefold()) if name else None
    return text[found.start() : found.end()] if found else ""


def _tool(wording: tuple[str, ...]) -> Definition:
    name, item, quantity, attributes, kind, value, extras = wording
    kinds = ["size", "hot or iced", "milk options", "order type", "Name", "blend", "syrup options"]
    entry = {
        "type": "object",
        "properties": {kind: {"type": "string", "examples": kinds}, value: {"type": "string"}},
        "required": [kind, value],
    }
    return {
        "name": name,
        "description": "Put a drink into the order",
        "parameters": {
            "type": "object",
            "properties": {
                item: {"type": "string", "description": "As on the menu"},
                quantity: {"type": "integer", "minimum": 1},
                attributes: {
                    "type": "array",
                    "items": entry,
                    "description": "Such as hot or iced, milk options, size",
                },
                extras: {
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "Sauces and shots to add",
                },
            },
            "required": [item, quantity],
        },
    }
