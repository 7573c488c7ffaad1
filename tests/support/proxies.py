"""Real reverse proxies for tests: nginx, haproxy and Caddy from Debian, with the files of docs/deploy.

What an operator changes in a file is replaced here: ports, the host's name, the certificate, and the addresses of
Parley's nodes.
"""

import re
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Self

from tests.support.certificates import Authority
from tests.support.debian import fetch
from tests.support.process import (
    ROOT,
    NotReadyError,
    free_port,
    inherited_environment,
    make_temp_folder,
    poll_until,
    remove_temp_folder,
    spawn,
)

FILES = {
    "nginx": ("nginx/parley.conf", "nginx/below-a-path.conf"),
    "haproxy": ("haproxy/haproxy.cfg", "haproxy/below-a-path.cfg"),
    "caddy": ("caddy/Caddyfile", "caddy/below-a-path.Caddyfile"),
}
PATH = "/parley"
# For clients of proxies with TLS: their certificates are of authorities that exist only during a test.
UNCHECKED = ssl.create_default_context()
UNCHECKED.check_hostname, UNCHECKED.verify_mode = False, ssl.CERT_NONE
_NODE = "127.0.0.1:8080"
# What the files are part of. One process each, in the foreground, which writes only into its folder and its log.
_NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr warn;
events {{ worker_connections 1000; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
{text}
}}
"""
_HAPROXY = """
global
  maxconn 1000
  log stderr format raw local0
{text}
"""
# skip_install_trust: else Caddy adds its authority to those that this machine trusts.
_CADDY = """\
{{
\tadmin off
\tskip_install_trust
\tdefault_bind 127.0.0.1
\thttp_port {http}
\thttps_port {https}
}}

{text}
"""
_AROUND = {"nginx": _NGINX, "haproxy": _HAPROXY, "caddy": _CADDY}
_CERTIFICATE = re.compile(r"/etc/letsencrypt/live/\S+/(fullchain|privkey)\.pem|/etc/haproxy/parley\.pem")


def example(name: str, *, below_a_path: bool = False) -> str:
    """Return the configuration of nginx, haproxy or caddy in docs/deploy; below the path `PATH` if wanted."""
    return (ROOT / "docs" / "deploy" / FILES[name][below_a_path]).read_text(encoding="utf-8")


class ProxyProcess:
    """One proxy on free ports of this machine, that dies with pytest.

    Args:
        name: nginx, haproxy or caddy.
        text: the configuration: `example(name)`, or a part of it that a test has changed.
        nodes: the ports of Parley's nodes, or their addresses.
        tls: serve TLS at `port`, with a certificate for localhost, and plain HTTP at `http_port`. Without, `port` has
            plain HTTP: for tests of anything else.
        listen: options after the address of nginx's `listen` or haproxy's `bind`, such as " proxy_protocol".

    Methods block, and start() and check() raise `tests.support.debian.ProgramMissingError` if the program is not
    available.
    """

    def __init__(self, name: str, text: str, *nodes: int | str, tls: bool = False, listen: str = "") -> None:
        self._name = name
        self._text = text
        self._nodes = [node if isinstance(node, str) else f"127.0.0.1:{node}" for node in nodes]
        self._tls = tls
        self._listen = listen
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None
        self.port = free_port()
        self.http_port = free_port()

    @property
    def http_url(self) -> str:
        """The URL without a slash at the end: `https://localhost:<port>` with TLS, else `http://127.0.0.1:<port>`."""
        return f"https://localhost:{self.port}" if self._tls else f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """The same, for WebSockets."""
        return "ws" + self.http_url.removeprefix("http")

    def start(self) -> Self:
        """Start it and wait until it listens. Raises NotReadyError with its output, such as a wrong configuration."""
        configuration = self._write()
        options: dict[str, list[str | Path]] = {
            "nginx": ["-e", "stderr", "-p", configuration.parent, "-c", configuration],
            "haproxy": ["-db", "-f", configuration],
            "caddy": ["run", "--adapter", "caddyfile", "--config", configuration],
        }
        command, environment = self._command(options[self._name])
        log = configuration.parent / "log"
        self._process = spawn(command, log=log, env=environment, cwd=configuration.parent)
        try:
            poll_until(self._listens, what=f"{self._name} listens")
        except NotReadyError as error:
            said = self.log_text()
            self.remove()
            raise NotReadyError(f"{error}\n{said[-4000:]}") from None
        return self

    def check(self) -> "subprocess.CompletedProcess[str]":
        """Let the program look at its configuration, as an operator does before a reload. Call remove() afterwards."""
        configuration = self._write()
        options: dict[str, list[str | Path]] = {
            "nginx": ["-t", "-e", "stderr", "-p", configuration.parent, "-c", configuration],
            "haproxy": ["-c", "-f", configuration],
            "caddy": ["validate", "--adapter", "caddyfile", "--config", configuration],
        }
        command, environment = self._command(options[self._name])
        return subprocess.run(
            command, env=environment, cwd=configuration.parent, capture_output=True, text=True, check=False
        )

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

    def _command(self, options: list[str | Path]) -> tuple[list[str | Path], dict[str, str]]:
        program = fetch(self._name)
        environment = {**inherited_environment(), "HOME": str(self._folder), **program.environment}
        if self._name == "caddy":
            environment["PARLEY_HOST"] = "localhost" if self._tls else f"http://:{self.port}"
            if self._nodes:
                environment["PARLEY_NODES"] = " ".join(self._nodes)
        return [program.executable, *options], environment

    def _write(self) -> Path:
        """Write the configuration for this machine into a folder of its own."""
        if self._folder is None:
            self._folder = make_temp_folder(self._name)
        text = "\n".join(line for whole in self._text.splitlines() for line in self._lines(whole))
        http, https = (self.http_port, self.port) if self._tls else (self.port, self.http_port)
        configuration = self._folder / "configuration"
        whole = _AROUND[self._name].format(folder=self._folder, text=text, http=http, https=https)
        configuration.write_text(whole, encoding="utf-8")
        if self._tls and self._name != "caddy":
            certificate, key = Authority(self._folder).issue("DNS:localhost")
            (self._folder / "both.pem").write_text(certificate.read_text() + key.read_text())
        return configuration

    def _lines(self, line: str) -> list[str]:
        """Return what is in a configuration of this machine instead of a line: one for each node, if it has one's."""
        if self._name == "caddy":
            return [line]  # has variables
        if not self._tls and re.search(r"^\s*ssl_|redirect scheme https", line):
            return []
        line = re.sub(r"\b(chat\.example\.com|example\.org)\b", "localhost", line) if "/etc/" not in line else line
        line = _CERTIFICATE.sub(f"{self._folder}/both.pem", line)
        if found := re.search(r"^(\s*(?:listen|bind) )(\[::\])?:?(80|443)\b(.*?)(;?)$", line):
            before, ipv6, port, options, after = found.groups()
            if port == "443" and not self._tls:
                options = " v6only" if ipv6 and self._name == "haproxy" else ""
            options += self._listen if port == "443" else ""
            here = self.port if port == "443" else self.http_port
            return [f"{before}{'[::1]' if ipv6 else '127.0.0.1'}:{here}{options}{after}"]
        if _NODE in line and self._nodes:
            named = [line.replace("server a", f"server {chr(ord('a') + number)}") for number in range(len(self._nodes))]
            return [each.replace(_NODE, node) for each, node in zip(named, self._nodes, strict=True)]
        return [line]

    def _listens(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise NotReadyError(f"{self._name} ended with status {self._process.returncode}")
        try:
            with socket.create_connection(("127.0.0.1", self.port)) as probe:
                if self._tls:  # Caddy listens before it has a certificate
                    UNCHECKED.wrap_socket(probe, server_hostname="localhost").close()
        except OSError:
            return False
        return True
