"""The values of the settings, with the errors and oddities in them."""

from __future__ import annotations

import resource
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from server.access.capacity import room_for
from server.codec.decoding import ReadError
from server.settings.readers import same_address
from server.settings.setting import Setting
from server.settings.table import SETTINGS
from server.settings.users import SECRET_CHARS, TOKEN_SECRETS

# The settings that only a node uses.
_OF_NODES = ("NATS_CREDS", "NATS_CA", "NATS_PREFIX", "NATS_ENCRYPT", "NODE_NAME")


class SettingError(Exception):
    """Settings have wrong values.

    Args:
        problems: a line for each of them, with the name of the setting and its allowed values, never the value.
    """

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class Settings:
    """The current values, by the name of the setting in lower case: ``settings.port``.

    Args:
        environment: the texts, by the name of the setting.
        remarks: sentences about oddities of the sources of the texts, for :meth:`oddities`.
        problems: errors in the sources of the texts.
        from_file: secrets that were read from a file, which an error about them mentions.
        sources: where each text comes from, by the name of the setting.

    Raises:
        SettingError: values are wrong, or conflict; it names all of them.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        remarks: Sequence[str] = (),
        problems: Sequence[str] = (),
        from_file: Collection[str] = (),
        sources: Mapping[str, str] | None = None,
    ) -> None:
        self.remarks = tuple(remarks)
        self._sources = {name: source for name, source in (sources or {}).items() if environment.get(name, "").strip()}
        self._values: dict[str, Any] = {}
        self._registration_is_given = bool(environment.get("REGISTRATION", "").strip())
        wrong: dict[str, str] = {}
        for setting in SETTINGS:
            text = environment.get(setting.name, "")
            if not setting.secret or not text.strip(" \t\r\n"):
                text = text.strip()
            value = setting.default
            if text:
                try:
                    value = setting.read(text)
                except ReadError as error:
                    wrong[setting.name] = str(error)
                except (ValueError, KeyError):
                    wrong[setting.name] = f"must be {setting.kind}"
            self._values[setting.name.lower()] = value
        self._given = dict(self._values)
        if not self.database_url and self.db_name:
            user, password = quote(self.db_user, safe=""), quote(self.db_pass, safe="")
            host = quote(self.db_host, safe="")
            login = f"{user}:{password}" if password else user
            self._values["database_url"] = f"postgresql://{login}@{host}:{self.db_port}/{quote(self.db_name, safe='')}"
        for names, name, problem in self._beside_each_other():
            if wrong.keys().isdisjoint(names):  # else it was not these values that were given
                wrong[name] = problem
        lines = [
            f"{name} (from {name}_FILE) {problem}" if name in from_file else f"{name} {problem}"
            for name, problem in wrong.items()
        ]
        if problems or lines:
            raise SettingError(*problems, *lines)

    def given(self) -> Iterator[tuple[Setting, Any, str]]:
        """Yield each setting with its value and where that comes from: a file, the environment, an option, or default.

        ``DATABASE_URL`` is as it was given, also if the value that is used is made from ``DB_NAME``.
        """
        for setting in SETTINGS:
            yield setting, self._given[setting.name.lower()], self._sources.get(setting.name, "default")

    def _beside_each_other(self) -> Iterator[tuple[tuple[str, ...], str, str]]:
        """Yield conflicts between valid values: the settings involved, the one to name, and the problem."""
        if self.slow_bytes_high < self.slow_bytes_low:
            yield ("SLOW_BYTES_HIGH", "SLOW_BYTES_LOW"), "SLOW_BYTES_HIGH", "must not be below SLOW_BYTES_LOW"
        if self.jwt_secret_weak == "refuse":  # noqa: S105 - what to do
            for name in self._short_secrets():
                problem = f"must have {SECRET_CHARS} characters or more, unless JWT_SECRET_WEAK is allow"
                yield (name, "JWT_SECRET_WEAK"), name, problem
        if self.jwt_secret_previous and not self.jwt_secret:
            names = ("JWT_SECRET_PREVIOUS", "JWT_SECRET")
            yield names, "JWT_SECRET_PREVIOUS", "must not be set without JWT_SECRET"
        if self.server_secret and self.server_secret in (self.jwt_secret, self.jwt_secret_previous):
            problem = "must differ from JWT_SECRET and JWT_SECRET_PREVIOUS, which applications know"
            yield TOKEN_SECRETS, "SERVER_SECRET", problem
        if self.nats_url and not self.database_url:
            beside = ("NATS_URL", "DATABASE_URL", "DB_NAME")
            yield beside, "NATS_URL", "must not be set without DATABASE_URL: the nodes share a database"
        if self.nats_creds and any("@" in url for url in self.nats_url):
            names = ("NATS_CREDS", "NATS_URL")
            yield names, "NATS_CREDS", "must not be set with a user in NATS_URL: a node logs in with one of them"
        if self.smtp_url:
            for name in ("PUBLIC_URL", "MAIL_FROM"):
                if not self._values[name.lower()]:
                    yield ("SMTP_URL", name), "SMTP_URL", f"must not be set without {name}"
                    break
        if self.admin_port and self.admin_port == self.port and same_address(self.host, self.admin_host):
            problem = "must differ from PORT, as HOST and ADMIN_HOST have an address in common"
            yield ("PORT", "ADMIN_PORT", "HOST", "ADMIN_HOST"), "ADMIN_PORT", problem

    def _short_secrets(self) -> list[str]:
        return [name for name in TOKEN_SECRETS if 0 < len(self._values[name.lower()]) < SECRET_CHARS]

    def oddities(self) -> Iterator[str]:
        """Yield a sentence about each oddity of valid settings."""
        yield from self.remarks
        for name in self._short_secrets():
            yield f"{name} has fewer than {SECRET_CHARS} characters: tokens can be forged by brute force"
        if self.guests and not self.server_secret and not self.database_url:
            yield "SERVER_SECRET is not set and there is no database: guests are not recognized after a restart"
        if not self.nats_url:
            # Compared with their defaults: what is given as such changes nothing.
            for setting in SETTINGS:
                if setting.name in _OF_NODES and self._values[setting.name.lower()] != setting.default:
                    yield f"{setting.name} is set and NATS_URL is not: this server is alone, and does not use it"
        if not self.jwt_secret and self.registration == "closed":  # else the users are those of this server
            yield "JWT_SECRET is not set: tokens of an application are refused"
        if self.jwt_secret and self.registration == "open" and not self._registration_is_given:
            yield "JWT_SECRET is set and REGISTRATION is not: users may make accounts here besides those they have"
        if self.registration != "closed" and not self.database_url:
            yield "there is no database: accounts made here are lost when the server stops"
        if self.registration != "closed" and not self.public_url.startswith("https://"):
            how = "is not https: browsers" if self.public_url else "is not set: browsers may"
            yield f"PUBLIC_URL {how} send passwords and the cookies of logins without encryption"
        most, of_address = self.max_connections, self.max_connections_per_address
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # the hard limit, to which the start raises the soft one
        allowed = None if limit == resource.RLIM_INFINITY else room_for(limit)
        if most is not None and allowed is not None and most > allowed:
            yield f"MAX_CONNECTIONS is {most}, but the limit of open files, {limit}, leaves room for {allowed}"
        bound = most if most is not None else allowed
        if of_address is not None and bound is not None and of_address > bound:
            yield f"MAX_CONNECTIONS_PER_ADDRESS is {of_address}, but only {bound} connections are possible in all"

    def renewed(self, new: Settings) -> tuple[Settings, list[str], list[str]]:
        """Return these settings with the live ones of ``new``, the names of those that changed, and the names of
        changed settings that need a restart."""
        changed = [s for s in SETTINGS if self._given[s.name.lower()] != new._given[s.name.lower()]]
        live = {s.name.lower(): new._given[s.name.lower()] for s in changed if s.live}
        renewed = Settings({}, new.remarks)
        renewed._registration_is_given = new._registration_is_given
        renewed._values, renewed._given = self._values | live, self._given | live
        return renewed, [s.name for s in changed if s.live], [s.name for s in changed if not s.live]

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(name) from None
