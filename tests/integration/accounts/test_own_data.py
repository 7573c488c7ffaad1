"""A guest becomes an account, an account is exported and deleted, and the first admin is made: over HTTP."""

import asyncio
import io
import json
import zipfile
from typing import Any

import pytest

from model.account import Ticket
from model.room import FOREVER
from server.accounts import export as export_module
from server.app import Server
from tests.support.accounts import PASSWORD, SignedIn, noted, signed_in, visitor
from tests.support.client import Client
from tests.support.process import PATIENCE
from tests.support.rawws import Reply
from tests.support.serving import Serve
from tests.support.web import Web, code, path
from utils.ids import hash_secret, new_secret

ROOM = "plans"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.work.pieces.SETTLE_SECONDS", 0.0)


async def wrote_as_guest(server: Server, content: str = "as a guest") -> tuple[str, str, int]:
    """Join a room as a guest, post, and return the guest's token, id and the seq of the message."""
    async with Client(f"ws://127.0.0.1:{server.port}", room=ROOM) as guest:
        await guest.say(content, id="1", room=ROOM)
        await guest.holds(lambda: "1" in guest.acked(), "the ack")
        return guest.token, str(guest.of("welcome")[-1]["user"]["id"]), guest.acked()["1"]


async def work_is_done(server: Server) -> None:
    async with asyncio.timeout(PATIENCE):
        while await server.accounts.storage.accounts.room_work():  # noqa: ASYNC110  # of a task without an event
            await asyncio.sleep(0.02)


async def moved(server: Server, ann: SignedIn, token: str) -> None:
    reply = await ann.post("/api/me/guest", {"token": token})
    assert (reply.status, reply.body) == (204, b""), reply
    await ann.refresh()
    await work_is_done(server)
    await server.accounts.follower.catch_up()


async def messages(web: Web) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await web.json(f"{path(ROOM)}/messages"))["messages"]
    return found


# --- a guest becomes an account --------------------------------------------------------------------------------------


async def test_an_account_keeps_what_its_user_wrote_as_a_guest(server: Server) -> None:
    await Web(server.port, "owner").create(ROOM)
    token, guest_id, seq = await wrote_as_guest(server)
    ann = await signed_in(server, "ann")
    await moved(server, ann, token)
    (message,) = await messages(ann)
    assert (message["seq"], message["sender"], message["sender_id"]) == (seq, "ann", guest_id)
    assert message["alias_of"] == (await ann.json("/api/me"))["id"]
    edited = await ann.patch(f"{path(ROOM)}/messages/{seq}", {"content": "as ann"})
    assert edited.status == 200, edited
    assert ROOM in [room["room"] for room in (await ann.json("/api/rooms?mine=true"))["rooms"]]


async def test_the_guest_s_token_is_refused_afterwards(server: Server) -> None:
    token, _, _ = await wrote_as_guest(server)
    ann = await signed_in(server, "ann")
    await moved(server, ann, token)
    assert (await Web(server.port, token=token).get("/search?q=guest")).status == 401


async def test_connections_of_the_guest_are_closed(server: Server) -> None:
    ann = await signed_in(server, "ann")
    async with Client(f"ws://127.0.0.1:{server.port}", room=ROOM) as guest:
        await moved(server, ann, guest.token)
        assert (await guest.closed())[0] == 4105


@pytest.mark.parametrize("token", ["", "nonsense", "own"])
async def test_only_the_token_of_a_guest_is_accepted(server: Server, token: str) -> None:
    ann = await signed_in(server, "ann")
    reply = await ann.post("/api/me/guest", {"token": ann.token if token == "own" else token})
    assert reply.status in (400, 401), reply


async def test_a_guest_becomes_one_account_only(server: Server) -> None:
    token, _, _ = await wrote_as_guest(server)
    ann, bob = await signed_in(server, "ann"), await signed_in(server, "bob")
    await moved(server, ann, token)
    assert (await bob.post("/api/me/guest", {"token": token})).status in (401, 409)


# --- deletion --------------------------------------------------------------------------------------------------------


async def delete(ann: SignedIn, **fields: Any) -> Reply:
    return await ann.ask("DELETE", "/api/me", {"old_password": PASSWORD, **fields})


@pytest.mark.parametrize(("messages_", "left"), [("keep", ["hello"]), ("delete", [])])
async def test_a_deleted_account_is_gone(server: Server, messages_: str, left: list[str]) -> None:
    owner = Web(server.port, "owner")
    await owner.create(ROOM)
    ann = await signed_in(server, "ann")
    await ann.say(ROOM, "hello")
    assert (await delete(ann, messages=messages_)).status == 202
    await work_is_done(server)
    found = await messages(owner)
    assert [message["content"] for message in found] == left
    assert {message["sender"] for message in found} <= {"deleted user"}
    await server.accounts.follower.catch_up()
    assert (await ann.get("/api/me")).status == 401
    login = await visitor(server.port).post("/api/login", {"username": "ann", "password": PASSWORD})
    assert code(login) == "wrong_credentials"
    assert (await signed_in(server, "ann")).id != ann.id


async def test_deletion_needs_the_password(server: Server) -> None:
    ann = await signed_in(server, "ann")
    assert code(await delete(ann, old_password="wrong horse battery")) == "wrong_credentials"
    assert (await ann.ask("DELETE", "/api/me", {})).status == 400
    assert (await delete(ann, messages="some")).status == 400
    assert (await ann.get("/api/me")).status == 200


# --- export ----------------------------------------------------------------------------------------------------------


async def exported(web: Web) -> dict[str, list[dict[str, Any]]]:
    """Return the files of an export, decoded."""
    reply = await web.get("/api/me/export")
    assert reply.status == 200, reply
    assert reply.headers["content-disposition"] == 'attachment; filename="parley.zip"'
    with zipfile.ZipFile(io.BytesIO(reply.body)) as archive:
        assert archive.testzip() is None
        return {name: [json.loads(line) for line in archive.read(name).splitlines()] for name in archive.namelist()}


async def test_an_export_has_everything_about_its_user_and_nothing_of_others(server: Server) -> None:
    bob = Web(server.port, "bob")
    await bob.create(ROOM)
    token, _, _ = await wrote_as_guest(server)
    ann = await signed_in(server, "ann", name="Ann Lee")
    await moved(server, ann, token)
    theirs = await bob.say(ROOM, "bob's own words")
    await ann.say(ROOM, "hello", reply_to=theirs)
    report = await ann.post(f"{path(ROOM)}/messages/{theirs}/reports", {"reason": "rude"})
    assert report.status == 201, report
    files = await exported(ann)
    assert [(one["seq"], one["reason"], one["state"]) for one in files["reports.jsonl"]] == [(theirs, "rude", "open")]
    (account,) = files["account.jsonl"]
    assert (account["username"], account["name"], len(account["guests"])) == ("ann", "Ann Lee", 1)
    assert len(files["sessions.jsonl"]) == 1
    assert [message["content"] for message in files["messages.jsonl"]] == ["as a guest", "hello"]
    assert files["messages.jsonl"][1]["reply_to"] == theirs
    assert [row["room"] for row in files["rooms.jsonl"]] == [ROOM]
    assert {entry["action"] for entry in files["audit.jsonl"]} >= {"register", "guest_moved", "export"}
    shown = json.dumps(files)
    assert "bob's own words" not in shown
    assert '"bob"' not in json.dumps(files["audit.jsonl"])
    assert "argon2" not in shown


async def test_an_export_has_what_was_done_about_the_account_but_not_by_whom(server: Server) -> None:
    """Nor from where; and not who blocks its user, or has reported what it wrote."""
    ann, admin = await signed_in(server, "ann"), await signed_in(server, "rob", role="admin", name="Root Beer")
    bob = await signed_in(server, "bob", name="Bob Black")
    seq = await written(bob, ann)
    assert (await bob.put(f"/api/me/blocks/{ann.id}")).status == 204
    assert (await bob.post(f"{path(ROOM)}/messages/{seq}/reports", {"reason": "rude"})).status == 201
    away = {"X_Forwarded_For": "192.0.2.77"}
    wrong = {"username": "ann", "password": "wrong horse battery"}
    assert (await visitor(server.port).post("/api/login", wrong, **away)).status == 401
    assert (await admin.put(f"/api/suspensions/{ann.id}", {"reason": "spam"})).status == 204
    assert (await admin.delete(f"/api/suspensions/{ann.id}")).status == 204
    await ann.refresh()
    async with asyncio.timeout(PATIENCE):  # the node that has the rooms hears of it half a second later
        while (await ann.put(f"/api/me/blocks/{bob.id}")).status == 403:  # noqa: ASYNC110  # there is no event for it
            await asyncio.sleep(0.02)
    files = await exported(ann)
    about = {entry["action"]: entry for entry in files["audit.jsonl"]}
    assert {"login_failed", "suspend", "restore", "user_block", "export", "register"} <= about.keys()
    assert "report" not in about
    assert about["suspend"]["target"] == {"id": ann.id, "name": "ann"}
    for action in ("login_failed", "suspend", "restore"):
        assert not {"actor", "address"} & about[action].keys()
    assert about["user_block"]["actor"]["id"] == ann.id
    assert about["user_block"]["target"] == {"id": bob.id}
    assert about["export"]["address"] == "127.0.0.1"
    shown = json.dumps(files["audit.jsonl"])
    for theirs in ("Root Beer", "Bob Black", admin.id, "192.0.2.77"):
        assert theirs not in shown
    assert len(files["audit.jsonl"]) == len({entry["number"] for entry in files["audit.jsonl"]})


async def written(bob: SignedIn, ann: SignedIn) -> int:
    """Have Ann post a message in a room of Bob's, and return its seq."""
    await bob.create(ROOM)
    return await ann.say(ROOM, "hello")


@pytest.mark.parametrize(("window", "page"), [(1, 1), (2, 3), (4, 1), (5, 2), (1000, 1000)])
async def test_an_export_has_each_message_once_wherever_reads_end(
    server: Server, monkeypatch: pytest.MonkeyPatch, window: int, page: int
) -> None:
    monkeypatch.setattr(export_module, "WINDOW", window)
    monkeypatch.setattr(export_module, "PAGE", page)
    ann, bob = await signed_in(server, "ann"), await signed_in(server, "bob")
    expected = []
    for room in ("one", "two", "three", "four"):
        await bob.create(room)
        for number, user in enumerate([bob, ann, bob, ann, ann][: 1 if room == "two" else 5]):
            await user.say(room, f"{room} {number}")
            if user is ann:
                expected.append(f"{room} {number}")
    assert (await bob.delete(path("three"))).status == 204
    files = await exported(ann)
    assert sorted(line["content"] for line in files["messages.jsonl"]) == sorted(expected)


async def test_an_empty_file_of_an_export_is_there(server: Server) -> None:
    files = await exported(await signed_in(server, "ann"))
    empty = {"rooms.jsonl", "messages.jsonl", "keys.jsonl", "links.jsonl", "blocks.jsonl", "reports.jsonl"}
    assert {name for name, lines in files.items() if not lines} == empty
    assert files.keys() - empty == {"account.jsonl", "sessions.jsonl", "audit.jsonl"}


async def test_an_export_is_limited_to_three_a_day(server: Server) -> None:
    ann = await signed_in(server, "ann")
    for _ in range(3):
        assert (await ann.ask("HEAD", "/api/me/export")).headers["content-type"] == "application/zip"  # not counted
        await exported(ann)
    reply = await ann.get("/api/me/export")
    assert code(reply) == "rate_limited"
    assert int(reply.headers["retry-after"]) > 3600
    assert code(await Web(server.port, "bob").get("/api/me/export")) == "forbidden"


async def test_a_user_who_is_suspended_gets_no_more_of_the_export(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await signed_in(server, "ann")
    page = server.accounts.storage.audit.page

    async def meanwhile(*args: Any, **named: Any) -> Any:
        monkeypatch.undo()
        suspended = noted("suspend", at=server.accounts.clock.now_us())
        assert await server.accounts.storage.access.suspend(ann.id, FOREVER, "", suspended)
        await server.accounts.follower.catch_up()
        return await page(*args, **named)

    monkeypatch.setattr(server.accounts.storage.audit, "page", meanwhile)
    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
        await ann.get("/api/me/export")


# --- the first admin -------------------------------------------------------------------------------------------------


async def test_the_link_makes_an_admin_once(serve: Serve, storage: dict[str, str]) -> None:
    server = await serve(REGISTRATION="closed", **storage)
    secret, now = new_secret(), server.accounts.clock.now_us()
    ticket = Ticket(hash_secret(secret), "admin", None, None, now + 10**9)
    await server.accounts.storage.secrets.insert_ticket(ticket, None)
    body = {"token": secret, "username": "root", "password": PASSWORD}
    anyone = visitor(server.port)
    assert code(await anyone.post("/api/admin/first", {**body, "token": "wrong"})) == "no_such_ticket"
    assert code(await anyone.post("/api/admin/first", {**body, "password": "short"})) == "bad_field"
    made = await anyone.post("/api/admin/first", body)
    assert made.status == 201, made
    assert made.json()["account"]["role"] == "admin"
    assert code(await anyone.post("/api/admin/first", {**body, "username": "other"})) == "no_such_ticket"
    root = SignedIn(server.port, made.json(), anyone)
    assert (await root.get("/api/audit")).status == 200
