"""`docs/log-lines.md` has every line that the code logs, and no other."""

import ast
import re
from collections.abc import Iterator

from server.logs.folding import ACCESS
from tests.support.process import ROOT
from utils.log_fields import CLIENTS

PACKAGES = ("utils", "model", "storage", "chat", "server")
DOCUMENT = (ROOT / "docs" / "log-lines.md").read_text(encoding="utf-8")
LEVELS = {name: name for name in ("debug", "info", "warning", "error")} | {"exception": "error", "log": "varies"}
LOGGERS = {"CLIENTS": CLIENTS, "ACCESS": ACCESS}
_PLACE = re.compile(r"%(?:\.\d+)?[a-z]")

Line = tuple[str, str, str]


def lines_of(module: str, tree: ast.Module) -> Iterator[Line]:
    """Yield the level, the logger and the template of each line of a module."""
    loggers = {
        node.targets[0].id: node.value.args[0]
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and makes_logger(node.value)
        if isinstance(node.value, ast.Call)
    }
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS):
            continue
        owner = node.func.value
        if isinstance(owner, ast.Name) and owner.id in loggers:
            name = loggers[owner.id]
        elif makes_logger(owner) and isinstance(owner, ast.Call):
            name = owner.args[0]
        else:
            continue
        template = node.args[node.func.attr == "log"]
        yield LEVELS[node.func.attr], name_of(name, module), text_of(template)


def makes_logger(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "logging.getLogger" and bool(node.args)


def name_of(argument: ast.expr, module: str) -> str:
    if isinstance(argument, ast.Constant):
        return str(argument.value)
    name = ast.unparse(argument)
    return module if name == "__name__" else LOGGERS.get(name, name)


def text_of(template: ast.expr) -> str:
    """Return a template with `...` for what differs."""
    if isinstance(template, ast.JoinedStr):
        text = "".join(str(part.value) if isinstance(part, ast.Constant) else "..." for part in template.values)
    else:
        text = str(template.value) if isinstance(template, ast.Constant) else "..."
    return _PLACE.sub("...", text)


def logged() -> set[Line]:
    return {
        line
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for line in lines_of(".".join(path.relative_to(ROOT).with_suffix("").parts), ast.parse(path.read_text()))
        if line[1] != "window.logger"  # of `server.logs.folding`: it repeats others
    }


def test_every_line_is_explained() -> None:
    rows = re.findall(r"^\| (\w+) \| `([\w.]+)` \| `(.+?)` \| .*\|$", DOCUMENT, re.MULTILINE)
    assert len(rows) == len(set(rows))
    assert set(rows) == logged()


def test_lines_are_found_in_each_form() -> None:
    """So that a line that is written in another way is not overlooked."""
    tree = ast.parse(
        "log = logging.getLogger(__name__)\nclients = logging.getLogger(CLIENTS)\n"
        "log.info('%s: %.1f s', a, b)\nclients.log(level, f'no {c}', d)\nlogging.getLogger('x').warning(text)\n"
        "log.exception('failed')\nlog.debug('seen')\nother.info('no')\n"
    )
    assert set(lines_of("a.b", tree)) == {
        ("info", "a.b", "...: ... s"),
        ("varies", "parley.clients", "no ..."),
        ("warning", "x", "..."),
        ("error", "a.b", "failed"),
        ("debug", "a.b", "seen"),
    }
