"""The endpoints of accounts: every server answers them by itself."""

from server.accounts.service import Accounts
from server.http.endpoints import Endpoint
from server.web.accounts.audit import audit_endpoints
from server.web.accounts.export import export_endpoints
from server.web.accounts.keys import KeyRows
from server.web.accounts.me import MeRows
from server.web.accounts.operators import OperatorRows
from server.web.accounts.own_data import OwnDataRows
from server.web.accounts.recovery import RecoveryRows
from server.web.accounts.second_factor import SecondFactorRows
from server.web.accounts.sign import SignRows
from server.wire.connections import Shared


def account_endpoints(accounts: Accounts, shared: Shared) -> tuple[Endpoint, ...]:
    """Return the rows."""
    return (
        *SignRows(accounts, shared).endpoints(),
        *MeRows(accounts, shared).endpoints(),
        *SecondFactorRows(accounts, shared).endpoints(),
        *RecoveryRows(accounts, shared).endpoints(),
        *OperatorRows(accounts, shared).endpoints(),
        *KeyRows(accounts, shared).endpoints(),
        *OwnDataRows(accounts, shared).endpoints(),
        *audit_endpoints(accounts),
        *export_endpoints(accounts),
    )
