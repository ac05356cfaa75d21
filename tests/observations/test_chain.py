"""Which certificates of those that a server sends count."""

from __future__ import annotations

from cdcproof.core.x509 import X509
from cdcproof.observations.certificates.chain import needed


def certificate(subject: str, issuer: str, ends: float = 100, **keys: str) -> X509:
    of = {name: keys.get(name, "").encode() for name in ("key", "key_id", "issuer_key_id")}
    return X509(0, ends, subject.encode(), issuer.encode(), **{**of, "key": of["key"] or subject.encode()})


LEAF = certificate("leaf", "between")
BETWEEN = certificate("between", "root", 50)
ROOT = certificate("root", "root", 60)


def test_each_issuer_up_to_the_root_in_whatever_order_they_are_sent() -> None:
    assert needed((LEAF, BETWEEN, ROOT), ()) == (LEAF, BETWEEN, ROOT)
    assert needed((LEAF, ROOT, BETWEEN), ()) == (LEAF, BETWEEN, ROOT)
    assert needed((LEAF, BETWEEN), ()) == (LEAF, BETWEEN)
    assert needed((LEAF,), ()) == (LEAF,)


def test_what_has_signed_nothing_of_it_does_not_count() -> None:
    other = certificate("other", "root", -5)

    assert needed((LEAF, other, BETWEEN), ()) == (LEAF, BETWEEN)
    assert needed((ROOT, other), ()) == (ROOT,)


def test_two_that_sign_each_other_end() -> None:
    one, two = certificate("one", "two"), certificate("two", "one")

    assert needed((one, two), ()) == (one, two)


def test_of_one_key_twice_the_newer_one_is_enough() -> None:
    older, newer = certificate("between", "root", 1, key="k"), certificate("between", "root", 90, key="k")

    assert needed((LEAF, older, newer), ())[1] == newer
    assert needed((LEAF, newer, older), ())[1] == newer


def test_of_two_keys_of_one_name_that_one_counts_which_has_signed() -> None:
    older = certificate("between", "root", 1, key="a", key_id="A")
    newer = certificate("between", "root", 90, key="b", key_id="B")

    assert needed((certificate("leaf", "between", issuer_key_id="A"), newer, older), ())[1] == older
    assert needed((certificate("leaf", "between", issuer_key_id="B"), newer, older), ())[1] == newer
    # nobody knows which: the one that ends first could be it
    assert needed((LEAF, newer, older), ())[1] == older


def test_a_longer_one_that_clients_have_themselves_ends_the_way() -> None:
    """As with Let's Encrypt's root, signed by an older one that has ended."""
    crossed, old = certificate("root", "old root", -5), certificate("old root", "old root", -5)
    own = certificate("root", "root", 500)

    assert needed((LEAF, BETWEEN, crossed, old), (own,)) == (LEAF, BETWEEN)
    assert needed((LEAF, BETWEEN, crossed, old), ()) == (LEAF, BETWEEN, crossed, old)


def test_another_key_or_one_that_ends_earlier_does_not_end_it() -> None:
    assert needed((LEAF, BETWEEN, ROOT), (certificate("root", "root", 500, key="new"),)) == (LEAF, BETWEEN, ROOT)
    assert needed((LEAF, BETWEEN, ROOT), (certificate("root", "root", 59),)) == (LEAF, BETWEEN, ROOT)
    assert needed((LEAF, BETWEEN, ROOT), (ROOT,)) == (LEAF, BETWEEN, ROOT)
