from __future__ import annotations

import http.client
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from labelkit.cells import Cells
from labelkit.errors import SettingsError
from labelkit.live.server import LiveServer, map_of

HOSTILE = "<script>alert(1)</script>\u2028"


@pytest.fixture(params=[False])
def server(request):
    cells = map_of(Cells(15.0), 3, pictures=request.param)
    server = LiveServer(0, cells, show_pictures=request.param)
    server.put({"words": HOSTILE}, lambda: b"\xff\xd8picture")
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    yield server
    server.stop()
    thread.join(10)
    assert not thread.is_alive()


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()


def token_of(server):
    return server.url.partition("token=")[2]


def ask(server, path, *, method="GET", **headers):
    """Ask as a program that has the token, unless other headers are given."""
    headers = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
    if "authorization" not in headers:
        headers["authorization"] = f"Bearer {token_of(server)}"
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        return Answer(connection.getresponse())
    finally:
        connection.close()


class Listener:
    """A browser's ear: it reads the server's events."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        self.connection.request("GET", "/events", headers={"authorization": f"Bearer {token_of(server)}"})
        self.response = self.connection.getresponse()
        assert self.response.headers["content-type"].startswith("text/event-stream")

    def event(self):
        """Read up to the next event: its kind and data."""
        kind = "message"
        while line := self.response.readline().decode():
            if line.startswith("event: "):
                kind = line[7:].strip()
            if line.startswith("data: "):
                return kind, line[6:].strip()
        return None, None

    def state(self):
        while True:
            kind, data = self.event()
            if kind == "message":
                return json.loads(data)


def test_it_listens_on_this_machine_alone(server):
    assert server.url.startswith("http://127.0.0.1:")
    with socket.socket() as other:
        other.settimeout(2)
        with pytest.raises(OSError):
            other.connect(("127.0.0.2", server.port))


def test_without_the_token_nothing_is_seen(server):
    token = token_of(server)
    near = ("", "Bearer", "Bearer wrong", f"Basic {token}", f"Bearer {token[:-1]}", f"Bearer x{token}", "Bearer é")
    for path in ("/", "/map", "/state", "/events", "/live.js", "/live.css", "/picture", "/nothing"):
        for given in near:
            answer = ask(server, path, authorization=given)
            assert answer.status == 403, (path, given)
            assert b"token" in answer.body
            assert b"script" not in answer.body


def test_a_token_in_an_address_opens_the_page_and_no_other_and_comes_back_as_a_cookie(server):
    token = token_of(server)
    answer = ask(server, f"/?token={token}", authorization="")
    cookie = answer.headers["set-cookie"]
    assert answer.status == 200
    assert cookie.startswith(f"labelkit-{server.port}=")  # cookies know no ports: another game has another
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert ask(server, f"/state?token={token}", authorization="").status == 403
    assert ask(server, "/state", authorization="", cookie=cookie.partition(";")[0]).status == 200
    assert ask(server, "/?token=wrong", authorization="").status == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{}", "127.0.0.1.evil.example:{}", "localhost.evil:{}", "192.168.0.7:{}", ""]
)
def test_a_foreign_name_that_leads_here_is_not_served(server, host):
    for path in (f"/?token={token_of(server)}", "/state", "/events"):
        assert ask(server, path, host=host.format(server.port)).status in (400, 403)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:{}", "http://127.0.0.1:1"])
def test_a_page_of_another_origin_gets_nothing(server, origin):
    for path in ("/state", "/events", "/map"):
        assert ask(server, path, origin=origin.format(server.port)).status == 403
    assert ask(server, "/state", origin=f"http://127.0.0.1:{server.port}").status == 200
    assert ask(server, "/state", host=f"localhost:{server.port}").status == 200


@pytest.mark.parametrize("path", ["/", "/state", "/live.js", "/nothing", "/?token=wrong"])
def test_every_answer_tells_the_browser_to_run_and_ask_for_nothing_else(server, path):
    headers = ask(server, path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "*" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("path", ["/../server.py", "/%2e%2e/server.py", "/page/live.html", "/live.js/../../game.py"])
def test_no_path_leads_to_another_file(server, path):
    assert ask(server, path).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_changed(server, method):
    assert ask(server, "/state", method=method).status == 405


def test_names_travel_as_json_and_nothing_else(server):
    answer = ask(server, "/state")
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.body) == {"words": HOSTILE}


def test_pictures_are_not_to_be_had_unless_they_were_asked_for(server):
    assert ask(server, "/picture").status == 404
    assert json.loads(ask(server, "/map").body)["pictures"] is False


@pytest.mark.parametrize("server", [True], indirect=True)
def test_pictures_that_were_asked_for_are_shown(server):
    answer = ask(server, "/picture")
    assert (answer.headers["content-type"], answer.body) == ("image/jpeg", b"\xff\xd8picture")
    assert json.loads(ask(server, "/map").body)["pictures"] is True
    assert ask(server, "/picture", authorization="").status == 403


@pytest.mark.parametrize("server", [True], indirect=True)
def test_where_there_is_no_picture_none_is_shown(server):
    server.put({}, lambda: None)
    assert (ask(server, "/picture").status, ask(server, "/picture").body) == (204, b"")


def test_a_request_before_there_is_a_state_waits_for_it():
    server = LiveServer(0, {}, show_pictures=False)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    with ThreadPoolExecutor(1) as asking:
        answer = asking.submit(ask, server, "/state")
        assert ask(server, "/map").status == 200  # it serves
        server.put({"words": "first"}, lambda: None)
        assert json.loads(answer.result().body) == {"words": "first"}
    server.stop()
    thread.join(10)


def test_the_map_holds_the_cells_in_reach_in_the_order_of_their_counts(server):
    cells = Cells(15.0)
    given = json.loads(ask(server, "/map").body)
    centres = cells.centre_angles_deg[cells.reachable_mask]
    assert [cell["centre"] for cell in given["cells"]] == centres.tolist()
    (azimuth, elevation), corners = given["cells"][0]["centre"], given["cells"][0]["corners"]
    furthest = max(abs(angle) for cell in given["cells"] for corner in cell["corners"] for angle in corner)
    assert (given["target"], given["reach"], given["limit"]) == (3, cells.reach_deg, furthest)
    assert sorted(corners) == sorted([[azimuth + x, elevation + y] for x in (-7.5, 7.5) for y in (-7.5, 7.5)])
    around = pairwise([*corners, corners[0]])
    assert all((one[0] == next[0]) != (one[1] == next[1]) for one, next in around)  # along the edges, not across


def test_a_page_that_comes_or_comes_back_gets_the_whole_state_and_then_each_new_one(server):
    first, second = Listener(server), Listener(server)
    assert first.state() == second.state() == {"words": HOSTILE}
    server.put({"words": "next"}, lambda: None)
    assert first.state() == second.state() == {"words": "next"}
    first.connection.close()
    server.put({"words": "last"}, lambda: None)
    assert second.state() == {"words": "last"}
    assert Listener(server).state() == {"words": "last"}


def test_a_line_is_kept_alive_when_nothing_happens(server):
    listener = Listener(server)
    listener.state()
    assert listener.event() == ("ping", "1")


def test_a_slow_page_misses_states_but_not_the_newest(server):
    listener = Listener(server)
    for k in range(20_000):
        server.put({"k": k, "filling": "x" * 2000}, lambda: None)
    seen = []
    while not seen or seen[-1] != 19_999:
        state = listener.state()
        seen += [state["k"]] if "k" in state else []
    assert len(seen) < 20_000
    assert seen == sorted(set(seen))


def test_a_port_that_is_taken_is_named_with_the_cure(server):
    with pytest.raises(SettingsError, match=rf"--port {server.port}: cannot be used .*choose another"):
        LiveServer(server.port, {}, show_pictures=False)


def test_a_game_that_goes_on_after_the_page_has_ended_is_not_in_the_way():
    server = LiveServer(0, {}, show_pictures=False)
    server.stop()
    server.serve()
    server.put({"words": "too late"}, lambda: None)
    server.stop()


def test_it_ends_though_somebody_listens_and_though_it_had_not_begun(server):
    Listener(server).state()
    ended = LiveServer(0, {}, show_pictures=False)
    ended.stop()
    ended.serve()
