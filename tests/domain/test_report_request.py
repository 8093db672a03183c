"""What a client may submit."""

from typing import Any

import pytest

from assess_core.domain.report_request import Requester, parse_request
from assess_core.errors import BadRequest
from tests.report_requests import RULES

CALLER = Requester("in.ekstep", "mentor")
KEY = "Tr0ub4dor&3 horse"
GOOD: dict[str, Any] = {"tag": "t1", "dataset": "response-exhaust", "datasetConfig": {"batchId": "b1"}}


def test_a_request_of_a_sunbird_client_is_accepted() -> None:
    sent = {**GOOD, "output_format": "csv", "requestedBy": "x", "encryptionKey": ""}
    parsed, password = parse_request(sent, CALLER, RULES)

    assert password is None
    assert (parsed.dataset, parsed.config, parsed.tag) == ("response-exhaust", '{"batchId":"b1"}', "t1:in.ekstep")
    assert (parsed.spec.report, parsed.spec.batches, parsed.spec.format) == ("response", ("b1",), "csv")


@pytest.mark.parametrize("format_", [None, "csv", "zip"])
def test_an_encryption_key_asks_for_a_zip_file_and_is_not_part_of_the_request(format_: str | None) -> None:
    request, password = parse_request({**GOOD, "output_format": format_, "encryptionKey": KEY}, CALLER, RULES)
    assert password is not None
    assert (password.text, request.spec.format, request.is_encrypted) == (KEY, "zip", True)
    assert KEY not in repr(request)
    assert KEY not in repr(password)


def test_the_order_of_keys_does_not_matter() -> None:
    one, two = ({"courseId": "c", "batchId": "b"}, {"batchId": "b", "courseId": "c"})
    first, second = (parse_request({**GOOD, "datasetConfig": config}, CALLER, RULES) for config in (one, two))
    assert first == second


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tag": None}, "tag is empty"),
        ({"tag": " "}, "tag is empty"),
        ({"tag": 1}, "tag is not text"),
        ({"tag": "x" * 501}, "tag has more than 500 bytes"),
        ({"tag": "a\x00b"}, "tag contains a character that cannot be printed"),
        ({"tag": "\ud800"}, "tag contains a character that cannot be printed"),
        ({"dataset": None}, "dataset is empty"),
        ({"dataset": "nope"}, "dataset 'nope' is unknown; write one of response-exhaust"),
        ({"datasetConfig": None}, "datasetConfig is empty; write"),
        ({"datasetConfig": []}, "datasetConfig is empty; write"),
        ({"datasetConfig": {}}, "name a batch"),
        ({"datasetConfig": {"batchFilter": []}}, "name a batch"),
        ({"datasetConfig": {"batchId": 1}}, "is not a text"),
        ({"datasetConfig": {"batchId": "x" * 2000}}, "2,000 bytes"),
        ({"datasetConfig": {"batchFilter": [str(n) for n in range(21)]}}, "It should be within 20"),
        ({"datasetConfig": {"batchPattern": "2024-*"}}, "name the batches in batchFilter"),
        ({"datasetConfig": {"searchFilter": {}}}, "name the batches in batchFilter"),
        ({"datasetConfig": {"batchId": "b", "nope": 1}}, "no such option"),
        ({"datasetConfig": {"batchId": "b", "report": "score"}}, "leave it out"),
        ({"datasetConfig": {"batchId": "b", "x": "y" * 70_000}}, "more than 65,536 bytes"),
        ({"output_format": "doc"}, "is not one of csv"),
        ({"output_format": {}}, "is not one of csv"),
        ({"encryptionKey": "secret"}, "encryptionKey: it is too weak; use at least 12 characters"),
        ({"encryptionKey": {}}, "encryptionKey is not text"),
        ({"encryptionKey": KEY, "output_format": "xlsx"}, "write output_format zip or csv"),
        (
            {"encryptionKey": KEY, "datasetConfig": {"batchId": "b", "pictures": "svg"}},
            "pictures would not be encrypted; leave it out, or leave out encryptionKey",
        ),
    ],
    ids=str,
)
def test_a_bad_request_gets_a_sentence_that_names_the_wrong_part(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_request({**GOOD, **change}, CALLER, RULES)

    assert message in str(refused.value)


@pytest.mark.parametrize("asked", [None, [], "text", 1])
def test_a_request_that_is_no_object_is_refused(asked: object) -> None:
    with pytest.raises(BadRequest, match="request is not an object"):
        parse_request(asked, CALLER, RULES)
