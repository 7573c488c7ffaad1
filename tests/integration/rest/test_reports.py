"""Reports of messages, user blocks, and the audit of moderation, over HTTP."""

from typing import Any

from model.audit import AuditFilter
from storage.ports.messages import ENDLESS
from tests.support.client import Client
from tests.support.rawws import links
from tests.support.serving import Serve, owner_of
from tests.support.web import Web, code


async def scene(port: int) -> dict[str, Web]:
    """Return Ann, who owns "plans", Ben, a member, eve, who is no member, and an admin."""
    people = {name: Web(port, name) for name in ("ann", "ben", "eve")}
    people["root"] = Web(port, "root", "admin")
    await people["ann"].create("plans", private=True)
    for name in ("ben", "eve"):
        await people[name].create(f"of {name}")
    assert (await people["root"].put("/api/rooms/plans/members/u_ben")).status == 204
    return people


def target(seq: int, room: str = "plans") -> str:
    return f"/api/rooms/{room}/messages/{seq}/reports"


async def test_a_message_is_reported_and_handled(stored: int) -> None:
    people = await scene(stored)
    ann, ben, eve, root = people.values()
    seq = await ann.say("plans", "<b>rude</b>")
    made = await ben.post(target(seq), {"reason": "rude; DROP TABLE reports --\n<script>"})
    assert made.status == 201, made
    await ann.patch(f"/api/rooms/plans/messages/{seq}", {"content": "polite"})
    (listed,) = (await ann.json("/api/rooms/plans/reports"))["reports"]
    assert await root.json("/api/reports") == {"reports": [listed]}
    assert listed == {
        "id": made.json()["id"],
        "room": "plans",
        "seq": seq,
        "reporter": {"id": "u_ben", "name": "ben"},
        "reason": "rude; DROP TABLE reports --\n<script>",
        "sender": {"id": "u_ann", "name": "ann"},
        "content": "<b>rude</b>",
        "posted_at": listed["posted_at"],
        "created_at": listed["created_at"],
        "state": "open",
    }
    handled = {"state": "resolved", "note": "warned"}
    for one in (ben, eve):
        assert code(await one.patch(f"/api/reports/{listed['id']}", handled)) == "no_such_report"
    after = await ann.patch(f"/api/reports/{listed['id']}", handled)
    assert (after.json()["state"], after.json()["handler"], after.json()["note"]) == ("resolved", "u_ann", "warned")
    assert await ann.json("/api/rooms/plans/reports") == {"reports": []}
    assert len((await ann.json("/api/rooms/plans/reports?state=resolved"))["reports"]) == 1


async def test_only_readers_report_and_only_moderators_list(stored: int) -> None:
    people = await scene(stored)
    ann, ben, eve, root = people.values()
    seq = await ann.say("plans", "hello")
    hidden, unknown = await eve.post(target(seq), {"reason": "x"}), await eve.post(target(seq, "none"), {"reason": "x"})
    assert (hidden.status, hidden.body) == (unknown.status, unknown.body) == (404, hidden.body)
    assert (await Web(stored).post(target(seq), {"reason": "x"})).status == 401
    assert code(await ben.post(target(seq), {"reason": "x" * 1001})) == "bad_field"
    assert code(await ben.post(target(seq), {})) == "bad_field"
    assert code(await ben.post(target(seq + 1), {"reason": "x"})) == "no_such_message"
    assert (await ben.post(target(seq), {"reason": ""})).status == 201
    assert code(await ben.post(target(seq), {"reason": "again"})) == "conflict"
    assert code(await ben.get("/api/rooms/plans/reports")) == "forbidden"
    assert code(await eve.get("/api/rooms/plans/reports")) == "no_such_room"
    assert code(await ann.get("/api/reports")) == "forbidden"
    assert code(await root.patch("/api/reports/p_none", {"state": "open"})) == "no_such_report"
    assert code(await root.patch("/api/reports/p_none", {"state": "odd"})) == "bad_field"


async def test_reports_are_paged_and_limited(port: int) -> None:
    ann, eve = Web(port, "ann"), Web(port, "eve")
    await ann.create("plans")
    seqs = [await ann.say("plans", f"hello {n}") for n in range(21)]
    replies = [await eve.post(target(seq), {"reason": "x"}) for seq in seqs]
    assert [reply.status for reply in replies] == [201] * 20 + [429]
    found: list[Any] = []
    where = "/api/rooms/plans/reports?limit=9"
    while where:
        reply = await ann.get(where)
        found += [one["seq"] for one in reply.json()["reports"]]
        where = links(where, reply).get("next", "")
    assert found == seqs[19::-1]


async def test_a_user_blocks_others(stored: int) -> None:
    ann, ben = Web(stored, "ann"), Web(stored, "ben")
    for one, name in ((ann, "ann"), (ben, "ben")):
        await one.create(f"of {name}")
    assert (await ann.put("/api/me/blocks/u_ben")).status == 204
    assert (await ann.put("/api/me/blocks/u_ben")).status == 204
    assert await ann.json("/api/me/blocks") == {"users": ["u_ben"]}
    assert code(await ben.post("/api/direct/u_ann")) == "no_such_user"
    assert code(await ben.put("/api/rooms/of%20ben/members/u_ann")) == "no_such_user"
    assert code(await ann.put("/api/me/blocks/u_ann")) == "bad_field"
    assert (await ann.delete("/api/me/blocks/u_ben")).status == 204
    assert code(await ann.delete("/api/me/blocks/u_ben")) == "no_such_user"
    assert (await ben.post("/api/direct/u_ann")).status == 200
    assert await ann.json("/api/me/blocks") == {"users": []}
    async with Client(f"ws://127.0.0.1:{stored}", "gus") as client:
        guest = Web(stored, token=(await client.expect("welcome"))["token"])
    for reply in (await guest.get("/api/me/blocks"), await guest.put("/api/me/blocks/u_ben")):
        assert code(reply) == "forbidden"


async def test_moderation_is_in_the_audit_log(storage: dict[str, str], serve: Serve) -> None:
    server = await serve(**storage)
    people = await scene(server.port)
    ann, ben, _, _ = people.values()
    seq = await ben.say("plans", "spam")
    assert (await ann.put("/api/rooms/plans/members/u_ben", {"role": "moderator"})).status == 204
    assert (await ann.put("/api/rooms/plans/mutes/u_ben", {"seconds": 60, "reason": "ben@example.org"})).status == 204
    assert (await ann.delete("/api/rooms/plans/mutes/u_ben")).status == 204
    assert (await ann.delete(f"/api/rooms/plans/messages/{seq}")).status == 204
    assert (await ann.delete("/api/rooms/plans/members/u_ben")).status == 204
    assert (await ann.put("/api/rooms/plans/bans/u_ben")).status == 204
    assert (await ann.delete("/api/rooms/plans/bans/u_ben")).status == 204
    assert (await ann.patch("/api/rooms/plans", {"guests": "no"})).status == 200
    assert (await ann.patch("/api/rooms/plans", {"title": "not recorded"})).status == 200
    assert (await ann.put("/api/me/blocks/u_ben")).status == 204
    own = await ann.say("plans", "mine")
    assert (await ann.delete(f"/api/rooms/plans/messages/{own}")).status == 204  # her own: not recorded
    assert (await ann.delete("/api/rooms/plans")).status == 204
    found = await owner_of(server).chat.parts.storage.audit.page(AuditFilter("u_ann"), before=ENDLESS, limit=99)
    entries = [(one.action, one.target and one.target.id, one.detail, one.room) for _, one in reversed(found)]
    assert entries == [
        ("set_role", "u_ben", "moderator", "plans"),
        ("mute", "u_ben", "60 s", "plans"),
        ("unmute", "u_ben", "", "plans"),
        ("delete_message", "u_ben", f"message {seq}", "plans"),
        ("kick", "u_ben", "", "plans"),
        ("ban", "u_ben", "without an end", "plans"),
        ("unban", "u_ben", "", "plans"),
        ("update_room", None, "guests", "plans"),
        ("user_block", "u_ben", "on", ""),
        ("delete_room", None, "", "plans"),
    ]
    assert {(one.address, one.actor.name, one.result) for _, one in found} == {("127.0.0.1", "ann", "ok")}
