"""A real proxy that serves Parley below `/parley/` and strips that prefix, configured as the README says."""

import re

from tests.support.process import ROOT
from tests.support.proxies import ProxyProcess

_FENCE = re.compile(r"^```(?:nginx|caddyfile)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TEXT = (ROOT / "README.md").read_text("utf-8").partition("Below `/parley/`:")[2]
BELOW_A_PATH = dict(zip(("nginx", "caddy"), _FENCE.findall(_TEXT), strict=True))


def below_a_path(name: str, port: int) -> ProxyProcess:
    """`name` is nginx or caddy; `port` is where Parley listens. Not started yet."""
    return ProxyProcess(name, BELOW_A_PATH[name].replace(":8080", f":{port}"))
