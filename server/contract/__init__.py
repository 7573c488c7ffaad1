"""The published contract: ``/asyncapi.json`` and ``/openapi.json``, made from what the server itself runs on."""

from __future__ import annotations

from server.contract.asyncapi import asyncapi
from server.contract.events import EVENTS
from server.contract.native import describe
from server.contract.openapi import openapi
from server.contract.plain import PLAIN
from server.contract.rooms import ROOMS

__all__ = ["DIALECTS", "asyncapi", "openapi"]

DIALECTS = (describe(), PLAIN, ROOMS, EVENTS)
"""Every dialect that is spoken, for `asyncapi`."""
