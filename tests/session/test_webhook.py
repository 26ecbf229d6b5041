"""The webhook: off until a setting says where to, never in the way, and to that address only."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import renex_jupyter as rx
from renex_jupyter.config import settings
from renex_jupyter.session import webhook
from renex_jupyter.store import locks

PATIENCE = 60.0  # seconds


class Server:
    """Takes what is posted, and answers as it is told to."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.requests: list[tuple[str, str]] = []
        self.answers: list[int] = []  # of the next requests; then 200
        self.location = ""
        self.held = threading.Event()
        self.held.set()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                server.held.wait(PATIENCE)
                status = server.answers.pop(0) if server.answers else 200
                server.requests.append((self.command, self.path))
                if status == 200:
                    server.taken.append(json.loads(body))
                self.send_response(status)
                if server.location:
                    self.send_header("Location", server.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                server.requests.append((self.command, self.path))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_given: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._http.server_port}/hook/t0ken"

    def names(self) -> list[str]:
        return [each["after"]["name"] for each in self.taken if each["object_kind"] == "events"]

    def close(self) -> None:
        self.held.set()
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    settings().webhook_url = ""
    stop()
    made.close()


def stop() -> None:
    webhook.stop()
    webhook._posters.clear()


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_nothing_is_sent_unless_the_setting_says_so(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings().webhook_url == ""
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a network request"))
    rx.log_event("private")
    with rx.start_run("train"):
        rx.log_metric("loss", 1.0)
    assert not webhook._posters
    assert not (project / ".renex" / webhook.LOCK).exists()


def test_each_change_is_posted_once_in_order_as_it_was_recorded(project: Path, server: Server) -> None:
    rx.log_event("before the setting")
    settings().webhook_url = server.url
    for number in range(5):
        rx.log_event(f"e{number}", metadata={"api_key": "hunter2"})
    until(lambda: len(server.names()) == 5)
    stop()
    assert server.names() == [f"e{number}" for number in range(5)]
    recorded = {each.change_id: each.as_dict() for each in rx.watch(0, timeout=0)}
    for each in server.taken:
        told = {**recorded[each["change_id"]], "cursor": each["cursor"]}
        assert each == json.loads(json.dumps(told))
    assert "hunter2" not in json.dumps(server.taken)


def test_a_change_that_is_refused_is_tried_again(project: Path, server: Server) -> None:
    settings().webhook_url = server.url
    server.answers = [500, 503]
    rx.set_experiment("x")
    rx.log_event("e")
    until(lambda: server.names() == ["e"])
    assert len(server.requests) == len(server.taken) + 2


def test_who_does_not_answer_is_told_once_and_keeps_nothing_from_being_recorded(project: Path, server: Server) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        settings().webhook_url = server.url
        server.answers = [500] * 1000
        for number in range(5):
            rx.log_event(f"e{number}")
        until(lambda: len(server.requests) >= webhook.TRIES + 3)
        server.answers = []
        rx.log_event("at last")
        until(lambda: "at last" in server.names())
    said = [str(each.message) for each in told if "could not be posted" in str(each.message)]
    assert len(said) == 1
    assert "500" in said[0]
    assert "t0ken" not in said[0]
    assert len(rx.list_events()) == 6


def test_logging_does_not_wait_for_the_answer(project: Path, server: Server) -> None:
    settings().webhook_url = server.url
    server.held.clear()
    for number in range(100):
        rx.log_event(f"e{number}")  # returns although nobody answers
    assert len(rx.list_events()) == 100
    assert server.taken == []
    server.held.set()
    until(lambda: len(server.names()) == 100)


def test_a_redirect_is_not_followed(project: Path, server: Server) -> None:
    other = Server()
    try:
        server.location = other.url
        server.answers = [302, 307, 301, 308] * 20
        settings().webhook_url = server.url
        rx.log_event("e")
        until(lambda: len(server.requests) >= webhook.TRIES)
        assert other.requests == []
    finally:
        stop()
        other.close()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/x", "example.org", "http://", "https://a:b/"])
def test_what_is_no_http_address_is_told_and_not_opened(project: Path, url: str) -> None:
    settings().webhook_url = url
    try:
        with pytest.warns(UserWarning, match="posted nowhere"):
            rx.log_event("e")
        assert not webhook._posters
    finally:
        settings().webhook_url = ""


def test_a_process_that_ends_posts_what_it_recorded_last(project: Path, server: Server) -> None:
    run_elsewhere(server.url, "rx.log_event('last')")
    assert server.names() == ["last"]


def test_the_end_of_a_run_that_was_left_open_is_posted(project: Path, server: Server) -> None:
    lines = (
        "from renex_jupyter.config import settings",
        "rx.start_run('train')",
        f"settings().webhook_url = {server.url!r}",
        "rx.log_event('e')",
    )
    run_elsewhere("", "\n".join(lines))
    assert server.names() == ["e"]
    ends = [each["after"].get("status") for each in server.taken if each["object_kind"] == "runs"]
    assert ends == ["finished"]


def test_a_process_that_ends_takes_over_from_one_that_posts_and_ends_meanwhile(project: Path, server: Server) -> None:
    rx.log_event("before the setting")
    with lock_held(project):  # by another process that has seen nothing of what comes
        child = start_elsewhere(server.url, "rx.log_event('last')")
        until(lambda: "last" in list(rx.list_events()["name"]))
        assert server.names() == []
    assert child.wait(PATIENCE) == 0
    assert server.names() == ["last"]


def test_a_process_ends_although_another_one_posts_nothing(project: Path, server: Server) -> None:
    rx.log_event("before the setting")
    with lock_held(project):
        assert start_elsewhere(server.url, "rx.log_event('last')", timeout=0.5).wait(PATIENCE) == 0
    assert server.names() == []
    assert "last" in list(rx.list_events()["name"])


def test_a_process_ends_although_nobody_answers(project: Path, server: Server) -> None:
    server.held.clear()  # answers after a minute
    code = "[rx.log_event(f'e{n}') for n in range(5)]"
    assert start_elsewhere(server.url, code, timeout=0.5).wait(PATIENCE / 2) == 0
    assert server.names() == []


def test_several_processes_post_each_change_once(project: Path, server: Server) -> None:
    run_elsewhere(server.url, "rx.log_event('begin')")
    code = "[rx.log_event(f'{sys.argv[1]} {n}') for n in range(20)]"
    children = [start_elsewhere(server.url, code, str(number)) for number in range(3)]
    assert [each.wait(PATIENCE) for each in children] == [0, 0, 0]
    run_elsewhere(server.url, "rx.log_event('end')")
    until(lambda: "end" in server.names())
    wanted = ["begin", *(f"{child} {n}" for child in range(3) for n in range(20)), "end"]
    assert sorted(server.names()) == sorted(wanted)


def test_a_setting_that_is_taken_back_ends_it_and_given_again_begins_it_anew(project: Path, server: Server) -> None:
    settings().webhook_url = server.url
    rx.log_event("posted")
    until(lambda: server.names() == ["posted"])
    settings().webhook_url = ""
    rx.log_event("private")
    until(lambda: not webhook._posters)
    assert server.names() == ["posted"]
    settings().webhook_url = server.url
    rx.log_event("again")
    until(lambda: len(server.names()) == 2)
    assert server.names() == ["posted", "again"]


def test_the_address_which_may_hold_a_secret_is_not_kept_in_the_store(project: Path, server: Server) -> None:
    run_elsewhere(server.url, "rx.log_event('e')")
    for path in (project / ".renex").rglob("*"):
        assert not path.is_file() or b"t0ken" not in path.read_bytes(), path


@contextmanager
def lock_held(project: Path) -> Iterator[None]:
    with (project / ".renex" / webhook.LOCK).open("wb") as file:
        assert locks.take(file.fileno())
        yield


def start_elsewhere(url: str, code: str, *words: str, timeout: float = PATIENCE) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "RENEX_WEBHOOK_URL": url, "RENEX_WEBHOOK_TIMEOUT": str(timeout)}
    command = [sys.executable, "-c", f"import sys, renex_jupyter as rx\n{code}", *words]
    return subprocess.Popen(command, env=environment)


def run_elsewhere(url: str, code: str) -> None:
    assert start_elsewhere(url, code).wait(PATIENCE) == 0
