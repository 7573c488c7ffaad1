"""Real reverse proxies for tests: nginx, haproxy and Caddy from Debian, each with a configuration given by the test."""

import socket
import subprocess
from pathlib import Path
from typing import Self

from tests.support.debian import fetch
from tests.support.process import (
    NotReadyError,
    free_port,
    inherited_environment,
    make_temp_folder,
    poll_until,
    remove_temp_folder,
    spawn,
)

# One process each, in the foreground, which writes only into its folder and its log.
_NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr warn;
events {{ worker_connections 1000; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
  server {{
    listen 127.0.0.1:{port}{listen};
{body}
  }}
}}
"""
_HAPROXY = """
global
  maxconn 1000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend test
  bind 127.0.0.1:{port}{listen}
{body}
"""
_CADDY = """
{{
  admin off
  auto_https off
}}
http://:{port} {{
  bind 127.0.0.1
{body}
}}
"""
_CONFIGURATIONS = {"nginx": _NGINX, "haproxy": _HAPROXY, "caddy": _CADDY}


class ProxyProcess:
    """One proxy on a free port of 127.0.0.1, that dies with pytest.

    Args:
        name: nginx, haproxy or caddy.
        body: the content of nginx's `server` (`$connection_upgrade` is defined for upgrades), the lines after the
            `bind` of haproxy's frontend (more sections may follow), or the content of Caddy's site.
        listen: options after the address of nginx's `listen` or haproxy's `bind`, such as " proxy_protocol".

    Methods block, and start() raises `tests.support.debian.ProgramMissingError` if the program is not available.
    """

    def __init__(self, name: str, body: str, *, listen: str = "") -> None:
        self._name = name
        self._body = body
        self._listen = listen
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None
        self.port = free_port()

    @property
    def http_url(self) -> str:
        """`http://127.0.0.1:<port>`, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """`ws://127.0.0.1:<port>`, without a slash at the end."""
        return f"ws://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Start it and wait until it listens. Raises NotReadyError with its output, such as a wrong configuration."""
        program = fetch(self._name)
        folder = self._folder = make_temp_folder(self._name)
        configuration = folder / "configuration"
        text = _CONFIGURATIONS[self._name]
        configuration.write_text(
            text.format(folder=folder, port=self.port, listen=self._listen, body=self._body), encoding="utf-8"
        )
        commands: dict[str, list[str | Path]] = {
            "nginx": ["-e", "stderr", "-p", folder, "-c", configuration],
            "haproxy": ["-db", "-f", configuration],
            "caddy": ["run", "--adapter", "caddyfile", "--config", configuration],
        }
        environment = {**inherited_environment(), "HOME": str(folder), **program.environment}
        command = [program.executable, *commands[self._name]]
        self._process = spawn(command, log=folder / "log", env=environment, cwd=folder)
        try:
            poll_until(self._listens, what=f"{self._name} listens")
        except NotReadyError as error:
            said = self.log_text()
            self.remove()
            raise NotReadyError(f"{error}\n{said[-4000:]}") from None
        return self

    def log_text(self) -> str:
        """Return what it has written so far."""
        log = None if self._folder is None else self._folder / "log"
        return log.read_text(errors="replace") if log is not None and log.exists() else ""

    def remove(self) -> None:
        """Kill it if it still runs and remove its folder. Safe to call twice."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._folder is not None:
            remove_temp_folder(self._folder)
            self._folder = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.remove()

    def _listens(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise NotReadyError(f"{self._name} ended with status {self._process.returncode}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
