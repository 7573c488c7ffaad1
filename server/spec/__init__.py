"""The API documents ``/asyncapi.json`` and ``/openapi.json``, generated from the records that the server uses."""
