"""Home Assistant over its REST API: the house it knows, the states of its entities, services and intents.

It is configured by the environment alone, under the names of Home Assistant's own command line:
``HASS_SERVER`` (``http://homeassistant.local:8123``) and ``HASS_TOKEN``, a long-lived access token, which is
written nowhere.
API: https://developers.home-assistant.io/docs/api/rest, and ``/api/intent/handle`` of its intent integration.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from speeddial.errors import ToolError, UserError
from speeddial.house import House, house_of

SERVER, TOKEN = "HASS_SERVER", "HASS_TOKEN"
SECONDS = 10.0
"""What one answer may take; Home Assistant itself gives services ten."""

# Floors and areas stand in registries that only templates can read over REST.
_REGISTRY = """
{%- set all = namespace(floors=[], areas=[]) -%}
{%- for id in floors() -%}
{%- set all.floors = all.floors + [{'id': id, 'name': floor_name(id)}] -%}
{%- endfor -%}
{%- for id in areas() -%}
{%- set all.areas = all.areas + [{'id': id, 'name': area_name(id), 'floor': floor_id(id) or '',
                                  'entities': area_entities(id)}] -%}
{%- endfor -%}
{{ {'floors': all.floors, 'areas': all.areas} | to_json }}
"""


class HomeAssistant:
    """One installation.

    Args:
        url: of its web page, without a path.
        token: a long-lived access token.
    """

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._token = token

    @classmethod
    def configured(cls) -> HomeAssistant | None:
        """The one that the environment names; None when it names none.

        Raises:
            UserError: a server without a token, or one that is no URL.
        """
        url, token = os.environ.get(SERVER, ""), os.environ.get(TOKEN, "")
        if not url:
            return None
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
            raise UserError(
                f"{SERVER}: {url!r} is no URL", hint="for example http://homeassistant.local:8123"
            )
        if not token:
            raise UserError(
                f"{SERVER} is set and {TOKEN} is not",
                hint="make a long-lived access token on your profile's page and export it",
            )
        return cls(url, token)

    def house(self) -> House:
        """Its floors, areas and entities, with their states.

        Raises:
            UserError: it cannot be reached, or does not let us in.
        """
        registry = json.loads(self._ask("POST", "/api/template", {"template": _REGISTRY}))
        place = {entity: area["id"] for area in registry["areas"] for entity in area.pop("entities")}
        entities = [
            {
                "id": one["entity_id"],
                "name": one["attributes"].get("friendly_name") or one["entity_id"],
                "area": place.get(one["entity_id"], ""),
                "state": one["state"],
                "attributes": one["attributes"],
            }
            for one in json.loads(self._ask("GET", "/api/states"))
        ]
        return house_of({**registry, "entities": entities}, self.url)

    def state(self, entity: str) -> tuple[str, Mapping[str, Any]]:
        """State and attributes of one entity.

        Raises:
            UserError: as `house`; also an unknown entity.
        """
        found = json.loads(self._ask("GET", f"/api/states/{quote(entity)}"))
        return found["state"], found["attributes"]

    def call(self, domain: str, service: str, data: Mapping[str, Any]) -> None:
        """Call a service, e.g. ``light``, ``turn_on``, ``{"entity_id": [...]}``.

        Raises:
            ToolError: nothing was done.
            TimeoutError, ConnectionError: nobody knows whether it was.
        """
        self._change(f"/api/services/{domain}/{service}", data)

    def handle(self, intent: str, slots: Mapping[str, Any]) -> str:
        """Let Home Assistant handle an intent by itself.

        Returns:
            What it says to that; may be empty.

        Raises:
            ToolError: it says that it cannot; otherwise as `call`.
        """
        answer = json.loads(self._change("/api/intent/handle", {"name": intent, "data": dict(slots)}))
        said = str(answer.get("speech", {}).get("plain", {}).get("speech", ""))
        if answer.get("response_type") == "error":
            raise ToolError(f"Home Assistant: {said or 'it cannot do that'}")
        return said

    def _change(self, path: str, body: Mapping[str, Any]) -> str:
        try:
            return self._ask("POST", path, body)
        except UserError as error:
            raise ToolError(error.message) from error

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> str:
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                text: str = answer.read().decode()
                return text
        except urllib.error.HTTPError as error:
            with error:
                raise self._said(error, path) from error
        except urllib.error.URLError as error:
            if isinstance(error.reason, TimeoutError):
                raise TimeoutError(f"{self.url} did not answer within {SECONDS:g} s") from error
            raise UserError(
                f"{self.url} cannot be reached: {error.reason}",
                hint=f"start Home Assistant, or mend {SERVER}",
            ) from error
        except TimeoutError as error:
            raise TimeoutError(f"{self.url} did not answer within {SECONDS:g} s") from error

    def _said(self, error: urllib.error.HTTPError, path: str) -> Exception:
        if error.code in (401, 403):
            return UserError(
                f"{self.url} does not accept the token", hint=f"make a new one and export {TOKEN}"
            )
        if error.code == 404 and path.startswith("/api/states/"):
            return UserError(
                f"Home Assistant has no {path.rpartition('/')[2]}", hint="look at its list of states"
            )
        if error.code < 500:
            text = error.read(200).decode(errors="replace").strip()
            return UserError(f"{self.url}{path}: {error.code} {text}", hint="is the server Home Assistant?")
        return ConnectionError(f"{self.url}{path}: {error.code} {error.reason}")
