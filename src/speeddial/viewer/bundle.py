"""The page's modules as one script and its style sheets as one sheet.

A page opened from a file may not import modules: each of them has an origin of its own there. So every
module becomes a function that returns what it exports, called in the order in which a browser would run
them. It understands the forms of `import` and `export` that the page uses, no others.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath

STATIC = Path(__file__).with_name("static")
"""The page's files, as the viewer serves them."""
_IMPORT = re.compile(r'^import\s*(\{[^}]*\}|\w+)\s*from\s*"([^"]+)";', re.MULTILINE)
_DECLARED = re.compile(r"^export (?=(?:async function|function|class|const) (\w+))", re.MULTILINE)
_DEFAULT = re.compile(r"\bexport default (?=function\()")
_LISTED = re.compile(r"\bexport\s*\{([^}]*)\};?\s*\Z")
_SHEET = re.compile(r'@import url\("([^"]+)"\);')


def script() -> str:
    """All modules that ``app.js`` needs, with the licences of those that are not ours."""
    modules: dict[str, str] = {}
    _add("app.js", modules)
    licences = (_text(f"vendor/{path.name}") for path in sorted(STATIC.glob("vendor/LICENSE-*")))
    return "".join(f"/*\n{licence}*/\n" for licence in licences) + "".join(modules.values())


def style_sheet() -> str:
    """``app.css`` with the sheets that it imports in their places."""
    return _SHEET.sub(lambda found: _text(found[1]), _text("app.css"))


def _add(name: str, modules: dict[str, str]) -> None:
    """Put a module after those that it imports."""
    source = _text(name)
    imported = {given: normpath(PurePosixPath(name).parent / given) for _, given in _IMPORT.findall(source)}
    for needed in imported.values():
        if needed not in modules:
            _add(needed, modules)
    source = _IMPORT.sub(lambda found: _taken(found[1], _variable(imported[found[2]])), source)
    exports = _DECLARED.findall(source)
    source = _DECLARED.sub("", source)
    if _DEFAULT.search(source):
        source = _DEFAULT.sub("const $default = ", source)
        exports.append("default: $default")
    if listed := _LISTED.search(source):
        source = source[: listed.start()]
        exports += (_exported(part) for part in listed[1].split(","))
    modules[name] = (
        f"const {_variable(name)} = (() => {{\n{source}\nreturn {{ {', '.join(exports)} }};\n}})();\n"
    )


def _taken(names: str, module: str) -> str:
    pattern = names.replace(" as ", ": ") if names.startswith("{") else f"{{ default: {names} }}"
    return f"const {pattern} = {module};"


def _exported(part: str) -> str:
    local, _, name = part.strip().partition(" as ")
    return f"{name}: {local}" if name else local


def _variable(name: str) -> str:
    return "$" + name.removesuffix(".js").replace("/", "_")


def _text(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")
