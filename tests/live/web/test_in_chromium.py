"""The web page in a real Chromium, as a person uses it, at real services."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from smanager.access.secrets import hash_token
from smanager.access.users import Token, User, UsersFile
from tests.conftest import ROOT, Server, read_to_end, wait_for
from tests.live.checks import pid_of
from tests.live.clients import needs, telnet

pytest.importorskip("selenium", reason="needs selenium, which the environment soak of tox has")

from selenium.webdriver.common.keys import Keys

from tests.live.web.chromium import Chromium, each_look
from tests.passwords import quick_hash

pytestmark = pytest.mark.soak

PASSWORD = "a password that is long enough"
TOKEN = "smt_token-of-root"
ROLES = {"root": "admin", "olga": "operate", "vera": "view"}

PICTURES = ROOT / ".ci" / "artifacts"
"""Where CI keeps the screenshots of a run."""

MARKUP = "<img src=x onerror='window.owned=1'><script>window.owned=1</script>"
"""What would run in a page that took text for markup."""

SERVICES = f'''
import asyncio, time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from smanager import Progress, Secret, SService, command

MARKUP = {MARKUP!r}


@dataclass
class Item:
    name: str
    size: int


class Store(SService):
    """Keeps files for a while"""

    def cmd_list(self, by: Literal["name", "size"] = "name", *, reverse: bool = False) -> list[Item]:
        """Lists what is stored

        Args:
            by: the column to sort by
            reverse: the last one first
        """
        items = [Item("report.pdf", 82310), Item("photo.jpg", 1204551)]
        return sorted(items, key=lambda item: getattr(item, by), reverse=reverse)

    @command(kept=True)
    def cmd_sweep(self, steps: int = 3) -> Iterator[Progress | str]:
        """Deletes what is too old

        Args:
            steps: how far to go
        """
        for step in range(steps):
            yield Progress(step + 1, steps, f"shelf {{step + 1}}")
            yield f"\\x1b[32mshelf {{step + 1}}\\x1b[0m is clean"
            time.sleep(0.05)

    def cmd_flood(self, kind: Literal["text", "records"]) -> Iterator[object]:
        """Tells more than anybody reads"""
        for number in range(30_000):
            text = f"line {{number}} of a flood that nobody reads to the end"
            yield text if kind == "text" else Item(f"item {{number}}", number)

    def cmd_odd(self) -> object:
        """Returns what no table is made for"""
        deep: object = "bottom"
        for _ in range(100):
            deep = {{"in": deep}}
        return {{"deep": deep, "rows": [{{"a": 1}}, {{"b": 2}}], "list": [1, None, [2]], "many": [*range(3000)]}}

    async def cmd_nap(self, seconds: float = 1000) -> None:
        """Sleeps"""
        await asyncio.sleep(seconds)

    def cmd_unlock(self, password: Secret[str], tags: list[str] = ()) -> str:
        """Unlocks the store"""
        return f"unlocked with {{len(password)}} characters and {{tags}}"

    @command(role="admin")
    def cmd_format(self) -> str:
        """Forgets everything"""
        return "formatted"


class Evil(SService):
    __doc__ = MARKUP

    def cmd_speak(self, text: Literal["<b>bold</b>"] = "<b>bold</b>", *, name: str = MARKUP) -> Iterator[object]:
        yield Progress(1, 2, MARKUP)
        yield MARKUP
        yield "\\x1b]8;;javascript:window.owned=1\\x07link\\x1b]8;;\\x07 \\x1b[31m" + MARKUP
        yield {{MARKUP: MARKUP}}
        yield [MARKUP]
        print(MARKUP)
        raise ValueError(name)

    cmd_speak.__doc__ = MARKUP + "\\n\\nArgs:\\n    name: " + MARKUP

    def cmd_log(self, text: str):
        print(text)

    def cmd_fail(self):
        raise ValueError(MARKUP)
'''

CONFIGURATION = """
[web]
listen = "127.0.0.1:0"
login = "required"

[services.database]
program = ["sleep", "3600"]

[services.app]
program = ["sh", "-c", "i=0; while sleep 0.2; do i=$((i+1)); echo request $i; done"]
needs = ["database"]

[services.broken]
program = ["sh", "-c", "echo no disk; exit 3"]

[schedules.nightly]
run = "store sweep"
cron = "30 2 * * *"
"""


@pytest.fixture(scope="module")
def server(shared: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> Server:
    """A manager with a page, services of each kind, and users of each role."""
    needs("chromium", "chromium")
    needs("chromedriver", "chromium-driver")
    files = tmp_path_factory.mktemp("files")
    add_users(files)
    return shared(CONFIGURATION, files=files, store=SERVICES)


def add_users(directory: Path) -> None:
    kept = quick_hash(PASSWORD)
    with UsersFile(directory / "smanager-users.json").changed() as users:
        for name, role in ROLES.items():
            users[name] = User(name, (role,), kept, Token(hash_token(TOKEN), None) if name == "root" else None)


@pytest.fixture(scope="module")
def window(server: Server) -> Iterator[Chromium]:
    browser = Chromium(server.wait_for_log(r"the page is at (\S+)").group(1))
    yield browser
    browser.close()


@pytest.fixture
def page(window: Chromium) -> Iterator[Chromium]:
    """The page, where an administrator is logged in. A test has to leave nothing that the browser complains about."""
    log_in(window, "root")
    yield window
    assert window.problems() == []
    assert window.run("return window.owned ?? null") is None


def log_in(page: Chromium, user: str) -> None:
    page.driver.delete_all_cookies()
    page.open()
    page.problems()
    page.fill("User", user)
    page.fill("Password", PASSWORD + Keys.ENTER)
    page.shows("Log out")
    page.problems()  # of the requests before the login, which were refused


def test_services_are_shown_live_with_what_they_use(page: Chromium) -> None:
    page.shows("exit status 3")
    row = "Array.from(document.querySelectorAll('tbody tr')).find((row) => row.innerText.startsWith('app'))"
    wait_for(lambda: " %" in page.run(f"return {row}.innerText"), "two samples of the CPU time")
    text = page.run(f"return {row}.innerText")
    assert "running" in text
    assert "iB" in text
    wait_for(lambda: page.run(f"return {row}.querySelector('.graph path').getAttribute('d')"), "a graph")


def test_a_command_is_a_form_and_its_output_comes_with_a_progress_bar(page: Chromium) -> None:
    page.go("commands/store.sweep")
    page.shows("Deletes what is too old")
    page.shows("how far to go")
    page.fill("steps", "40")
    page.press("Run")
    page.one("progress")
    page.shows("shelf 1 is clean")
    page.shows(" % – shelf ")
    assert page.violations() == []  # with the mouse on the button
    page.shows("done after")
    assert "%" not in page.text(".execution")
    assert page.one(".output .fg2").text == "shelf 1"


def test_a_table_is_a_table_and_a_choice_is_a_choice(page: Chromium) -> None:
    page.go("commands/store.list")
    page.fill("by", "size")
    page.fill("reverse", Keys.SPACE)
    page.press("Run")
    page.shows("done after")
    assert [cell.text for cell in page.all(".output td")] == ["photo.jpg", "1204551", "report.pdf", "82310"]
    assert [cell.text for cell in page.all(".output th")] == ["name", "size"]


@pytest.mark.parametrize(("kind", "last"), [("text", "line 29999"), ("records", "item 29999")])
def test_of_a_flood_the_end_is_kept(page: Chromium, kind: str, last: str) -> None:
    page.go("commands/store.flood")
    page.fill("kind", kind)
    page.press("Run")
    page.shows("done after")
    assert page.text(".output").startswith("Earlier output is left out.")
    assert last in page.text(".output")


def test_odd_values_are_shown_too(page: Chromium) -> None:
    page.go("commands/store.odd")
    page.press("Run")
    page.shows("done after")
    shown = page.text(".output")
    assert "bottom" in shown
    assert "1000 more are left out." in shown
    assert page.run("return document.querySelector('.output').scrollTop") == 0
    assert [cell.text for cell in page.all(".output td")] == ["1", "", "", "2"]


def test_a_secret_is_typed_into_a_password_field_and_not_remembered(page: Chromium) -> None:
    page.go("commands/store.unlock")
    field = page.one("#field-password")
    assert field.get_attribute("type") == "password"
    field.send_keys("sesame")
    page.fill("tags", "one\ntwo words")
    page.press("Run")
    page.shows("unlocked with 6 characters and ['one', 'two words']")
    page.go("runs")
    page.shows("Runs")
    assert "sesame" not in page.text()


def test_what_is_wrong_with_a_value_stands_at_the_form(page: Chromium) -> None:
    page.go("commands/wait")
    page.fill("state", "running")
    page.press("Run")
    page.shows("services: choose at least one")


def test_a_command_is_cancelled(page: Chromium, server: Server) -> None:
    page.go("commands/store.nap")
    page.press("Run")
    wait_for(lambda: "store.nap" in server.ask("jobs"), "the job")
    page.press("Cancel")
    page.shows("cancelled after")
    wait_for(lambda: "store.nap" not in server.ask("jobs"), "the end of the job")


def test_commands_leave_the_page_a_connection(page: Chromium) -> None:
    page.go("commands/store.nap")
    for _ in range(4):
        page.press("Run")
    page.shows("3 commands run in this window")
    page.run("document.querySelectorAll('.running button').forEach((button) => button.click())")
    wait_for(lambda: not page.all(".running"), "the end of all")


def test_a_command_goes_on_while_other_views_are_shown(page: Chromium, server: Server) -> None:
    page.go("commands/store.sweep")
    page.fill("steps", "60")
    page.press("Run")
    page.shows("shelf 1 is clean")
    page.go("runs")
    page.shows("store sweep 60")
    page.go("commands/store.sweep")
    page.shows("shelf 60 is clean")
    page.shows("done after")


def test_a_past_run_is_shown_and_run_again(page: Chromium) -> None:
    page.go("commands/store.sweep")
    page.fill("steps", "2")
    page.press("Run")
    page.shows("done after")
    page.go("runs")
    page.shows("store sweep 2")
    page.one("tbody a").click()
    page.shows("shelf 2 is clean")
    page.press("Run again")
    page.shows("done after")


def test_logs_are_followed_searched_and_paused(page: Chromium) -> None:
    page.go("logs")
    page.shows("request", ".log")
    page.type("/")
    page.type("request 7")
    page.shows("lines found")
    lines = "return Array.from(document.querySelectorAll('.line:not([hidden])'), (line) => line.innerText)"
    wait_for(lambda: page.run(lines), "a line that is found")
    assert all("request 7" in line for line in page.run(lines))
    page.type(Keys.ESCAPE)  # which empties a field for search
    page.press("Pause")
    before = page.text(".log")
    wait_for(lambda: "paused, 0 new lines" not in page.text(".logs") and "paused" in page.text(".logs"), "new lines")
    assert page.text(".log") == before
    page.press("Resume")
    wait_for(lambda: page.text(".log") != before, "the lines that came meanwhile")


def test_the_log_of_one_service_is_its_own(page: Chromium) -> None:
    page.go("logs/broken")
    page.shows("no disk", ".log")
    sources = page.run(
        "return Array.from(new Set(Array.from(document.querySelectorAll('.source'), (one) => one.innerText)))"
    )
    assert sources == ["broken"]


def test_a_restart_says_beforehand_what_else_it_restarts(page: Chromium, server: Server) -> None:
    before = server.ask("status app")
    page.go("services/database")
    page.press("Restart database")
    page.shows("This also restarts what needs it or shares its process:", "dialog")
    page.shows("app", "dialog ul")
    page.type(Keys.ESCAPE)
    wait_for(lambda: not page.all("dialog"), "the dialog's end")
    assert server.ask("status app").split("\t")[2:4] == before.split("\t")[2:4]
    page.press("Restart database")
    page.shows("This also restarts", "dialog")
    page.press("Restart")
    page.shows("database: restart done")
    wait_for(
        lambda: server.ask("status app").split("\n")[1].split("\t")[2] != before.split("\n")[1].split("\t")[2],
        "a new process",
    )


def test_a_service_is_stopped_and_started(page: Chromium, server: Server) -> None:
    page.go("services/app")
    page.press("Stop app")
    page.shows("Nothing else stops.", "dialog")
    page.press("Stop")
    page.shows("stopped", ".bar")
    page.press("Start app")
    page.shows("running", ".bar")


def test_why_is_told(page: Chromium) -> None:
    page.go("services/broken")
    page.shows("exit status 3", "table")
    page.shows("no disk", ".log.short")


def test_what_is_not_there_is_told_and_has_no_buttons(page: Chromium) -> None:
    page.go("services/nosuch")
    page.shows("There is no such service")
    assert [button.text for button in page.all("main button") if button.is_displayed()] == []
    page.go("runs/99999")
    page.shows("unknown run 99999")
    assert "Run again" not in page.text()
    page.go("nosuch/view")
    wait_for(lambda: page.text("h1") == "Services", "the first view")


def test_schedules_are_paused_run_and_resumed(page: Chromium) -> None:
    page.go("schedules")
    page.press("Pause: nightly")
    page.shows("paused", "tbody")
    page.press("Resume: nightly")
    page.shows("waiting", "tbody")
    page.press("Run now: nightly")
    page.shows("done", "tbody")
    page.one("tbody td a").click()
    page.shows("shelf 3 is clean")


def test_an_administrator_ends_a_session(page: Chromium, server: Server) -> None:
    with telnet(server) as connection:
        page.go("sessions")
        page.shows("Sessions")
        port = connection.getsockname()[1]
        row = f"[...document.querySelectorAll('tbody tr')].find((row) => row.innerText.includes(':{port}'))"
        wait_for(lambda: page.run(f"return {row}"), "the session")
        identity = page.run(f"return {row}.querySelector('th').innerText")
        page.press(f"End session {identity}")
        page.shows(f"session {identity} has ended")
        assert b"your session was ended by root" in read_to_end(connection)


def test_roles_decide_what_is_there(window: Chromium) -> None:
    log_in(window, "vera")
    window.shows("broken")
    assert not window.all("button[aria-label='Stop app']")
    window.go("commands")
    window.shows("why")
    assert "store.format" not in window.text()
    window.go("commands/store.format")
    window.shows("There is no such command, or your roles do not allow it.")
    log_in(window, "olga")
    window.one("button[aria-label='Stop app']")
    window.go("commands")
    window.shows("store.sweep")
    assert "store.format" not in window.text()


def test_a_wrong_password_is_refused(window: Chromium) -> None:
    window.driver.delete_all_cookies()
    window.open()
    window.fill("User", "root")
    window.fill("Password", "wrong" + Keys.ENTER)
    wait_for(lambda: window.text(".problem"), "the reason")
    assert "Log out" not in window.text()


def test_a_token_logs_in_and_a_logout_logs_out(window: Chromium) -> None:
    window.driver.delete_all_cookies()
    window.open()
    window.one("summary").click()
    window.fill("Token", TOKEN + Keys.ENTER)
    window.shows("root")
    assert window.driver.execute_script("return document.cookie") == ""
    window.press("Log out")
    window.shows("Log in")
    window.go("services")
    assert "broken" not in window.text()


def test_nothing_that_comes_from_services_is_markup(page: Chromium) -> None:
    page.go("commands")
    page.shows("<img src=x")
    page.go("commands/evil.speak")
    page.shows("<img src=x")
    page.fill("name", MARKUP)
    page.press("Run")
    page.shows("failed after")
    page.shows("ValueError: <img")
    page.go("logs/evil")
    page.shows("<script>window.owned=1</script>", ".log")
    page.go("runs")
    page.shows("evil speak")
    page.one("tbody a").click()
    page.shows("<script>", ".output")
    page.go(f"services/{MARKUP}".replace("'", "%27"))
    page.shows("There is no such service")
    page.go("commands/evil.fail")
    page.press("Run")
    page.shows("<img", ".execution .problem")
    assert page.all("main img, main script, main b") == []
    assert page.all("a[href^=javascript]") == []


def test_everything_is_done_with_the_keyboard_alone(window: Chromium) -> None:
    window.driver.delete_all_cookies()
    window.open()
    window.type("root", Keys.TAB, PASSWORD, Keys.ENTER)  # the focus is in the first field
    window.shows("broken")
    window.tab_to("Skip to the content").send_keys(Keys.ENTER)
    window.tab_to("Restart database").send_keys(Keys.ENTER)
    window.shows("This also restarts", "dialog")
    assert window.driver.switch_to.active_element.accessible_name == "Cancel"
    window.type(Keys.ENTER)
    wait_for(lambda: not window.all("dialog"), "the dialog's end")
    assert window.driver.switch_to.active_element.accessible_name == "Restart database"
    window.tab_to("Commands").send_keys(Keys.ENTER)
    window.type("/")
    window.type("sweep")
    window.tab_to("store.sweep").send_keys(Keys.ENTER)
    field = window.tab_to("steps optional")
    outline = window.run("return getComputedStyle(arguments[0]).outlineStyle", field)
    assert outline != "none"
    field.send_keys(Keys.ENTER)
    window.shows("shelf 3 is clean")


VIEWS = {
    "services": "broken",
    "services/broken": "no disk",
    "commands": "store.sweep",
    "commands/store.list": "the column",
    "commands/store.unlock": "password",
    "commands/wait": "state",
    "logs/broken": "no disk",
    "runs": "store",
    "schedules": "nightly",
    "sessions": "program",
}


@pytest.mark.parametrize("view", VIEWS)
def test_each_view_is_accessible_at_each_width_in_light_and_dark(page: Chromium, view: str) -> None:
    page.go(view)
    if view != "sessions":
        page.shows(VIEWS[view])

    def look(width: int, scheme: str) -> None:
        assert page.violations() == []
        assert not page.is_too_wide()
        if view in ("services", "commands/store.list"):
            page.save_screenshot(PICTURES / f"web-{view.replace('/', '-')}-{width}-{scheme}.png")

    each_look(page, look)


def test_the_login_and_a_dialog_are_accessible(window: Chromium) -> None:
    window.driver.delete_all_cookies()
    window.open()

    def look(width: int, scheme: str) -> None:
        assert window.violations() == []

    each_look(window, look)
    log_in(window, "root")
    window.press("Stop database")
    window.shows("This also stops", "dialog")
    each_look(window, look)


def test_who_may_only_look_may_log_in(
    kept: Callable[..., Server], directory: Path, window: Chromium, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_users(directory)
    server = kept('[web]\nlisten = "127.0.0.1:0"\n')
    monkeypatch.setattr(window, "address", server.wait_for_log(r"the page is at (\S+)").group(1))
    window.open()
    window.shows("read only")
    assert not window.all(".actions button")
    window.link("Log in").click()
    window.fill("User", "olga")
    window.fill("Password", PASSWORD + Keys.ENTER)
    window.press("Restart webpage")
    window.press("Cancel")
    window.press("Log out")
    window.shows("read only")
    window.problems()


def test_a_page_that_lost_its_server_finds_it_again(
    kept: Callable[..., Server], free_port: int, window: Chromium, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = kept(f'[web]\nlisten = "127.0.0.1:{free_port}"\n')
    server.wait_for_log("the page is at ")
    monkeypatch.setattr(window, "address", f"http://127.0.0.1:{free_port}/")
    window.open()
    window.shows("read only")
    assert not window.all(".actions button")
    server.ask("stop webpage")
    window.shows("The connection was lost")
    server.ask("start webpage")
    wait_for(lambda: "lost" not in window.text(), "the connection")
    window.go("logs")
    window.shows("the page is at", ".log")
    silent = pid_of(server, "webpage")
    os.kill(silent, signal.SIGSTOP)
    window.shows("The connection was lost")
    os.kill(silent, signal.SIGCONT)
    wait_for(lambda: "lost" not in window.text(), "the connection")
    window.problems()  # of the requests that were not answered


def test_a_tab_that_is_seen_again_shows_who_is_logged_in_by_now(page: Chromium) -> None:
    first = page.driver.current_window_handle
    page.driver.switch_to.new_window("tab")
    page.open()
    page.press("Log out")
    log_in(page, "vera")
    page.driver.close()
    page.driver.switch_to.window(first)
    page.shows("vera", "#account")
