"""Modules without comments, indentation and most other space: a seventh of the compressed bytes.

A test compares the result of each module with the written one, token by token, by TypeScript's compiler. Minifiers that
are Python packages take nested templates, as lit-html has them, for code.
"""

import re

# What is taken out before the rest is squeezed: comments, strings, templates and regular expressions. Braces, which may
# end a `${`, count in templates alone.
_LITERAL = re.compile(r"""//[^\n]*|/\*.*?\*/|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[`/]""", re.DOTALL)
_IN_TEMPLATE = re.compile(f"{_LITERAL.pattern}|[{{}}]", re.DOTALL)
_TEMPLATE = re.compile(r"(?:[^`\\$]|\\.|\$(?!\{))*(`|\$\{)", re.DOTALL)
_REGULAR = re.compile(r"/(?:[^\\/\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/\w*")
# Here a slash begins a regular expression; after names and closing brackets it divides.
_BEFORE_REGULAR = re.compile(
    r"(?:^|[^\s\w$.)\]}\0]|\b(?:return|typeof|case|in|of|delete|void|throw|new|else|do|await|yield))\s*$"
)
# Stands for what was taken out.
_PLACE = "\0"
_SPACES = (
    (re.compile(r"\s*\n\s*"), "\n"),
    (re.compile(r"[ \t]+"), " "),
    # What must be before or after stands behind what is searched for: so that is found six times as fast.
    (re.compile(r" (?:(?<=[{}()\[\],;:?=<>&|*!] )|(?=[{}()\[\],;:?=<>&|*!]))"), ""),
    (re.compile(r"\n(?:(?<=[{(\[,;]\n)|(?=[})\],;]))"), ""),
)


def squeezed(code: str) -> str:
    """Return a module's code without comments, indentation and most other space that it does not need."""
    pieces: list[str] = []
    taken: list[str] = []
    braces: list[int] = []  # how many are open, in each open `${`
    at = 0
    while found := (_IN_TEMPLATE if braces else _LITERAL).search(code, at):
        start, text = at, found[0]
        pieces.append(code[start : found.start()])
        at = found.end()
        if text.startswith(("//", "/*")):
            pieces.append("\n" if "\n" in text else " ")
        elif text == "{":
            braces[-1] += 1
            pieces.append(text)
        elif text == "}" and braces[-1]:
            braces[-1] -= 1
            pieces.append(text)
        elif text in ("`", "}"):
            if text == "}":
                braces.pop()
            end = _TEMPLATE.match(code, at)
            assert end is not None, "a template without an end"
            if end[1] == "${":
                braces.append(0)
            taken.append(text + end[0])
            pieces.append(_PLACE)
            at = end.end()
        elif text == "/":
            regular = _BEFORE_REGULAR.search("".join(pieces[-4:])[-60:]) and _REGULAR.match(code, found.start())
            if regular:
                taken.append(regular[0])
                at = regular.end()
            pieces.append(_PLACE if regular else text)
        else:
            taken.append(text)
            pieces.append(_PLACE)
    code = "".join([*pieces, code[at:]])
    for pattern, shorter in _SPACES:
        code = pattern.sub(shorter, code)
    left = iter(taken)
    return re.sub(_PLACE, lambda _: next(left), code).strip() + "\n"
