"""The API documents ``/asyncapi.json`` and ``/openapi.json``, generated from the records that the server uses."""

from server.spec.asyncapi import asyncapi
from server.spec.existing import EVENTS, PLAIN, ROOMS
from server.spec.native import PARLEY_V1
from server.spec.openapi import openapi

__all__ = ["DIALECTS", "asyncapi", "openapi"]

# All dialects, for `asyncapi`.
DIALECTS = (PARLEY_V1, PLAIN, ROOMS, EVENTS)
