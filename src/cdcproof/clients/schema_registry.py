"""The client of a schema registry that speaks Confluent's API (Confluent's own, Karapace, Apicurio under its path)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from cdcproof.clients.http import Http, NotFoundError
from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.pipeline.model import HttpService

SERVICE_NAME = "Schema registry"


@dataclass(frozen=True)
class Schema:
    """A schema as the registry gives it; `kind` is AVRO, JSON or PROTOBUF."""

    text: str
    kind: str = "AVRO"
    references: Sequence[object] = ()


class Registry:
    """The registry at one address, which may have a path. Errors as `cdcproof.clients.http.Http`."""

    def __init__(self, service: HttpService, timeout_seconds: tuple[float, float] = (3.0, 10.0)) -> None:
        self.url = service.url
        self._http = Http.to(SERVICE_NAME, service, timeout_seconds)

    def subjects(self) -> tuple[str, ...]:
        """Names of the registered subjects; empty when nothing was registered yet."""
        answer = self._http.get_json("/subjects")
        if not isinstance(answer, list):
            raise UnexpectedAnswerError(f"{self.url}/subjects does not answer with a list, as a schema registry does.")
        return tuple(sorted(str(subject) for subject in answer))

    def mode(self) -> str:
        """READWRITE, READONLY, READONLY_OVERRIDE or IMPORT."""
        return self._value("/mode", "mode")

    def compatibility(self) -> str:
        """The global compatibility level, e.g. BACKWARD."""
        return self._value("/config", "compatibilityLevel")

    def mode_of(self, subject: str) -> str:
        """The mode of a subject or, where it has none, of all; empty where the registry knows no modes."""
        for path in (f"/mode/{quote(subject, safe='')}", "/mode"):
            try:
                answer = self._http.get_json(path)
            except NotFoundError:
                continue
            if isinstance(answer, dict) and answer.get("mode"):
                return str(answer["mode"])
        return ""

    def latest(self, subject: str) -> Schema:
        """The newest schema of a subject."""
        path = f"/subjects/{quote(subject, safe='')}/versions/latest"
        answer = self._http.get_json(path)
        if not isinstance(answer, dict) or "schema" not in answer:
            raise UnexpectedAnswerError(f"{self.url}{path} gives no schema, as a schema registry does.")
        return Schema(str(answer["schema"]), str(answer.get("schemaType") or "AVRO"), answer.get("references") or [])

    def versions(self, subject: str) -> tuple[int, ...]:
        """The numbers of a subject's versions, oldest first."""
        path = f"/subjects/{quote(subject, safe='')}/versions"
        answer = self._http.get_json(path)
        if not isinstance(answer, list) or not all(isinstance(number, int) for number in answer):
            raise UnexpectedAnswerError(f"{self.url}{path} does not answer with numbers, as a schema registry does.")
        return tuple(sorted(answer))

    def version(self, subject: str, number: int) -> dict[str, object]:
        """One version as the registry gives it: ``subject``, ``version``, ``id``, ``schema``, and what it has beside."""
        path = f"/subjects/{quote(subject, safe='')}/versions/{number}"
        answer = self._http.get_json(path)
        if not isinstance(answer, dict) or "schema" not in answer or "id" not in answer:
            raise UnexpectedAnswerError(f"{self.url}{path} gives no schema with an id, as a schema registry does.")
        return answer

    def register(self, subject: str, version: Mapping[str, object]) -> int:
        """Register a version as `version` gives it; its id, which the registry chooses. One that is there already keeps its own."""
        path = f"/subjects/{quote(subject, safe='')}/versions"
        body = {key: version[key] for key in ("schema", "schemaType", "references") if version.get(key)}
        answer = self._http.post(path, body)
        if not isinstance(answer, dict) or not isinstance(answer.get("id"), int):
            raise UnexpectedAnswerError(f"{self.url}{path} gives no id, as a schema registry does.")
        return int(answer["id"])

    def would_take(self, subject: str, schema: Schema) -> bool:
        """Whether a schema would be taken as the next one of its subject; nothing is registered."""
        path = f"/compatibility/subjects/{quote(subject, safe='')}/versions/latest"
        body = {"schema": schema.text, "schemaType": schema.kind, "references": list(schema.references)}
        answer = self._http.post(path, body)
        if not isinstance(answer, dict) or "is_compatible" not in answer:
            raise UnexpectedAnswerError(f"{self.url}{path} gives no is_compatible, as a schema registry does.")
        return bool(answer["is_compatible"])

    def _value(self, path: str, key: str) -> str:
        answer = self._http.get_json(path)
        if not isinstance(answer, dict) or key not in answer:
            raise UnexpectedAnswerError(f"{self.url}{path} gives no {key}, as a schema registry does.")
        return str(answer[key])
