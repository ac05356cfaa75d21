"""Planting mutants beside a table's comparison, by the same code, sessions and statements, and what that says of its verdict.

Nothing is written: the statements that read the table read the planted rows in its place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from cdcproof.databases.table_read import Slice
from cdcproof.reconcile.checksums.narrowing import summed_again
from cdcproof.reconcile.checksums.parts import Part, divided, gap, segments_of, sum_up
from cdcproof.reconcile.checksums.strategy import Strategy, Way
from cdcproof.reconcile.comparison import Side
from cdcproof.reconcile.concurrency import Stop
from cdcproof.reconcile.differences import Difference, Key
from cdcproof.reconcile.in_flight.settle import differing
from cdcproof.reconcile.report.result import Control, MutantResult, SelfProof, TableResult, TableStatus
from cdcproof.reconcile.rows.differing_chunks import ByValue
from cdcproof.reconcile.self_proof.mutants import Mutant, Specimen, by_column, columns_of, specimens
from cdcproof.reconcile.self_proof.planting import Planting, Seeded, in_each_part, plantings, summed_up
from cdcproof.reconcile.self_proof.slice_ends import at_ends, not_checked

_NOTHING_FITS = "the key, or a column that is never NULL, has no two values that both sides hold"


@dataclass(frozen=True)
class Prover:
    """Both open sides of the table whose comparison is to be proven."""

    source: Side
    target: Side
    stop: Stop

    def prove(self, way: Way, parts: Sequence[Part]) -> SelfProof:
        """Plant every mutant that the plan admits in the first and last of the parts, and a row at both ends of each. Raises as `sum_up`."""
        columns = columns_of(way.plan, self.source.engine, self.target.engine)
        admitted = list(specimens(way.plan, columns))
        apart, others = by_column(way.plan, admitted)
        made = [*summed_up(way.plan, columns, apart), *plantings(way.plan, columns, others)]
        if not made:
            return SelfProof(0, "not planted", _matrix(admitted=(), survived={}), _NOTHING_FITS)
        seen = self._look(made, way, parts)
        if apart and any(one.survivors for one in seen):
            seen = self._one_by_one(plantings(way.plan, columns, admitted), way, parts) or seen
        planted = [seeded.specimen for one in seen for seeded in one.planting.seeded]
        rows = sum(one.planting.target_rows for one in seen)
        spread = in_each_part(way.plan, columns, parts) if len(parts) > 1 else None
        if spread:
            seen.append(_Seen(spread, *self._found(spread, way, parts)))
        not_whole: tuple[Control, str] = ("not read whole", gap(parts))
        wrong = not_whole if not_whole[1] else next(filter(None, (one.control for one in seen)), None)
        control: Control = wrong[0] if wrong else "equal"
        reason = wrong[1] if wrong else ""
        survived: dict[Mutant, list[str]] = defaultdict(list)
        for one in seen:
            for specimen in one.survivors:
                survived[specimen.mutant] += [way.plan.names[place] for place in specimen.columns]
        return SelfProof(rows, control, _matrix(planted, survived), reason)

    def demand_ends_seen(self, way: Way, part: Slice) -> None:
        """Raise `UnexpectedAnswerError` where a change of the ends of a slice is not found by value and by key. Raises as `sum_up`."""
        columns = columns_of(way.plan, self.source.engine, self.target.engine)
        if planting := at_ends(way.plan, columns, part, several=False):
            seen = _Seen(planting, *self._found(planting, way, (Part(),)))
            if wrong := seen.control:
                raise not_checked(part, wrong[1])
            for one in seen.survivors:
                raise not_checked(part, f"{one.mutant} at its ends was not found")

    def _one_by_one(self, made: Sequence[Planting], way: Way, parts: Sequence[Part]) -> list[_Seen]:
        """All by value, which names what is lost; nothing where it is lost elsewhere. By key, too, where that is short."""
        seen = self._look([replace(one, by_key=not way.plan.multiset) for one in made], way, parts)
        return seen if any(one.survivors for one in seen) else []

    def _look(self, made: Sequence[Planting], way: Way, parts: Sequence[Part]) -> list[_Seen]:
        return [_Seen(one, *self._found(one, way, _ends(parts))) for one in made]

    def _found(
        self, planting: Planting, way: Way, parts: Sequence[Part]
    ) -> tuple[frozenset[int], tuple[int, int], list[Sequence[Difference]]]:
        """The chunks whose sums differ, how many rows were read, and what differs by value and what by key, as far as either is asked for."""
        plan = planting.plan
        balance = sum_up(plan, way.source, way.target, parts, self.stop)
        read = balance.source_rows, balance.target_rows
        differing_chunks = frozenset(balance.extent().chunks)
        if planting.by_sums:
            return differing_chunks, read, []
        source, target = self.source.database, self.target.database
        smaller = plan
        if way.choice.strategy is Strategy.PUSH_DOWN and plan.source.chunking.width > 1:  # however few rows they are
            smaller, balance = summed_again(plan, balance.extent().chunks, 1, (source, target), self.stop)
        found = ByValue(smaller, source, target, self.stop).differences(balance, lambda _: None).found
        if not planting.by_key:
            return differing_chunks, read, [found]
        again = differing(
            [one.key for one in found],
            plan.source.key_width,
            lambda keys: source.rows.rows_by_key(plan.source, keys),
            lambda keys: target.rows.rows_by_key(plan.target, keys),
        )
        return differing_chunks, read, [found, again]


@dataclass(frozen=True)
class _Seen:
    """What was found of a planting."""

    planting: Planting
    chunks: frozenset[int]
    rows: tuple[int, int]
    looks: Sequence[Sequence[Difference]]
    """What was found by value, then by key."""

    @property
    def survivors(self) -> list[Specimen]:
        """What was not found at every look, by each of its keys and in its columns."""
        if self.planting.by_sums:
            return [one.specimen for one in self.planting.seeded if not self.planting.chunks(one) <= self.chunks]
        looks = [{one.key: one.columns(self.planting.plan.names) for one in look} for look in self.looks]
        return [one.specimen for one in self.planting.seeded if not all(_is_found(one, found) for found in looks)]

    @property
    def control(self) -> tuple[Control, str] | None:
        """What is wrong with rows that are equal, or with how many were read; None where nothing is."""
        planned = self.planting.source_rows, self.planting.target_rows
        if self.rows != planned:
            return (
                "not read whole",
                f"{self.rows[0]} and {self.rows[1]} rows were read of {planned[0]} and {planned[1]}",
            )
        meant = {key: columns for one in self.planting.seeded for key, columns in one.keys.items()}
        for one in chain.from_iterable(self.looks):
            columns = one.columns(self.planting.plan.names)
            if one.key not in meant:
                return "different", "a row that both sides have was seen as different"
            if others := [name for name in columns if name not in meant[one.key]]:
                return "different", f"values that both sides have were seen as different: {', '.join(others)}"
        return None


def _ends(parts: Sequence[Part]) -> tuple[Part, ...]:
    """The first and the last part of each side."""
    return divided(*(side if len(side) <= 2 else [side[0], side[-1]] for side in segments_of(parts)))


def _is_found(seeded: Seeded, found: dict[Key, tuple[str, ...]]) -> bool:
    return all(key in found and set(columns) <= set(found[key]) for key, columns in seeded.keys.items())


def _matrix(admitted: Iterable[Specimen], survived: dict[Mutant, list[str]]) -> tuple[MutantResult, ...]:
    planted = {one.mutant for one in admitted}
    return tuple(
        MutantResult(mutant, "not applicable")
        if mutant not in planted
        else MutantResult(mutant, "survived", tuple(dict.fromkeys(survived[mutant])))
        if mutant in survived
        else MutantResult(mutant, "caught")
        for mutant in Mutant
    )


def judged_by(result: TableResult, proof: SelfProof | None) -> TableResult:
    """The result with its proof. Where that fails, what was seen as equal is not checked; what was seen to differ by value still differs.

    A difference does not count either where rows that are equal were seen as different.
    """
    result = replace(result, self_proof=proof)
    if proof is None or proof.holds or result.status is TableStatus.ERROR:
        return result
    if result.status is TableStatus.MISMATCH and proof.control == "equal":
        return replace(result, causes=(*result.causes, f"there may be more differences: {_said(proof)}"))
    return result.not_checked(
        f"Not checked: {_said(proof)}.\nThis comparison cannot be trusted. Report it, with the output of: cdcproof reconcile explain"
    )


def _said(proof: SelfProof) -> str:
    said = []
    if proof.control != "equal":
        said.append(f"rows planted on both sides alike were {_CONTROLS[proof.control]} ({proof.reason})")
    if proof.survivors:
        said.append(f"the comparison did not see differences that were planted: {', '.join(proof.survivors)}")
    return "; ".join(said)


_CONTROLS = {"different": "seen as different", "not read whole": "not all read"}
