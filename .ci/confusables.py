"""Writes utils/confusables.txt: what each character looks like, by Unicode TS 39, as ICU has it.

pip install icukit-pyicu==78.3.1     # PyICU with ICU 78: Unicode 17
python .ci/confusables.py > utils/confusables.txt
"""

from __future__ import annotations

import sys
import unicodedata

import icu

HEAD = f"""\
# Confusables of Unicode {icu.UNICODE_VERSION} (UTS 39, MA), from ICU {icu.ICU_VERSION} by .ci/confusables.py.
# Copyright (c) 1991-2025 Unicode, Inc. Unicode License V3, https://www.unicode.org/license.txt: permission is hereby
# granted, free of charge, to deal in the data files without restriction, provided that this notice appears with them.
# A line: the code points of a prototype, then the characters that look like it, all in hexadecimal."""

checker = icu.SpoofChecker()
alike: dict[str, list[str]] = {}
for code in range(sys.maxunicode + 1):
    if 0xD800 <= code < 0xE000:
        continue
    char = chr(code)
    prototype = checker.getSkeleton(0, char)
    # What decomposes is decomposed before it is looked up; what shows nothing is removed before.
    if prototype and prototype != char and unicodedata.normalize("NFD", char) == char:
        alike.setdefault(prototype, []).append(char)
print(HEAD)
for prototype in sorted(alike):
    print(".".join(f"{ord(char):X}" for char in prototype), *(f"{ord(char):X}" for char in alike[prototype]))
