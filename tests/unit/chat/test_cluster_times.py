"""The intervals and time limits of several nodes are in several files, and some must be longer than others."""

import pytest

from chat import one_shot
from chat.cluster import dead_end, edge, links, node, owner, peers
from chat.link import link
from server.http import forwarding
from storage.postgres.connection.lease import Pace

TICK = node.TICK_SECONDS
PACE = Pace()


@pytest.mark.parametrize(
    ("shorter", "longer"),
    [
        pytest.param(
            2 * links.PING_SECONDS + TICK,
            links.GONE_SECONDS,
            id="an owner that lives is not taken for dead after one loss",
        ),
        pytest.param(
            links.GONE_SECONDS + TICK + PACE.look,
            edge.SILENT_SECONDS,
            id="a dead owner is given up, and its commands held, before they are refused",
        ),
        pytest.param(
            links.LISTENED_SECONDS, links.GONE_SECONDS, id="a pause of this node is not silence of another one"
        ),
        pytest.param(
            links.GONE_SECONDS + PACE.cut + PACE.look + owner.GATHER_SECONDS,
            edge.HELD_SECONDS,
            id="commands are held until another node has taken over from a dead one",
        ),
        pytest.param(
            edge.SILENT_SECONDS, edge.READY_SECONDS, id="a take-over without a hitch does not make a balancer act"
        ),
        pytest.param(edge.READY_SECONDS, edge.CUT_OFF_SECONDS, id="a balancer acts before clients are sent away"),
        pytest.param(
            PACE.hung + PACE.look, edge.CUT_OFF_SECONDS, id="clients are not sent away because the owner hangs"
        ),
        pytest.param(
            2 * links.RARE_PING_SECONDS + TICK,
            links.FAR_SILENT_SECONDS,
            id="an edge that lives is not taken for dead after one loss",
        ),
        pytest.param(
            links.FAR_SILENT_SECONDS,
            links.DEAD_SECONDS,
            id="a node is given up sooner if its session with the database has ended",
        ),
        pytest.param(
            2 * links.GREETING_SECONDS, links.UNDEAD_SECONDS, id="a node that was given up hears of it despite one loss"
        ),
        pytest.param(
            2 * links.GREETING_SECONDS, links.OBSTACLE_SECONDS, id="an obstacle is known from one greeting to the next"
        ),
        pytest.param(
            PACE.hung + PACE.look,
            edge.SILENT_SECONDS + dead_end.LOST_SECONDS,
            id="an owner that hangs is replaced before a node looks for it elsewhere",
        ),
        pytest.param(
            links.PING_SECONDS + PACE.hung + 2 * PACE.look + owner.GATHER_SECONDS,
            edge.HELD_SECONDS,
            id="an owner that hangs is replaced before what was sent to it is given up",
        ),
        pytest.param(
            edge.SILENT_SECONDS + dead_end.LOST_SECONDS + TICK,
            edge.HELD_SECONDS,
            id="a node looks for the owner elsewhere before it gives up what was sent",
        ),
        pytest.param(
            edge.SILENT_SECONDS + dead_end.LOST_SECONDS,
            dead_end.LONELY_SECONDS,
            id="edges leave a NATS server before the owner does",
        ),
        pytest.param(peers.ACK_SECONDS + TICK, link.REPEAT_SECONDS, id="an ack arrives before a repetition"),
        pytest.param(one_shot.ANSWER_SECONDS, peers.ANSWER_SECONDS, id="the owner answers before an edge gives up"),
        pytest.param(peers.ANSWER_SECONDS, forwarding.ANSWER_SECONDS, id="a question ends before its request"),
    ],
)
def test_one_time_is_shorter_than_another(shorter: float, longer: float) -> None:
    assert shorter < longer
