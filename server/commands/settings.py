"""``settings``: the values that a server would have, and where they come from."""

from argparse import ArgumentParser, Namespace

from server.commands.opening import Nouns, add_command
from server.commands.output import Output
from server.settings.setting import show
from server.settings.values import Settings

_COLUMNS = ("setting", "value", "source")


def add(nouns: Nouns) -> ArgumentParser:
    """Add the parser."""
    parser = add_command(
        nouns,
        "settings",
        "show the settings that are given, and where each comes from",
        "Show the settings that are given, and whether they come from the environment, a file or an option. Secrets are"
        " shown as set.",
        json=True,
    )
    parser.add_argument("--all", action="store_true", help="show those with their default value, too")
    return parser


def run_settings(settings: Settings, options: Namespace) -> int:
    """Print them, and return the exit status."""
    rows = [
        {"setting": setting.name, "value": "set" if setting.secret and value else show(value), "source": source}
        for setting, value, source in settings.given()
        if options.all or source != "default"
    ]
    Output(json=options.json).rows(_COLUMNS, rows)
    return 0
