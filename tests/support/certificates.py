"""Certificates of a certificate authority of our own, made by openssl."""

import os
import subprocess
from pathlib import Path

from tests.support.debian import fetch

_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
_VALID = ("-days", "2")


class Authority:
    """A certificate authority.

    Args:
        folder: for its files and those of its certificates.

    Attributes:
        file: its own certificate.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._openssl = fetch("openssl")
        self.file = folder / "authority.pem"
        (folder / "openssl.conf").write_text("[req]\ndistinguished_name = name\n[name]\n")
        extensions = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
        self._run(
            "req", "-x509", *_NEW_KEY, *_VALID, "-subj", "/CN=authority", *extensions, key="authority", out=self.file
        )

    def issue(self, subject: str) -> tuple[Path, Path]:
        """Return the files of a certificate for a subject, such as IP:127.0.0.1 or DNS:example, and of its key."""
        name = subject.replace(":", "-")
        request, file, more = (self._folder / f"{name}.{end}" for end in ("request", "pem", "more"))
        more.write_text(f"subjectAltName={subject}\nbasicConstraints=critical,CA:FALSE\n")
        self._run("req", "-new", *_NEW_KEY, "-subj", f"/CN={name}", key=name, out=request)
        signer = ("-CA", self.file, "-CAkey", self._folder / "authority.key", "-CAcreateserial", *_VALID)
        self._openssl_run("x509", "-req", "-in", request, *signer, "-extfile", more, "-out", file)
        return file, self._folder / f"{name}.key"

    def _run(self, *arguments: str, key: str, out: Path) -> None:
        files = ("-keyout", self._folder / f"{key}.key", "-out", out)
        self._openssl_run(*arguments, "-config", self._folder / "openssl.conf", *files)

    def _openssl_run(self, *arguments: str | Path) -> None:
        environment = os.environ | self._openssl.environment
        subprocess.run([self._openssl.executable, *arguments], check=True, capture_output=True, env=environment)
