"""Reports of messages: made by any reader, handled by the moderators of the room and by admins."""

from typing import Annotated

from msgspec import Meta, Struct

from chat import safety
from model.commands import Listed, MessageSeq, Reason, RoomName
from model.limits import LIST_DEFAULT, NOTE_CHARS
from model.room import User
from model.safety import Report, ReportState
from model.text import check_name, check_time
from server.http.asked import Answered
from server.http.endpoints import Answer, Endpoint
from server.rest.context import NEXT, RestContext, Routes, json_answer, link
from server.rest.rooms import RoomParams
from storage.ports.messages import ENDLESS
from utils.clock import rfc3339

ROUTES = Routes()

Time = Annotated[str, Meta(max_length=64, examples=["2026-11-21T08:31:11.000001Z"])]
Note = Annotated[str, Meta(max_length=NOTE_CHARS, description="for other moderators")]


class NewReport(RoomParams, frozen=True):
    """A message to report.

    Attributes:
        reason: what is wrong with it, for the moderators.
    """

    seq: MessageSeq
    reason: Reason


class ReportsParams(Struct, frozen=True):
    """A page of reports.

    Attributes:
        state: only reports in this state.
        before: only reports from before this time, in RFC 3339.
        limit: maximum number of reports in the page.
    """

    state: ReportState = "open"
    before: Time | None = None
    limit: Listed = LIST_DEFAULT


class RoomReportsParams(ReportsParams, frozen=True, kw_only=True):
    """A page of the reports of a room.

    Attributes:
        state: only reports in this state.
        before: only reports from before this time, in RFC 3339.
        limit: maximum number of reports in the page.
    """

    room: RoomName


class HandledReport(Struct, frozen=True):
    """The new state of a report.

    Attributes:
        report: its id.
        state: the new state.
    """

    report: str
    state: ReportState
    note: Note = ""


class ReportInfo(Struct, frozen=True, omit_defaults=True):
    """A report, with the message as it was. Times are RFC 3339.

    Attributes:
        seq: of the message.
        sender: who posted it.
        content: its text.
        handler: the id of the moderator who changed the state.
        handled_at: when that was.
    """

    id: str
    room: str
    seq: int
    reporter: User
    reason: str
    sender: User
    content: str
    posted_at: str
    created_at: str
    state: ReportState
    handler: str = ""
    note: str = ""
    handled_at: str = ""


class ReportList(Struct, frozen=True):
    """A page of reports, the newest first."""

    reports: list[ReportInfo]


class ReportId(Struct, frozen=True):
    """The id of a new report."""

    id: str


_PAGE = Answer(200, "the reports", ReportList, headers=NEXT)


@ROUTES.add(
    Endpoint(
        "POST",
        "/api/rooms/{room}/messages/{seq}/reports",
        "Report a message to the moderators",
        params=NewReport,
        answers=(Answer(201, "the report is stored, with the message as it is now", ReportId),),
        refusals=("no_such_room", "no_such_message", "conflict", "unavailable"),
        text="Of each message once. Up to 20 a day; the guests of one address count together.",
        auth="token",
    )
)
async def report(rest: RestContext, params: NewReport) -> Answered:
    """Store a report."""
    rest.begin_change()
    room = check_name(params.room, "room")
    made = await safety.report(rest.parts, rest.actor, room, params.seq, params.reason, rest.asked.address)
    return json_answer(ReportId(made.report_id), status=201)


_LIST = Endpoint(
    "GET",
    "/api/reports",
    "List the reports of all rooms",
    params=ReportsParams,
    answers=(_PAGE,),
    refusals=("forbidden", "unavailable"),
    text="For admins. Open ones by default.",
    auth="token",
)


@ROUTES.add(
    _LIST._replace(
        path="/api/rooms/{room}/reports",
        summary="List the reports of a room",
        params=RoomReportsParams,
        refusals=("no_such_room", "forbidden", "unavailable"),
        text="For moderators. Open ones by default.",
    )
)
@ROUTES.add(_LIST)
async def list_reports(rest: RestContext, params: ReportsParams) -> Answered:
    """Answer with a page of reports."""
    room = check_name(params.room, "room") if isinstance(params, RoomReportsParams) else None
    before = ENDLESS if params.before is None else check_time(params.before, "before")
    found = await safety.reports(
        rest.parts, rest.caller, room, state=params.state, before=before, limit=params.limit + 1
    )
    page = found[: params.limit]
    links = (link(rest.asked, "next", before=rfc3339(page[-1].created_at)),) if len(found) > len(page) else ()
    return json_answer(ReportList([_described(one) for one in page]), links=links)


@ROUTES.add(
    Endpoint(
        "PATCH",
        "/api/reports/{report}",
        "Resolve or dismiss a report, or open it again",
        params=HandledReport,
        answers=(Answer(200, "the report", ReportInfo),),
        refusals=("no_such_report", "unavailable"),
        text="For the moderators of its room, and for admins.",
        auth="token",
    )
)
async def handle(rest: RestContext, params: HandledReport) -> Answered:
    """Set the state of a report."""
    rest.begin_change()
    after = await safety.handle_report(
        rest.parts, rest.caller, params.report, params.state, params.note, rest.asked.address
    )
    return json_answer(_described(after))


def _described(of: Report) -> ReportInfo:
    return ReportInfo(
        of.report_id,
        of.room,
        of.seq,
        of.reporter,
        of.reason,
        of.sender,
        of.content,
        of.posted_at,
        rfc3339(of.created_at),
        of.state,
        of.handler_id,
        of.note,
        rfc3339(of.handled_at) if of.handled_at else "",
    )
