"""A small Home Assistant on a real port: the REST endpoints that `speeddial.homeassistant` uses."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from jinja2 import Environment

TOKEN = "a-long-lived-token"
FLOORS = {"up": "Upper Floor"}
AREAS = {"study": ("Study", "up", ["light.desk", "cover.blind"]), "hall": ("Hall", None, ["lock.door"])}


class Fake:
    """What the server knows, and what it was asked."""

    def __init__(self) -> None:
        self.states: dict[str, dict[str, Any]] = {
            "light.desk": {"state": "off", "attributes": {"friendly_name": "Desk Lamp"}},
            "light.porch": {"state": "on", "attributes": {"friendly_name": "Porch Lamp"}},
            "cover.blind": {
                "state": "open",
                "attributes": {"friendly_name": "Blind", "device_class": "blind"},
            },
            "lock.door": {"state": "locked", "attributes": {"friendly_name": "Door"}},
            "media_player.hifi": {"state": "idle", "attributes": {"friendly_name": "Hi-Fi"}},
        }
        self.services: list[tuple[str, dict[str, Any]]] = []
        self.intents: list[dict[str, Any]] = []
        self.refuses: str = ""
        """What it answers to the next intent instead of doing it."""
        self.slow: float = 0.0
        self.breaks: int = 0
        """HTTP status of the next service, when not 0."""
        self.url = ""


@contextmanager
def home_assistant() -> Iterator[Fake]:
    fake = Fake()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, status: int, value: Any) -> None:
            body = (value if isinstance(value, str) else json.dumps(value)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _known(self) -> bool:
            if self.headers["Authorization"] == f"Bearer {TOKEN}":
                return True
            self._answer(401, "401: Unauthorized")
            return False

        def do_GET(self) -> None:
            if not self._known():
                return
            if self.path == "/api/states":
                self._answer(200, [{"entity_id": key, **value} for key, value in fake.states.items()])
                return
            entity = self.path.removeprefix("/api/states/")
            if entity in fake.states:
                self._answer(200, {"entity_id": entity, **fake.states[entity]})
            else:
                self._answer(404, {"message": "Entity not found."})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if not self._known():
                return
            time.sleep(fake.slow)
            if self.path == "/api/template":
                self._answer(200, rendered(body["template"]))
            elif self.path == "/api/intent/handle":
                fake.intents.append(body)
                kind = "error" if fake.refuses else "action_done"
                said = {"plain": {"speech": fake.refuses or "Done it"}}
                self._answer(200, {"speech": said, "response_type": kind})
            elif self.path.startswith("/api/services/"):
                if fake.breaks:
                    self._answer(fake.breaks, "it broke")
                    return
                service = self.path.removeprefix("/api/services/")
                fake.services.append((service, body))
                for entity in body["entity_id"]:
                    if service.endswith("turn_on"):
                        fake.states[entity]["state"] = "on"
                self._answer(200, [])
            else:
                self._answer(404, "404: Not Found")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()


def rendered(template: str) -> str:
    """A template as Home Assistant would render it, with its functions for floors and areas."""
    jinja = Environment()
    jinja.filters["to_json"] = json.dumps
    return jinja.from_string(template).render(
        floors=lambda: list(FLOORS),
        floor_name=FLOORS.get,
        areas=lambda: list(AREAS),
        area_name=lambda id: AREAS[id][0],
        floor_id=lambda id: AREAS[id][1],
        area_entities=lambda id: AREAS[id][2],
    )
