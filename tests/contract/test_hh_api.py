"""The client against a server with the API's rules and faults."""

import json
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import requests

from hh_server import CAPTCHA, DATA, DOWN, HANG_UP, NOT_JSON, Fault, HhServer, refusal, replayed, vacancy
from xflow.adapters.hh import HhApi
from xflow.adapters.hh_refusal import refused
from xflow.adapters.rate_limit import LocalRateLimit
from xflow.errors import AccessDenied, ConfigInvalid, Permanent, ServiceUnavailable

NOW = datetime(2026, 11, 20, 12)
AGENT = "xflow/1.0 (you@your.domain)"
TOKEN = "TOKEN-THAT-NOBODY-SEES"


@pytest.fixture
def server() -> Iterator[HhServer]:
    with HhServer([vacancy(number, NOW) for number in range(3)], {"1": vacancy(1, NOW)}) as made:
        yield made


def client(server: HhServer, token: str | None = None, patience: float = 5.0) -> HhApi:
    return HhApi(server.url, AGENT, LocalRateLimit(10_000), token, patience=patience, pause=0.01)


def test_a_page_comes_as_it_was_sent(server: HhServer) -> None:
    api = client(server)
    url = api.url("/vacancies", [("area", "1"), ("area", "2"), ("text", "c++ и go")])
    answer = api.get(url)
    assert answer.status == 200
    assert [item["id"] for item in json.loads(answer.body)["items"]] == []  # no vacancy's name has the text
    assert server.requests[0][1] == {"area": ["1", "2"], "text": ["c++ и go"]}
    assert server.agents == {AGENT}
    assert answer.answered_at is not None
    assert abs(answer.answered_at - datetime.now(UTC).replace(tzinfo=None)) < timedelta(minutes=1)


def test_what_did_not_change_is_not_sent_again(server: HhServer) -> None:
    api = client(server)
    first = api.get(api.url("/vacancies"))
    second = api.get(api.url("/vacancies"), first.etag)
    assert (second.status, second.body, second.etag) == (304, "", first.etag)
    server.items.append(vacancy(9, NOW))
    assert api.get(api.url("/vacancies"), first.etag).status == 200


def test_a_long_answer_comes_compressed(server: HhServer) -> None:
    server.items += [vacancy(number, NOW) for number in range(10, 90)]
    api = client(server)
    assert len(json.loads(api.get(api.url("/vacancies", [("per_page", "100")])).body)["items"]) == 83


def test_a_missing_vacancy_is_an_answer(server: HhServer) -> None:
    api = client(server)
    assert api.get(api.url("/vacancies/1")).status == 200
    assert api.get(api.url("/vacancies/404")).status == 404


@pytest.mark.parametrize(
    "fault",
    [DOWN, HANG_UP, NOT_JSON, Fault(500, ""), Fault(502, "<html>"), Fault(404, "<html>no such host</html>")],
    ids=["503", "hang up", "not JSON", "500", "502", "a 404 of somebody else"],
)
def test_a_fault_that_passes_is_waited_for(server: HhServer, fault: Fault) -> None:
    server.faults.extend([fault] * 3)
    api = client(server)
    assert api.get(api.url("/vacancies")).status == 200
    assert [status for _, _, status in server.requests] == [fault.status] * 3 + [200]


@pytest.mark.parametrize("fault", [DOWN, HANG_UP, NOT_JSON], ids=["503", "hang up", "not JSON"])
def test_a_fault_that_stays_ends_clearly(server: HhServer, fault: Fault) -> None:
    server.always = fault
    api = client(server, patience=0.3)
    with pytest.raises(ServiceUnavailable, match=r"/vacancies.*requests and 0 s of patience\. Nothing is lost"):
        api.get(api.url("/vacancies"))
    assert server.count() > 3
    server.always = None
    assert api.get(api.url("/vacancies")).status == 200


def test_nobody_listens(closed_port: int) -> None:
    api = HhApi(f"http://127.0.0.1:{closed_port}", AGENT, LocalRateLimit(1000), patience=0.1, pause=0.01)
    with pytest.raises(ServiceUnavailable, match="no answer"):
        api.get(api.url("/vacancies"))


def test_the_api_says_how_long_to_wait(server: HhServer) -> None:
    server.faults.append(Fault(429, "", {"Retry-After": "1"}))
    api = client(server)
    started = time.monotonic()
    assert api.get(api.url("/vacancies")).status == 200
    assert time.monotonic() - started >= 1


def test_a_wait_may_be_given_as_a_date(server: HhServer) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    server.faults.append(Fault(429, "", {"Retry-After": format_datetime(until, usegmt=True)}))
    with pytest.raises(ServiceUnavailable, match="status 429, after 1 requests"):
        client(server).get(server.url + "/vacancies")


def test_a_wait_longer_than_the_patience_ends_at_once(server: HhServer) -> None:
    server.faults.append(Fault(503, "", {"Retry-After": "3600"}))
    with pytest.raises(ServiceUnavailable, match="status 503"):
        client(server).get(server.url + "/vacancies")
    assert server.count() == 1


def test_one_who_is_told_to_wait_makes_all_wait(server: HhServer) -> None:
    held = []

    class Limit(LocalRateLimit):
        def hold(self, seconds: float) -> None:
            held.append(seconds)

    server.faults.append(Fault(429, "", {"Retry-After": "1"}))
    HhApi(server.url, AGENT, Limit(1000), pause=0.01).get(server.url + "/vacancies")
    assert held == [1.0]


def test_the_servers_rate_is_kept(server: HhServer) -> None:
    server.most_a_second = 20
    api = HhApi(server.url, AGENT, LocalRateLimit(14), pause=0.01)
    for _ in range(30):
        api.get(server.url + "/vacancies")
    assert {status for _, _, status in server.requests} == {200}


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        (CAPTCHA, AccessDenied, "captcha.*application.*XFLOW_HH_TOKEN"),
        (Fault(401, ""), AccessDenied, "wants a token.*XFLOW_HH_TOKEN"),
        (refusal(403, "forbidden"), AccessDenied, "nobody without a token.*Register.*XFLOW_HH_TOKEN.*employer"),
        (refusal(403, "api_access_payment", "action_must_be_payed"), AccessDenied, "paid method"),
        (Fault(403, "<html>DDoS guard</html>"), AccessDenied, "before the API.*another address.*DDoS guard"),
        (refusal(400, "bad_user_agent", "unset"), ConfigInvalid, r"user_agent.*unset.*name/version \(address\)"),
        (refusal(400, "bad_user_agent", "blacklisted"), ConfigInvalid, "user_agent.*blacklisted"),
        (refusal(400, "bad_argument", "area"), ConfigInvalid, "bad_argument area"),
        (Fault(400, ""), ConfigInvalid, "status 400"),
        (Fault(304, ""), ConfigInvalid, "status 304"),
    ],
    ids=lambda value: value.body[:40] if isinstance(value, Fault) else "",
)
def test_what_asking_again_cannot_mend_ends_at_once(
    server: HhServer, fault: Fault, error: type[Permanent], said: str
) -> None:
    server.always = fault
    api = client(server)
    with pytest.raises(error, match=said):
        api.get(api.url("/vacancies"))
    assert server.count() == 1


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (refusal(403, "oauth", "bad_authorization"), "does not know the token. Copy it again.*XFLOW_HH_TOKEN"),
        (refusal(403, "bad_auth"), "does not know the token"),
        (Fault(401, '{"errors": [{"type": "bad_authorization"}]}'), "does not know the token"),
        (refusal(403, "oauth", "token_expired"), "has expired. Get a new one.*XFLOW_HH_TOKEN"),
        (refusal(403, "oauth", "token_revoked"), "was revoked. Get a new one.*XFLOW_HH_TOKEN"),
        (refusal(403, "oauth", "application_not_found"), "deleted. Register another"),
        (refusal(403, "oauth", "user_auth_expected"), "token of a user"),
        (refusal(403, "forbidden"), "its application may not.*2025-12-15.*Ask hh.ru"),
        (CAPTCHA, "captcha.*less often.*requests_per_second"),
        (Fault(403, f"<html>{TOKEN} is barred</html>"), r"\*\*\* is barred"),
    ],
    ids=lambda value: value.body[:60] if isinstance(value, Fault) else "",
)
def test_a_token_that_is_refused_is_told_why(
    server: HhServer, fault: Fault, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.always = fault
    api = client(server, TOKEN)
    with pytest.raises(AccessDenied, match=said) as raised:
        api.get(api.url("/vacancies"))
    assert server.count() == 1
    assert TOKEN not in str(raised.value) + caplog.text


def test_the_api_may_answer_nobody_without_a_token(server: HhServer) -> None:
    server.wants_token, server.token = True, TOKEN
    with pytest.raises(AccessDenied, match="nobody without a token"):
        client(server).get(server.url + "/vacancies")
    assert client(server, TOKEN).get(server.url + "/vacancies").status == 200


def test_one_who_asks_too_often_is_told_to_slow_down(server: HhServer) -> None:
    server.always = Fault(429, "")
    with pytest.raises(ServiceUnavailable, match=r"status 429.*lower collect\.requests_per_second\. Nothing is lost"):
        client(server, patience=0.05).get(server.url + "/vacancies")


def test_what_lies_deeper_than_the_api_lists_is_refused(server: HhServer) -> None:
    api = client(server)
    assert api.get(api.url("/vacancies", [("per_page", "10"), ("page", "199")])).status == 200
    for page, size in (("200", "10"), ("20", "100"), ("0", "101")):
        with pytest.raises(ConfigInvalid, match="bad_argument"):
            api.get(api.url("/vacancies", [("per_page", size), ("page", page)]))


def test_the_api_wants_to_know_who_asks(server: HhServer) -> None:
    answer = requests.get(server.url + "/vacancies", headers={"User-Agent": None}, timeout=5)
    if answer.status_code == 200:  # the library names itself
        answer = requests.get(server.url + "/vacancies", headers={"User-Agent": ""}, timeout=5)
    assert answer.status_code == 400
    assert isinstance(refused(400, answer.text, server.url), ConfigInvalid)


def test_a_token_signs_requests_and_shows_nowhere(server: HhServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.token = TOKEN
    server.faults.append(DOWN)
    api = client(server, TOKEN)
    assert api.get(api.url("/vacancies")).status == 200
    wrong = client(server, TOKEN + "x")
    with pytest.raises(AccessDenied) as raised:
        wrong.get(wrong.url("/vacancies"))
    assert TOKEN not in repr(api) + repr(vars(api)) + str(raised.value) + caplog.text
    assert "asking again" in caplog.text


def test_a_netrc_file_signs_nothing(server: HhServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert client(server).get(server.url + "/vacancies").status == 200


def test_an_agent_may_be_named_in_any_script(server: HhServer) -> None:
    api = HhApi(server.url, "сбор/1.0 (вы@ваш.домен)", LocalRateLimit(1000))
    assert api.get(server.url + "/vacancies").status == 200


@pytest.mark.parametrize("url", ["", "api.hh.ru", "ftp://api.hh.ru", "https://"])
def test_an_address_that_is_none_is_named(url: str) -> None:
    with pytest.raises(ConfigInvalid, match=r"collect\.url"):
        HhApi(url, AGENT, LocalRateLimit(1))


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectionError,
        requests.Timeout,
        requests.TooManyRedirects,
        requests.exceptions.ChunkedEncodingError,
        requests.exceptions.ContentDecodingError,
        requests.exceptions.SSLError,
    ],
)
def test_every_driver_error_is_mapped(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise error("broke")

    monkeypatch.setattr(requests.Session, "get", fail)
    api = HhApi("http://localhost:1", AGENT, LocalRateLimit(1000), patience=0.05, pause=0.01)
    with pytest.raises(ServiceUnavailable, match=f"{error.__name__}: broke"):
        api.get(api.url("/vacancies"))


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no dumps of real responses in {DATA} (XFLOW_DATA)")
@pytest.mark.parametrize("name", ["2021_09_moscow_mariel", "2023_09_moscow_devops"])
def test_real_responses_pass_through_unchanged(name: str) -> None:
    items, details = replayed(name)
    some = dict(list(details.items())[:20])
    with HhServer(items[:300], some) as server:
        api = client(server)
        page = json.loads(api.get(api.url("/vacancies", [("per_page", "100"), ("page", "2")])).body)
        assert (page["found"], page["pages"], page["items"]) == (300, 3, items[200:300])
        assert all(json.loads(api.get(api.url(f"/vacancies/{one}")).body) == detail for one, detail in some.items())
