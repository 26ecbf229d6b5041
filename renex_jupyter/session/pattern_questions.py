"""What a policy asks about named patterns: whether a version is worse on any of them than the one that has the alias."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from renex_jupyter.analysis.label_policies import PatternAnswer
from renex_jupyter.query import failure_patterns as query
from renex_jupyter.records.failure_patterns import NamedPattern, PatternMeasure
from renex_jupyter.records.policies import Subject
from renex_jupyter.session.current import Session

if TYPE_CHECKING:
    from renex_jupyter.analysis.pattern_changes import Compared

MOST_KNOWN = 10_000
_known: dict[tuple[str, str, str], Compared] = {}  # pattern and two sets of predictions, none of which ever changes


class PatternQuestions:
    """Answers for the versions of one model; what was measured is looked up once."""

    def __init__(self, session: Session, model: Mapping[str, Any], rule: Mapping[str, Any]) -> None:
        self._session = session
        self._model = model
        self._rule = rule

    def __call__(self, version: Subject, holder: Subject) -> Sequence[PatternAnswer]:
        """Return how a version does on each pattern, against another one; p is adjusted over all of them."""
        from renex_jupyter.analysis.pattern_changes import judged

        answers: list[PatternAnswer] = []
        compared: list[tuple[NamedPattern, Compared]] = []
        for pattern in self._patterns:
            own, other = self._measures(pattern, version, holder)
            if own is None or other is None:
                name = version.name if own is None else holder.name
                answers.append(PatternAnswer(pattern.name, pattern.error, missing=name))
            elif own.support or other.support:
                compared.append((pattern, self._compared(pattern, own, other)))
        for (pattern, each), (change, p_value) in zip(compared, judged([each for _, each in compared]), strict=True):
            rates = [part.mean if part.n else None for part in (each.now, each.before)]
            answers.append(PatternAnswer(pattern.name, pattern.error, rates[0], rates[1], change, p_value))
        return answers

    @cached_property
    def _patterns(self) -> list[NamedPattern]:
        read, dataset = self._session.store.reader, self._rule.get("dataset")
        return query.patterns_of_model(read, self._model["model_id"], dataset, self._model["namespace"])

    @cached_property
    def _all(self) -> list[PatternMeasure]:
        ids = [each.named_pattern_id for each in self._patterns]
        return query.measures_of_model(self._session.store.reader, self._model["model_id"], ids)

    def _measures(
        self, pattern: NamedPattern, version: Subject, holder: Subject
    ) -> tuple[PatternMeasure | None, PatternMeasure | None]:
        """Return the newest measures of both, on the same version of the dataset where there are such."""
        of = [each for each in self._all if each.named_pattern_id == pattern.named_pattern_id]
        own = [each for each in of if each.model_version_id == version.id]
        others = [each for each in of if each.model_version_id == holder.id]
        pairs = [(a, b) for a in own for b in others if a.dataset_version_id == b.dataset_version_id]
        return pairs[0] if pairs else (next(iter(own), None), next(iter(others), None))

    def _compared(self, pattern: NamedPattern, own: PatternMeasure, other: PatternMeasure) -> Compared:
        from renex_jupyter.session.pattern_measures import compare

        key = (pattern.named_pattern_id, own.prediction_set_id, other.prediction_set_id)
        if key not in _known:
            if len(_known) >= MOST_KNOWN:
                _known.clear()
            _known[key] = compare(self._session, pattern, own, other)
        return _known[key]
