"""The API documents ``/asyncapi.json`` and ``/openapi.json``, generated from the records that the server uses."""

from __future__ import annotations

from server.spec.api_chat import EVENTS
from server.spec.asyncapi import asyncapi
from server.spec.native import PARLEY_V1
from server.spec.openapi import openapi
from server.spec.plain import PLAIN
from server.spec.ws import ROOMS

__all__ = ["DIALECTS", "asyncapi", "openapi"]

DIALECTS = (PARLEY_V1, PLAIN, ROOMS, EVENTS)
"""All dialects, for `asyncapi`."""
