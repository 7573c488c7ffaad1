"""A banned guest returns without a token and stays out; an account behind the same address talks on.

Over real sockets from addresses of 127.0.0.0/8, on both kinds of storage, and from another node.
"""

from tests.support.rawws import NATIVE, RawClient, command
from tests.support.serving import Serve
from tests.support.web import Web, code, token_of

HOME, ELSEWHERE = "127.0.0.7", "127.0.0.8"


async def entered(port: int, name: str, source: str) -> tuple[RawClient, dict[str, object]]:
    """Connect as a new guest, ask to join "plans", and return the answer."""
    client = await RawClient.open(port, f"/chat?u={name}", NATIVE, source=source)
    client.send(command(type="join", id="j", room="plans"))
    while True:
        frame = await client.message()
        if frame.get("id") == "j":
            return client, frame


async def test_a_banned_guest_stays_out_and_an_account_at_the_same_address_talks_on(
    storage: dict[str, str], serve: Serve
) -> None:
    server = await serve(**storage)
    port = server.port
    ann = Web(port, "ann")
    await ann.create("plans")
    eve, answer = await entered(port, "eve", HOME)
    assert answer["type"] == "joined"
    members = (await ann.json("/api/rooms/plans/members"))["members"]
    (eve_id,) = [row["id"] for row in members if row.get("kind") == "guest"]
    assert HOME not in str(members)
    assert (await ann.put(f"/api/rooms/plans/bans/{eve_id}")).status == 204
    again, answer = await entered(port, "somebody", HOME)
    assert (answer["type"], answer["code"]) == ("error", "banned")
    far, answer = await entered(port, "far", ELSEWHERE)
    assert answer["type"] == "joined"
    bearer = ("Authorization", f"Bearer {token_of('ben')}")
    ben = await RawClient.open(port, "/chat?r=plans", [*NATIVE, bearer], source=HOME)
    ben.send(command(type="message", id="m", room="plans", content="hello"))
    await ben.expect("ack")
    for client in (eve, again, far, ben):
        await client.close()


async def test_those_who_have_only_posted_over_http_are_kept_out_too(storage: dict[str, str], serve: Serve) -> None:
    server = await serve(**storage, TRUSTED_PROXIES="127.0.0.0/8")
    port = server.port
    ann, ben = Web(port, "ann"), Web(port, "ben")
    await ann.create("plans")
    guest = await token_of_guest(port, "gus")
    target = "/api/rooms/plans/messages"
    reply = await Web(port, token=guest).post(target, {"content": "spam"}, X_Forwarded_For="192.0.2.7")
    assert reply.status == 201
    await ben.say("plans", "spam as well")
    for author in {message["sender_id"] for message in (await ann.json(target))["messages"]}:
        assert (await ann.put(f"/api/rooms/plans/mutes/{author}")).status == 204
    for web in (Web(port, token=guest), Web(port, token=await token_of_guest(port, "new"))):
        again = await web.post(target, {"content": "spam"}, X_Forwarded_For="192.0.2.7")
        assert (again.status, code(again)) == (403, "muted")
    assert code(await ben.post(target, {"content": "spam"})) == "muted"
    unknown = await ann.put("/api/rooms/plans/bans/g_nobody")
    assert (unknown.status, code(unknown)) == (404, "no_such_user")


async def token_of_guest(port: int, name: str) -> str:
    """Return the token of a guest who has been in no room."""
    client = await RawClient.open(port, f"/chat?u={name}", NATIVE)
    frame = await client.expect("welcome")
    await client.close()
    return str(frame["token"])
