"""Text that would mean something in SQL, markup, a header or a log line is only text, in every field about rooms."""

from urllib.parse import quote

import pytest

from tests.support.client import Client
from tests.support.web import Web, code, path

HOSTILE = [
    "'; DROP TABLE rooms; --",
    '" OR 1=1 /*',
    "%s %(name)s {0} {room} \\x00",
    "<script>alert(1)</script>",
    "javascript:alert(1)",
    "$(reboot) `reboot` | reboot",
    "../../etc/passwd",
]
SPLIT = "x\r\nSet-Cookie: a=b\r\n\r\nHTTP/1.1 200 OK"


@pytest.mark.parametrize("text", HOSTILE)
async def test_text_stays_text_in_every_field(stored: int, text: str) -> None:
    ann, ben, root = Web(stored, "ann"), Web(stored, "ben"), Web(stored, "root", "admin")
    await ann.create(text, title=text, topic=text)
    room = path(text)
    described = await ann.json(room)
    assert (described["room"], described["title"], described["topic"]) == (text, text, text)
    assert text in [entry["room"] for entry in (await ann.json(f"/api/rooms?q={quote(text)}"))["rooms"]]
    seq = await ann.say(text, text)
    assert (await ann.json(f"{room}/messages/{seq}"))["content"] == text
    await ann.get(f"{room}/messages?q={quote(text)}&sender={quote(text)}")
    made = await ben.post(f"{room}/messages/{seq}/reports", {"reason": text})
    report_id = made.json()["id"]
    assert (await ann.patch(f"/api/reports/{report_id}", {"state": "dismissed", "note": text})).status == 200
    (listed,) = (await root.json(f"{room}/reports?state=dismissed"))["reports"]
    assert (listed["reason"], listed["note"], listed["content"], listed["room"]) == (text, text, text, text)
    assert (await ann.put(f"{room}/bans/u_ben", {"reason": text})).status in (204, 404)
    assert (await root.put(f"{room}/members/u_ann", {"role": "owner"})).status == 204
    async with Client(f"ws://127.0.0.1:{stored}", "gus") as guest:
        user = (await guest.expect("welcome"))["user"]["id"]
        assert (await ann.put(f"{room}/bans/{user}", {"reason": text})).status == 204
    (banned,) = [row for row in (await ann.json(f"{room}/members?banned=true"))["members"] if row["id"] == user]
    assert banned["reason"] == text
    assert (await ann.put(f"/api/me/blocks/u_{quote(text, safe='')}")).status == 204
    assert (await ann.json("/api/me/blocks"))["users"] == [f"u_{text}"]
    assert (await root.put(f"/api/users/u_{quote(text, safe='')}", {"name": text})).status == 201
    assert (await root.json(f"/api/users/u_{quote(text, safe='')}"))["name"] == text
    link = (await ann.post("/api/links", {"room": text, "uses": 1, "seconds": 60})).json()
    assert (await Web(stored, "cal").post("/api/links/accept", {"token": link["token"]})).json() == {"room": text}
    for target in (f"/api/links/{quote(text, safe='')}", f"/api/reports/{quote(text, safe='')}"):
        method, body = ("DELETE", None) if "links" in target else ("PATCH", {"state": "open"})
        assert code(await root.ask(method, target, body)) in ("no_such_link", "no_such_report")
    assert code(await ann.post("/api/links/accept", {"token": text})) == "no_such_link"


async def test_a_line_break_never_reaches_a_header(port: int) -> None:
    ann = Web(port, "ann")
    made = await ann.post("/api/rooms", {"name": SPLIT})
    assert (made.status, code(made)) == (400, "bad_field")
    await ann.create("plans")
    for target in (
        f"{path(SPLIT)}/reports",
        f"/api/reports/{quote(SPLIT, safe='')}",
        f"/api/links/{quote(SPLIT, safe='')}",
    ):
        for method in ("GET", "DELETE", "PATCH"):
            reply = await ann.ask(method, target, {"state": "open"} if method == "PATCH" else None)
            assert reply.status in (400, 404, 405)
            assert "set-cookie" not in reply.headers
    seq = await ann.say("plans", "hello")
    made = await ann.post(f"/api/rooms/plans/messages/{seq}/reports", {"reason": SPLIT})
    assert (made.status, "set-cookie" in made.headers) == (201, False)
    for text in ("\x00", "\x1b[31m", "\x7f"):
        assert code(await ann.put("/api/rooms/plans/bans/u_x", {"reason": text})) in ("bad_field", "no_such_user")
        assert code(await ann.patch("/api/reports/p_x", {"state": "open", "note": text})) == "bad_field"
