"""What the pipeline's accounts may do beyond their roles: the checks' own, the round trip's, and the connectors'."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cdcproof.databases.administration import administer
from cdcproof.databases.contracts.deployment import Rights
from cdcproof.findings import Observation
from cdcproof.pipeline.model import Database


@dataclass(frozen=True)
class AccountInUse:
    """An account and the role that it has: `role` completes "the account …". `reads`: a role that only looks."""

    role: str
    side: str
    database: Database
    rights: Rights
    reads: bool = False

    @property
    def user(self) -> str:
        """Its name."""
        return self.database.user

    @property
    def name(self) -> str:
        """As SQL Server takes it, case does not matter."""
        return self.user.casefold() if self.database.type == "sqlserver" else self.user


def beyond_their_roles(accounts: Iterable[AccountInUse], hidden: Mapping[str, str]) -> Observation:
    """What each account has beyond its role, with the commands that take it away. One that reads must not be another role's as well.

    Of an account that reads and has another role, only the latter is judged: what one needs cannot be taken from the other.
    `hidden` are roles whose accounts cannot be seen, and why: the report has them, and they are not judged.
    """
    in_use = tuple(accounts)
    found: dict[str, str] = {}
    expected: dict[str, str] = {}
    action: list[str] = []
    for account in in_use:
        subject = f"{account.user}, {account.role}"
        others = [o for o in in_use if (o.side, o.name) == (account.side, account.name) and o is not account]
        if account.reads and others:
            found[subject], expected[subject] = f"also {', '.join(o.role for o in others)}", "an account of its own"
            action.append(
                f"# give the role its own account at the {account.side}: docs/ACCOUNTS.md has its GRANTs; then name it in the pipeline file"
            )
        else:
            excessive = account.rights.excessive
            found |= {f"{subject}: {what}": "granted" for what in excessive} or {subject: "as needed"}
            expected |= {f"{subject}: {what}": "not granted" for what in excessive} or {subject: "as needed"}
            action += _taken_away(account.database, account.rights)
    unseen = tuple(f"The account that {role}: {why}" for role, why in hidden.items())
    return Observation(found, expected, action=tuple(dict.fromkeys(action)), passed_over=unseen)


def _taken_away(database: Database, rights: Rights) -> list[str]:
    statements = list(dict.fromkeys((*rights.excessive.values(), *rights.restoring.values())))
    advice = [statement for statement in statements if statement.startswith("#")]
    # one after which the session is in another database goes last
    own = sorted((s for s in statements if s not in advice), key=lambda statement: statement.startswith("USE "))
    takes_away = any(statement in own for statement in rights.excessive.values())
    return [*advice, *([administer(database, " ".join(own))] if takes_away else [])]
