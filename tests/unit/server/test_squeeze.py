"""What is left of modules."""

import pytest

from server.web.squeeze import squeezed


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ("// a\nlet b = 1; // c\n", "let b=1;"),
        ("/** a\n * b */\nlet c = /** @type {d} */ (e);", "let c=(e);"),
        ("if (a) {\n  b();\n}\nc()\nd()\n", "if(a){b();}\nc()\nd()"),
        ("return\n  a", "return\na"),
        ("return /** @type {a} */\n  (b)", "return\n(b)"),
        ("a = b\n(c)", "a=b\n(c)"),
        ("a + +b - -c; d++ + e", "a + +b - -c;d++ + e"),
        ("1 .toFixed(); a in b; x = y / z / 2", "1 .toFixed();a in b;x=y / z / 2"),
        ('let a = "  // x\\" \' ";', 'let a="  // x\\" \' ";'),
        ("let a = '\\\\' + '/*';", "let a='\\\\' + '/*';"),
        ("a(`  b // c\n  ${ d  +  `  ${ { e:  1 } }  /* f */` }  $ { g } \\` \\${`)", None),
        ("a = b.match(/[/ \"'`]  \\/ /g) || /  x/.test(y);", "a=b.match(/[/ \"'`]  \\/ /g)||/  x/.test(y);"),
        ("a = (b) / 2; c = d[0] / e /  f", "a=(b)/ 2;c=d[0]/ e / f"),
        ("return /  a/;", "return /  a/;"),
        ("a = b ? `c` / d : `e`", "a=b?`c` / d:`e`"),
        (
            "class A {\n  #b = 1;\n\n  get c() {\n    return this.#b;\n  }\n}\n",
            "class A{#b=1;get c(){return this.#b;}}",
        ),
    ],
)
def test_only_comments_and_space_are_left_out(written: str, left: str | None) -> None:
    if left is None:
        left = "a(`  b // c\n  ${ d + `  ${{e:1}}  /* f */` }  $ { g } \\` \\${`)"
    assert squeezed(written) == f"{left}\n"
