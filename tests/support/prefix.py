"""A real proxy that serves Parley below `/parley/` and takes that off the path, as the README shows it."""

from tests.support.proxies import ProxyProcess

_NGINX = """
    location /parley/ {{
      if ($request_uri !~ ^/parley(?<path>/.*)$) {{ return 400; }}
      proxy_pass http://127.0.0.1:{port}$path;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }}
"""
_CADDY = """
  handle_path /parley/* {{
    reverse_proxy 127.0.0.1:{port}
  }}
"""
BELOW_A_PATH = {"nginx": _NGINX, "caddy": _CADDY}


def below_a_path(name: str, port: int) -> ProxyProcess:
    """`name` is nginx or caddy; `port` is where Parley listens. Not started yet."""
    return ProxyProcess(name, BELOW_A_PATH[name].format(port=port))
