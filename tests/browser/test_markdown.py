"""The text of messages: which marks are drawn, where addresses end, and that no text takes long."""

import json
from typing import Any

from playwright.async_api import Page

from tests.browser.test_modules import run

BLOCKS = {"view/markdown/blocks.js": "blocks, plainBlocks"}
TEXT = {"view/markdown/text.js": "text, plain, isOnlyEmoji"}
# Elements as markup would write them, with short names for what is always the same.
SHOW = """
  const show = (node) => {
    if (node.nodeType === 3) return node.data;
    const inner = [...node.childNodes].map(show).join("");
    if (node.nodeType === 11) return inner;
    const href = node.href ? ` ${node.getAttribute("href")}` : "";
    const name = node.localName + (node.className ? `.${node.className}` : "") + href;
    return `<${name}>${inner}</${node.localName}>`;
  };
  const drawn = (content) => {
    const made = text(content, { isMe: (name) => name === "me",
      roomAddress: (name) => `?r=${name}`, openRoom() {} });
    return typeof made === "string" ? made : show(made);
  };
"""


async def draw(page: Page, cases: list[tuple[str, str]], then: str = "") -> dict[str, str]:
    """Return how the texts of these cases are drawn; `then` is applied to each."""
    contents = [content for content, _ in cases]
    script = f"{SHOW} return {json.dumps(contents)}.map((content) => drawn(content){then});"
    return dict(zip(contents, await run(page, TEXT, script), strict=True))


MARKS = [
    ("plain", "plain"),
    ("*a* _b_ **c** __d__ ~~e~~", "<em>a</em> <em>b</em> <strong>c</strong> <strong>d</strong> <del>e</del>"),
    ("***a***", "<em><strong>a</strong></em>"),
    ("**a*b*c**", "<strong>a<em>b</em>c</strong>"),
    ("snake_case_name 2 * 3 * 4 ~x~ ****", "snake_case_name 2 * 3 * 4 ~x~ ****"),
    ("*open **open ~~open", "*open **open ~~open"),
    ("**\u4f60\u597d\u3002**\u4e16\u754c", "<strong>\u4f60\u597d\u3002</strong>\u4e16\u754c"),
    ("\\*a\\* \\_b\\_ \\`c\\`", "*a* _b_ `c`"),
    ("\u00af\\_(\u30c4)_/\u00af", "\u00af\\_(\u30c4)_/\u00af"),
    ("`*a* <b>` ``x`y`` `open", "<code>*a* <b></code> <code>x`y</code> `open"),
    ("one\ntwo", "one\ntwo"),
    ("def f():\n    return 1", "def f():\n    return 1"),
    ("one\n\ntwo", "<p>one</p><p>two</p>"),
    ("*a\n\nb*", "<p>*a</p><p>b*</p>"),
    ("> a\n> b\nc", "<blockquote><p>a\nb</p></blockquote><p>c</p>"),
    ("> > a", "<blockquote><blockquote><p>a</p></blockquote></blockquote>"),
    ("- a\n- b\n  - c", "<ul><li><p>a</p></li><li><p>b</p><ul><li><p>c</p></li></ul></li></ul>"),
    ("3. a\n4. b", "<ol><li><p>a</p></li><li><p>b</p></li></ol>"),
    ("-5 degrees\n- \n1.5", "-5 degrees\n- \n1.5"),
    ("```\nunclosed", "```\nunclosed"),
    ("# no heading\n| no | table |\n---", "# no heading\n| no | table |\n---"),
    ("<b>x</b> &amp; <img src=x>", "<b>x</b> &amp; <img src=x>"),
    (
        "@here: @all, @Everyone. @allan @all-in",
        "@here: @all, @Everyone. <bdi.at-name>@allan</bdi> <bdi.at-name>@all-in</bdi>",
    ),
    ("@ann @[Bob B] a@b", "<bdi.at-name>@ann</bdi> <bdi.at-name>@Bob B</bdi> a@b"),
    ("@[x\\y\\\\] @[z\\]", "<bdi.at-name>@x\\y\\</bdi> @[z]"),
    ("@[x\\]y] @me", "<bdi.at-name>@x]y</bdi> <bdi.at-name at-me>@me</bdi>"),
    ("\u4f60\u597d@ann", "\u4f60\u597d<bdi.at-name>@ann</bdi>"),
    ("#general #1 x#general", "<a.room-name ?r=general>#general</a> #1 x#general"),
]


async def test_marks_are_drawn_and_everything_else_is_shown_as_typed(page: Page) -> None:
    assert await draw(page, MARKS) == dict(MARKS)


async def test_code_keeps_its_lines_and_can_be_copied(page: Page) -> None:
    content = "before\n```js\n  a *b* <c>\n\n@ann\n```\nafter"
    code = "<button.copy-code>Copy</button><pre><code>  a *b* <c>\n\n@ann</code></pre>"
    shown = f"<p>before</p><div.code-block>{code}</div><p>after</p>"
    assert await draw(page, [(content, "")]) == {content: shown}


ADDRESSES = [
    ("see https://example.com/a_(b)?c=1&d=2.", "see [https://example.com/a_(b)?c=1&d=2]."),
    ("(https://a.example/x)", "([https://a.example/x])"),
    ("**http://a.example/b**", "<strong>[http://a.example/b]</strong>"),
    ("http://127.0.0.1:4173/\uff08\u6784\u5efa\uff09\u3002", "[http://127.0.0.1:4173/]\uff08\u6784\u5efa\uff09\u3002"),
    ("\u770bhttp://example.com/a\u3002", "\u770b[http://example.com/a]\u3002"),
    ("https://example.com/\u202egnp.exe", "[https://example.com/]\u202egnp.exe"),
    ("http://\u0430pple.com/x", "[http://\u0430pple.com/x|http://xn--pple-43d.com/x]"),
    ("https://good.example@evil.example/a https://a.example%2f:b@evil.example",
     "[https://good.example@evil.example/a|https://evil.example/a] "
     "[https://a.example%2f:b@evil.example|https://evil.example/]"),
    ("javascript:alert(1) data:text/html,x //x.y", "javascript:alert(1) data:text/html,x //x.y"),
    ("www.example.com, www.", "[https://www.example.com|www.example.com], www."),
    ("me@example.org and a@b", "[mailto:me@example.org|me@example.org] and a@b"),
    ("mailto:a@b.example tel:+49-30-1234 xmpp:r@x.example",
     "[mailto:a@b.example] [tel:+49-30-1234] [xmpp:r@x.example]"),
    ("hotel:12345 xhttp://a.example", "hotel:12345 xhttp://a.example"),
]  # fmt: skip


async def test_addresses_become_links_and_end_where_they_end(page: Page) -> None:
    links = (
        """.replace(/<a (\\S+?)>(.*?)<\\/a>/g, (_, href, text) => href === text ? `[${href}]` : `[${href}|${text}]`)"""
    )
    assert await draw(page, ADDRESSES, links) == dict(ADDRESSES)


WORDED = [
    ("[words](https://a.example/b)", "<a https://a.example/b>words</a> <bdi.host>(a.example)</bdi>"),
    ("[good.example](https://a.example)", "<a https://a.example>good.example</a> <bdi.host>(a.example)</bdi>"),
    ("[a.example](https://a.example)", "<a https://a.example>a.example</a>"),
    ("[*a* b](mailto:x@y.example)",
     "<a mailto:x@y.example><em>a</em> b</a> <bdi.host>(mailto:x@y.example)</bdi>"),
    ("[x](javascript:alert(1)) [y](data:x) [z]", "[x](javascript:alert(1)) [y](data:x) [z]"),
    ("![i](https://a.example/c.png)", "![i](<a https://a.example/c.png>https://a.example/c.png</a>)"),
    ("[https://good.example](https://a.example)",
     "[<a https://good.example>https://good.example</a>](<a https://a.example>https://a.example</a>)"),
]  # fmt: skip


async def test_a_link_with_words_shows_where_it_leads(page: Page) -> None:
    """No text hides its address; an image is not drawn."""
    assert await draw(page, WORDED) == dict(WORDED)


async def test_emoji_alone_are_told_from_text(page: Page) -> None:
    """Also those of several characters: flags, keycaps, families, skin tones."""
    big = ["\U0001f389", "\U0001f1e9\U0001f1ea", "1\ufe0f\u20e3", "\U0001f468\u200d\U0001f469\u200d\U0001f467",
           "\U0001f44d\U0001f3fd \u2764\ufe0f",
           "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"]  # fmt: skip
    small = ["1", "#", "\U0001f389 party", "\U0001f389" * 7, "", "(\u30c4)"]
    script = f"return {json.dumps([*big, *small])}.map(isOnlyEmoji);"
    assert await run(page, TEXT, script) == [True] * len(big) + [False] * len(small)


async def test_the_plain_text_has_no_marks(page: Page) -> None:
    """For notifications, quotes and screen readers."""
    content = "**Hi** @[Bob B]: `x`\n> q\n- one\n- two\n[w](https://a.example)"
    assert await run(page, TEXT, f"return plain({json.dumps(content)});") == "Hi @Bob B: x\nq\none\ntwo\nw"


HOSTILE = """
  const rep = (part, most = 4000) => part.repeat(Math.ceil(most / part.length)).slice(0, most);
  const row = (count, make) => Array.from({ length: count }, (_, i) => make(i));
  const parts = [">", "> ", "> - ", "1) > ", "*", "*a ", "**a ", "_a*", "*a_ ", "a**b", "~~a ", "[", "]", "[a](",
    "[a](http://a", "[a](tel:((((", "![", "`", "- ", "* a\\n", "- a\\n\\n", "> a\\n", "http://", "http://a ", "www.",
    "a@a.", "a.", "x", "@[", "@a.", "#1", "#a-", "@[\\\\", "#[\\\\]", "tel:1", "\\\\*", "\\n", " ", "a\\t",
    "```\\n", "```a\\n", "~~~\\n```\\n", "<a ", "\\u0301", "("];
  const inputs = [
    ...parts.map((part) => rep(part)),
    row(88, (i) => "`".repeat(i + 1)).join(" "),
    row(88, (i) => "`".repeat(90 - i)).join("\\n"),
    row(60, (i) => `${" ".repeat(2 * i)}- a`).join("\\n"),
    "*".repeat(2000) + "a" + "*".repeat(1999),
    rep("*a ", 2000) + rep("a* ", 2000),
    rep("*a _a ", 2000) + rep("a_ a* ", 2000),
    rep("[", 1300) + "a" + rep("](http://a.bc)", 2600),
    rep("x", 2000) + "@" + rep("y.", 1999),
    "@a" + rep("-.", 3998),
    "#" + rep("1.", 3999),
    "#[" + rep("\\\\", 3998),
    "@[" + rep("\\\\", 3998) + "]",
    "@[" + rep("\\\\a", 3998),
    "` " + rep("a", 3997) + "`",
    "` " + rep(" ", 3996) + "`",
    "`" + rep(" a", 3998) + "`",
  ];
"""


async def test_no_text_takes_long_or_nests_without_end(page: Page) -> None:
    """The longest message, of any marks: parsed in less than 20 ms of the processor's time, best of five."""
    cdp = await page.context.new_cdp_session(page)
    await cdp.send("Performance.enable")

    async def spent() -> float:
        """Return the seconds that the page's thread has worked: a busy machine does not count."""
        metrics = (await cdp.send("Performance.getMetrics"))["metrics"]
        return next(float(metric["value"]) for metric in metrics if metric["name"] == "ThreadTime")

    inputs, deep = await run(
        page,
        BLOCKS,
        f"""{HOSTILE}
        const depth = (part) => 1 + Math.max(0, ...[part.children, part.blocks, ...(part.items ?? [])].flat()
          .filter((each) => each && typeof each === "object").map(depth));
        window.parse = (i) => {{ blocks(inputs[i]); }};
        const deep = inputs.filter((input) => depth({{ blocks: blocks(input) }}) > 14);
        return [inputs.map((input) => input.slice(0, 20)), deep.map((input) => input.slice(0, 20))];""",
    )
    slow, took = [], 0.0
    for number, text in enumerate(inputs):
        for _ in range(5):
            before = await spent()
            await page.evaluate("(i) => window.parse(i)", number)
            if (took := await spent() - before) < 0.02:
                break
        else:
            slow.append((text, took))
    assert (slow, deep) == ([], [])


async def test_a_parsed_text_loses_no_word(page: Page) -> None:
    """Whatever the marks are: all letters of the hostile texts are still there."""
    lost: list[Any] = await run(
        page,
        BLOCKS,
        f"""{HOSTILE}
        const letters = (text) => text.replace(/https?:\\/\\/|[^a-z]/g, "").length;
        const withoutTargets = (text) => text.replace(/\\]\\((http|tel)[^)]*\\)/g, "");
        const lost = inputs.filter((input) => letters(plainBlocks(blocks(input))) < letters(withoutTargets(input)));
        return lost.map((input) => input.slice(0, 20));""",
    )
    assert lost == []


async def test_a_text_of_nothing_but_marks_makes_few_elements(page: Page) -> None:
    """Whatever the marks are; what is drawn without them is still there, and in its place."""
    many, text = await run(
        page,
        TEXT,
        f"""{SHOW}{HOSTILE}
        const count = (made) => typeof made === "string" ? 0 : made.querySelectorAll("*").length;
        const many = inputs.filter((input) => count(text(input, {{}}, 100)) > 130).map((input) => input.slice(0, 20));
        const made = text("*a* **b** `c` @d\\n- e\\n- *f*\\n- g *h*\\n\\n> i", {{}}, 4);
        return [many, show(made)];""",
    )
    assert many == []
    assert text == ("<p><em>a</em> <strong>b</strong> <code>c</code> @d</p>e\nf\ng h\ni")
