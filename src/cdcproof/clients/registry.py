"""The door to a schema registry that speaks Confluent's API (Confluent's own, Karapace, Apicurio under its path)."""

from __future__ import annotations

from cdcproof.clients.http import Http
from cdcproof.errors import UnexpectedAnswerError
from cdcproof.pipeline import HttpService

SERVICE_NAME = "Schema registry"


class Registry:
    """The registry at one address, which may have a path. Errors as `cdcproof.clients.http.Http`."""

    def __init__(self, service: HttpService) -> None:
        self.url = service.url
        self._http = Http.to(SERVICE_NAME, service)

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

    def _value(self, path: str, key: str) -> str:
        answer = self._http.get_json(path)
        if not isinstance(answer, dict) or key not in answer:
            raise UnexpectedAnswerError(f"{self.url}{path} does not tell {key}, as a schema registry does.")
        return str(answer[key])
