"""The interface under schemathesis, against its own description: no 5xx, documented answers, no hang."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from headway.web.openapi import openapi
from headway.web.server import app

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
APP = app()
schema = schemathesis.openapi.from_dict(openapi())


@pytest.mark.filterwarnings("default")
@schema.parametrize()
@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_the_interface_keeps_its_word(case: schemathesis.Case) -> None:
    case.validate_response(case.call(app=APP, timeout=60, headers={"Host": "127.0.0.1"}), checks=CHECKS)
