"""Whatever the OpenAPI document allows, and what it forbids, is answered as the document says: schemathesis asks every
call. DUELIST_EXAMPLES asks for more of each."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app import auth, workflows
from app.database import Database
from app.routes.exports import CSV
from tests.direct import Direct, direct
from tests.served import company_with
from tests.test_mutated_bodies import LEDGER

EXAMPLES = int(os.environ.get("DUELIST_EXAMPLES", "3"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
KNOWN = {"id": "1", "source_id": "C1", "name": "tier", "entity": "customer"}
FILTER = "invoice.balance > 1 AND customer.rating = 'A'"
Operation = APIOperation[Any, Any, Any, Any]
MODES = {mode.value: mode for mode in GenerationMode}


@pytest.fixture(scope="module")
def service(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Direct]:
    # Webhooks go to addresses of this machine only, and nothing is sent: there is no worker.
    with direct(database_url, tmp_path_factory.mktemp("data"), statement_timeout_ms=5_000) as service:
        yield service


@pytest.fixture(scope="module")
def key(database: Database, tmp_path_factory: pytest.TempPathFactory) -> str:
    company = company_with(database, "Fuzzed", tmp_path_factory.mktemp("files"), LEDGER)
    for name in ("First", "Second"):
        edited = workflows.Edited.model_validate({"name": name, "filter": "invoice.balance > 1"})
        workflows.create(database, company, edited, "x")
    return auth.create_key(database, company, "admin")


@pytest.fixture(scope="module")
def operations(service: Direct) -> list[Operation]:
    document = service.ask(None, "GET", "/openapi.json").document
    found: Any = schemathesis.openapi.from_dict(document, config=SchemathesisConfig()).get_all_operations()
    return [operation.ok() for operation in found]


def answered(service: Direct, key: str, case: Any) -> Response:
    prepared = requests.Request(**case.as_transport_kwargs(base_url="http://127.0.0.1")).prepare()
    headers = [(as_sent(name).lower(), as_sent(value)) for name, value in prepared.headers.items()]
    body: Any = prepared.body or b""
    answer = service.ask(
        key,
        str(prepared.method),
        prepared.path_url,
        body.encode() if isinstance(body, str) else body,
        [(name, value) for name, value in headers if name != b"authorization"],
    )
    told = {name: [value] for name, value in answer.headers.items()}
    return Response(answer.status, told, answer.body, prepared, elapsed=0.0, verify=False)


def as_sent(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1", "replace")


@pytest.mark.parametrize("mode", MODES)
def test_every_call_answers_as_the_document_says(
    service: Direct, key: str, operations: list[Operation], mode: str
) -> None:
    statuses: Counter[int] = Counter()
    for operation in operations:
        # A call that takes nothing cannot be asked wrongly.
        with suppress(Unsatisfiable):
            ask(service, key, operation, MODES[mode], statuses)
    assert statuses[200] > EXAMPLES, statuses
    assert statuses[422] > EXAMPLES, statuses


def ask(service: Direct, key: str, operation: Operation, mode: GenerationMode, statuses: Counter[int]) -> None:
    """Where the document allows any text, often one that means something: so that more than refusals is judged."""
    known = {name: value for name, value in KNOWN.items() if f"{{{name}}}" in operation.path}

    @settings(
        max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy(generation_mode=mode), meant=st.integers(0, 3))
    def asks(case: Any, meant: int) -> None:
        if meant:
            case.path_parameters = {**(case.path_parameters or {}), **known}
        if meant > 1 and isinstance(case.body, dict) and "filter" in case.body:
            case.body = {**case.body, "filter": FILTER, "params": None}
        response = answered(service, key, case)
        statuses[int(response.status_code)] += 1
        case.validate_response(response, checks=CHECKS)

    asks()


def test_the_document_tells_of_problems_and_of_forms(service: Direct) -> None:
    paths = service.ask(None, "GET", "/openapi.json").document["paths"]
    told = paths["/v1/workflows/{id}"]["put"]["responses"]
    assert {"200", "401", "403", "404", "408", "409", "413", "415", "422", "428", "429", "503"} <= told.keys()
    assert set(told["422"]["content"]) == {"application/problem+json"}
    assert set(paths["/v1/preview.csv"]["post"]["responses"]["200"]["content"]) == {CSV}
