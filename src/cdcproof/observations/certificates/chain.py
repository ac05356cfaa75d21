"""Which of the certificates that a server sends a client needs. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from cdcproof.core.x509 import X509


def needed(sent: Sequence[X509], trusted: Collection[X509]) -> tuple[X509, ...]:
    """The server's own, its issuer's, and so on, as far as they were sent.

    A client that trusts one of these keys by a certificate of its own which lasts longer does not look at the one that was sent, and at none above it.
    """
    path = [sent[0]]
    while path[-1].issuer != path[-1].subject:
        issuer = _issuer(path[-1], [one for one in sent[1:] if one not in path])
        if issuer is None or any(_same(issuer, one) and one.ends > issuer.ends for one in trusted):
            break
        path.append(issuer)
    return tuple(path)


def _issuer(of: X509, among: Sequence[X509]) -> X509 | None:
    named = [one for one in among if one.subject == of.issuer and _may_have_signed(one, of)]
    if not named:
        return None
    # with one key each of them will do; with several nobody knows here which of them has signed
    longest = len({one.key for one in named}) == 1
    return (max if longest else min)(named, key=lambda one: one.ends)


def _may_have_signed(issuer: X509, of: X509) -> bool:
    return not (issuer.key_id and of.issuer_key_id) or issuer.key_id == of.issuer_key_id


def _same(one: X509, other: X509) -> bool:
    return one.subject == other.subject and one.key == other.key
