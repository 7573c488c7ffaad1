"""A statement that is carried out for nearly every message: prepared, and without a cursor."""

import re
from itertools import count

from psycopg import errors, generators, pq
from psycopg.abc import PQGen

from storage.postgres.connection.waiting import WaitingConnection

_numbers = count(1)


class Prepared:
    """A statement of one connection with one parameter, which returns no rows, for use outside of transactions.

    psycopg's cursor converts the text, the parameter and the result in Python each time: a fourth of what storing a
    single message costs (measured). It prepares statements as well, under names of its own.

    Args:
        connection: in autocommit mode.
        text: with a named placeholder, as for a cursor.
    """

    def __init__(self, connection: WaitingConnection, text: bytes) -> None:
        self._connection = connection
        self._text = re.sub(rb"%\(\w+\)s", b"$1", text)
        self._name = b"parley_%d" % next(_numbers)
        self._prepared = False

    async def execute(self, value: bytes) -> int:
        """Carry it out, and return the number of rows it has written. One call at a time, and not in a transaction.

        Args:
            value: of the parameter, in the text format of its type.

        Raises:
            psycopg.Error: as from a cursor.
        """
        return await self._connection.wait(self._execute(value))

    def _execute(self, value: bytes) -> PQGen[int]:
        wire = self._connection.pgconn
        while True:
            if fresh := not self._prepared:
                wire.send_prepare(self._name, self._text)
                yield from self._result()
                self._prepared = True
            wire.send_query_prepared(self._name, [value])
            try:
                result = yield from self._result()
            except errors.InvalidSqlStatementName:
                # After a rollback, psycopg deallocates all statements of a session.
                self._prepared = False
                if fresh:
                    raise
            else:
                return result.command_tuples or 0

    def _result(self) -> PQGen[pq.abc.PGresult]:
        result: pq.abc.PGresult
        *_, result = yield from generators.execute(self._connection.pgconn)
        if result.status != pq.ExecStatus.COMMAND_OK:
            raise errors.error_from_result(result)
        return result
