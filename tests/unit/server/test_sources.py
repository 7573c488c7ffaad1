"""The sources of settings: precedence, files with secrets, unknown names."""

from pathlib import Path

import pytest

from server.settings.sources import FILE_BYTES, read_settings
from server.settings.values import SettingError

SECRET = "a secret of at least thirty-two characters"


# --- precedence ------------------------------------------------------------------------------------------------------


def test_the_environment_wins_over_the_file_and_arguments_over_both(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("PORT=1\nHOST=file\nWORKERS=5\nBATCH\n")
    environment = {"PORT": "2", "HOST": "environment"}
    settings = read_settings(environment, file, host="argument", port=None)
    assert (settings.port, settings.host, settings.workers, settings.batch) == (2, "argument", 5, 500)


def test_a_missing_file_counts_as_empty(tmp_path: Path) -> None:
    assert read_settings({}, tmp_path / "none").port == 8080


def test_an_overridden_invalid_value_is_ignored(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("PORT=nonsense\n")
    assert read_settings({"PORT": "5"}, file).port == 5


# --- secrets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["JWT_SECRET", "DB_PASS"])
@pytest.mark.parametrize("secret", [f" {SECRET}", f"{SECRET}\n", f"\t{SECRET} \n\n", f'"{SECRET}"', f"{SECRET} # x"])
def test_secrets_are_used_literally(tmp_path: Path, name: str, secret: str) -> None:
    """An application that signs with the same variable uses exactly these characters."""
    assert getattr(read_settings({name: secret}), name.lower()) == secret
    dotenv = tmp_path / ".env"
    dotenv.write_bytes(f"{name}='{secret}'\n".encode())
    assert getattr(read_settings({}, dotenv), name.lower()) == secret


@pytest.mark.parametrize(
    ("name", "held", "taken"),
    [
        ("JWT_SECRET", SECRET.encode(), SECRET),
        ("JWT_SECRET", SECRET.encode() + b"\n", SECRET),
        ("JWT_SECRET", SECRET.encode() + b"\r\n", SECRET),
        ("JWT_SECRET", b" " + SECRET.encode() + b" \n\n", f" {SECRET} \n"),
        ("JWT_SECRET", b"\xff" * 40, "\udcff" * 40),
        ("DB_PASS", b"p\n", "p"),
        ("DATABASE_URL", b"postgresql://u:p@h/d\n", "postgresql://u:p@h/d"),
    ],
)
@pytest.mark.parametrize("source", ["environment", "file"])
def test_a_secret_may_be_in_a_file(tmp_path: Path, name: str, held: bytes, taken: str, source: str) -> None:
    """Without the one line end that `echo` and editors append."""
    secret, dotenv = tmp_path / "secret", tmp_path / ".env"
    secret.write_bytes(held)
    given = {f"{name}_FILE": str(secret)}
    if source == "file":
        dotenv.write_text(f"{name}_FILE={secret}\n")
        given = {}
    assert getattr(read_settings(given, dotenv), name.lower()) == taken


@pytest.mark.parametrize("name", ["JWT_SECRET", "DB_PASS", "DATABASE_URL"])
def test_a_secret_may_not_be_set_both_directly_and_by_file(tmp_path: Path, name: str) -> None:
    secret, dotenv = tmp_path / "secret", tmp_path / ".env"
    secret.write_text(SECRET)
    dotenv.write_text(f"{name}_FILE={secret}\n")
    with pytest.raises(SettingError, match=f"^{name} and {name}_FILE are both set; unset one of them$"):
        read_settings({name: SECRET}, dotenv)
    assert read_settings({"DB_PASS": "", "DB_PASS_FILE": str(secret)}).db_pass == SECRET


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    missing, empty, long, zero = (tmp_path / name for name in ("missing", "empty", "long", "zero"))
    empty.write_text("\n")
    long.write_text("x" * (FILE_BYTES + 1))
    zero.write_bytes(b"x\0y")
    for path, said in (
        (missing, f"JWT_SECRET_FILE: no such file: {missing}"),
        (tmp_path, f"JWT_SECRET_FILE: {tmp_path} is not a file"),
        (tmp_path / ("x" * 300), "JWT_SECRET_FILE"),
        (empty, f"JWT_SECRET_FILE: {empty} is empty"),
        (long, f"JWT_SECRET_FILE: {long} contains more than 65536 bytes"),
        (zero, f"JWT_SECRET_FILE: {zero} contains a zero byte"),
    ):
        with pytest.raises(SettingError) as refused:
            read_settings({"JWT_SECRET_FILE": str(path)})
        assert str(refused.value).startswith(said)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("JWT_SECRET", "hunter2", "must have 32 characters or more"),
        ("DATABASE_URL", "hunter2", "must be postgresql://"),
        ("DATABASE_URL", "postgresql://u:hunter2@h/d?x=1", "has a parameter that"),
    ],
)
def test_an_invalid_secret_in_a_file_is_reported_by_setting_and_not_repeated(
    tmp_path: Path, name: str, text: str, problem: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(text)
    with pytest.raises(SettingError) as refused:
        read_settings({f"{name}_FILE": str(secret)})
    assert str(refused.value).startswith(f"{name} (from {name}_FILE) {problem}")
    assert "hunter2" not in str(refused.value)
    with pytest.raises(SettingError) as refused:
        read_settings({name: text})
    assert str(refused.value).startswith(f"{name} {problem}")


def test_all_errors_are_reported_at_once(tmp_path: Path) -> None:
    """In files with secrets, in single values and in combinations; a valid value is not named."""
    secret, dotenv = tmp_path / "secret", tmp_path / ".env"
    secret.write_text("short")
    dotenv.write_text("WORKERS=none\nPORT=80\nADMIN_PORT=80\nSLOW_BYTES_LOW=2000\nSLOW_BYTES_HIGH=x\n")
    given = {"JWT_SECRET_FILE": str(secret), "DB_PASS_FILE": "none", "DATABASE_URL": "mysql://h", "EVENT_LOOP": "trio"}
    with pytest.raises(SettingError) as refused:
        read_settings(given, dotenv)
    named = [problem.partition(" ")[0] for problem in refused.value.problems]
    expected = ["DB_PASS_FILE:", "DATABASE_URL", "SLOW_BYTES_HIGH", "WORKERS", "EVENT_LOOP", "JWT_SECRET", "ADMIN_PORT"]
    assert named == expected


def test_a_folder_is_refused_as_an_env_file(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"is a directory; it must be a file$"):
        read_settings({}, tmp_path)


# --- unknown names ---------------------------------------------------------------------------------------------------


def test_a_misspelt_name_is_reported(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("PROT=9000\nRETENTION_DAY=5\njwt_secret=x\nDB_PASSFILE=/x\nLOG_LEVEL=info\nJWT_SECRET_FILE=\n")
    assert read_settings({}, dotenv).remarks == (
        f"PROT in {dotenv} is not a setting; did you mean PORT?",
        f"RETENTION_DAY in {dotenv} is not a setting; did you mean RETENTION_DAYS?",
        f"jwt_secret in {dotenv} is not a setting; did you mean JWT_SECRET?",
        f"DB_PASSFILE in {dotenv} is not a setting; did you mean DB_PASS_FILE?",
    )


def test_names_of_other_programs_are_only_counted(tmp_path: Path) -> None:
    """A line of an unquoted secret is read as a name."""
    dotenv = tmp_path / ".env"
    dotenv.write_text("POSTGRES_DB=chat\nhunter2\n")
    assert read_settings({}, dotenv).remarks == (f"{dotenv} has 2 other names that are not settings",)
    dotenv.write_text("hunter2\n")
    assert read_settings({}, dotenv).remarks == (f"{dotenv} has 1 other name that is not a setting",)


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("DATABASE_URI", "DATABASE_URL"),
        ("RETENTION_DAY", "RETENTION_DAYS"),
        ("jwt_secret", "JWT_SECRET"),
        ("JWTSECRET", "JWT_SECRET"),
        ("SERVER_SECRETFILE", "SERVER_SECRET_FILE"),
        ("SMTP_URI", "SMTP_URL"),
        ("WORKER", "WORKERS"),
    ],
)
def test_a_misspelt_name_in_the_environment_is_reported(name: str, setting: str) -> None:
    said = f"{name} in the environment is not a setting; did you mean {setting}?"
    assert read_settings({name: "x"}).remarks == (said,)


def test_a_name_next_to_the_setting_that_it_resembles_belongs_to_another_program() -> None:
    assert read_settings({"LOGLEVEL": "INFO", "LOG_LEVEL": "warning"}).remarks == ()


@pytest.mark.parametrize(
    "names",
    [
        "PATH HOME HOSTNAME HOSTTYPE HOST_IP MAIL USER LOGNAME SUDO_USER SSH_CONNECTION BASH BASH_ENV LANG TZ GROUPS",
        "PGHOST PGPORT PGUSER PGPASSFILE PGDATABASE POSTGRES_USER POSTGRES_PASSWORD POSTGRES_DB DATABASE_URL_OLD",
        "NATS_PORT NATS_USER NATS_SERVICE_HOST NODE_ENV NODE_OPTIONS POD_NAME JOB_NAME RUNNER_NAME PARLEY_PORT",
        "DB_SERVICE_HOST DB_PORT_5432_TCP_ADDR KUBERNETES_SERVICE_PORT SMTP_HOST SMTP_PORT SMTP_USER BASE_URL SITE_URL",
        "NOTIFY_SOCKET LISTEN_FDS LISTEN_PID WATCHDOG_USEC INVOCATION_ID CREDENTIALS_DIRECTORY STATE_DIRECTORY",
    ],
)
def test_names_of_other_programs_in_the_environment_are_ignored(names: str) -> None:
    assert read_settings(dict.fromkeys(names.split(), "x")).remarks == ()


@pytest.mark.parametrize(
    ("text", "mode", "warned"),
    [
        ("JWT_SECRET='0123456789abcdefghij0123456789ab'", 0o644, True),
        ("JWT_SECRET='0123456789abcdefghij0123456789ab'", 0o640, False),
        ("JWT_SECRET=\nPORT=1", 0o644, False),
    ],
    ids=["readable by all", "readable by a group", "no secret"],
)
def test_secrets_that_everybody_can_read_are_reported(tmp_path: Path, text: str, mode: int, warned: bool) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"{text}\n")
    dotenv.chmod(mode)
    said = f"{dotenv} contains secrets and can be read by every user of this machine: chmod 600 {dotenv}"
    assert read_settings({}, dotenv).remarks == ((said,) if warned else ())
