"""The LoRA modules of a vLLM server: under which name it has which weights.

A name may outlive its weights: an expert's next version has the expert's name, and a folder may have been
written anew since the server read it. So weights are asked for by a name that has their hash,
``FOLDER-HASH``. A server started with ``VLLM_ALLOW_RUNTIME_LORA_UPDATING`` is told to load them; any other
has to be started with them. Under a plain name, such as an expert's, a module is taken where the path that
the server tells of it does not say that it is another.
"""

from __future__ import annotations

import time
from functools import lru_cache
from os.path import normpath
from pathlib import Path

from speeddial.errors import EngineError, EngineRefused, EngineUnreachable
from speeddial.models.adapter import TENSORS, weights_hash
from speeddial.models.server import Server

_HASH = 12
"""Hexadecimal digits of the hash in a name."""
_AGAIN = 60.0
"""Seconds after which the server is asked anew what it has: somebody may have started it otherwise."""
_LOADING = 300.0
"""Seconds; a CPU server that is busy with other requests loads between them."""


def module_name(folder: Path) -> str:
    """The name under which a server is to have the weights of an adapter folder.

    Of ``experts/organizer/adapter`` it is ``organizer-`` and the first digits of their hash.
    """
    digest = _hash(folder)
    return f"{_label(folder)}-{digest}" if digest else _label(folder)


class ModuleAbsent(EngineRefused):
    """The server has nothing that could be an adapter's weights, and loads none."""


class LoraModules:
    """What one server has, and is told to load.

    Args:
        server: of vLLM.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._known: dict[tuple[Path, str, str], tuple[float, str | EngineRefused]] = {}

    async def served_name(self, folder: Path, name: str = "") -> str:
        """The name under which the server has an adapter's weights; loaded now where it may be.

        Args:
            folder: of the adapter.
            name: a plain name that a module of these weights may have, an expert's; the folder's own is tried
                besides.

        Raises:
            ModuleAbsent: it has nothing of these names.
            EngineRefused: it has other weights under such a name, or does not say which.
        """
        place = folder, name, _hash(folder)
        until, found = self._known.get(place, (0.0, ""))
        if time.monotonic() >= until:
            try:
                found = await self._found(folder, name)
            except EngineRefused as error:
                found = error
            self._known[place] = time.monotonic() + _AGAIN, found
        if isinstance(found, EngineRefused):
            raise found
        return found

    def forget(self) -> None:
        """Ask the server anew: it failed, and may come back with other modules."""
        self._known.clear()

    async def _found(self, folder: Path, name: str) -> str:
        own, digest = module_name(folder), _hash(folder)
        listed = await self._listed()
        told: str | None = ""
        if digest:
            # Wherever they lie: a version's weights are also those of the expert that it takes the place of.
            for known, root in listed.items():
                if known.endswith(f"-{digest}") and _says(root) in ("", digest):
                    return await self._kept(known, root, folder)
            if own not in listed:
                told = await self._load(own, folder)
                if told is None:
                    return own
        plain = [known for known in dict.fromkeys((name, _label(folder))) if known in listed]
        for known in plain:
            root, says = listed[known], _says(listed[known])
            # Nothing speaks against the folder's own name, nor against any where no path is told.
            own_name = not root or known == _label(folder)
            if not digest or says == digest or (not says and own_name):
                return known
        hint = _start(own, folder)
        for known in (own, *plain):
            if known in listed:
                raise EngineRefused(
                    f"{self._server.label}: the server has {known!r} from {listed[known]}, "
                    f"{'not' if _says(listed[known]) else 'maybe not'} the weights in {folder}",
                    hint=hint,
                )
        raise ModuleAbsent(
            f"{self._server.label}: the server has not the adapter {folder}{told and f' ({told})'}", hint=hint
        )

    async def _listed(self) -> dict[str, str]:
        """Name -> path of the modules; empty where the server tells none."""
        told = await self._server.ask("models")
        rows = told.get("data") if isinstance(told, dict) else None
        found = [row for row in rows or () if isinstance(row, dict) and "id" in row]
        # A base has a path and no parent.
        modules = [row for row in found if row.get("parent") or not row.get("root")]
        return {str(row["id"]): str(row.get("root") or "") for row in modules}

    async def _kept(self, name: str, root: str, folder: Path) -> str:
        """A module whose folder is gone is read from where the weights are now: the server may have to."""
        if _is_gone(root):
            await self._load(name, folder, anew=True)
        return name

    async def _load(self, name: str, folder: Path, *, anew: bool = False) -> str | None:
        """Have the server load weights; None when it did, else why it failed if it tried."""
        body = {"lora_name": name, "lora_path": _whole(folder)}
        try:
            await self._server.post(
                "load_lora_adapter", body | ({"load_inplace": True} if anew else {}), name, seconds=_LOADING
            )
        except EngineError as error:
            # Somebody else may have told it meanwhile.
            if name in await self._listed():
                return None
            return error.message if isinstance(error, EngineUnreachable) else ""
        return None


def _label(folder: Path) -> str:
    # experts/NAME/adapter; a version's cards name theirs by ../../adapter.
    folder = Path(normpath(folder))
    return folder.parent.name if folder.name == "adapter" else folder.name


def _whole(folder: Path) -> str:
    return str(folder.resolve())


def _is_gone(root: str) -> bool:
    return Path(root).is_absolute() and not Path(root).exists()


def _start(name: str, folder: Path) -> str:
    """What to start a server with that is to have these weights."""
    return (
        f"start it with --enable-lora --lora-modules {name}={_whole(folder)}, or with "
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 where it sees this folder: it is told to load it then"
    )


def _says(root: str) -> str:
    """The hash of the weights in a folder that a server names; empty where it cannot be seen from here."""
    return _hash(Path(root)) if root else ""


def _hash(folder: Path) -> str:
    try:
        stat = (folder / TENSORS).stat()
    except OSError:
        return ""
    return _read(folder, stat.st_mtime_ns, stat.st_size, stat.st_ino)


@lru_cache(maxsize=256)
def _read(folder: Path, *_stat: int) -> str:
    return weights_hash(folder).removeprefix("sha256:")[:_HASH]
