"""A real Chromium, as a person at the page uses it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.conftest import SECONDS, wait_for

WIDTHS = (360, 1280, 2560)  # a telephone, a laptop, a large screen
HEIGHT = 900
SCHEMES = ("light", "dark")

OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
"""A container's root has no sandbox, and little shared memory."""

AFTER_FRAMES = "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done));"


class Chromium:
    """A window, and what people do in it."""

    def __init__(self, address: str = "") -> None:
        options = webdriver.ChromeOptions()
        for option in OPTIONS:
            options.add_argument(option)
        options.binary_location = "/usr/bin/chromium"
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))
        self.driver.set_script_timeout(SECONDS)
        self.address = address
        self.resize(1280)

    def close(self) -> None:
        self.driver.quit()

    def resize(self, width: int, scheme: str = "light") -> None:
        metrics = {"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        self.driver.execute_async_script(AFTER_FRAMES)

    def open(self, view: str = "") -> None:
        """Load the page anew at one of its views."""
        self.driver.get("about:blank")
        self.driver.get(f"{self.address}#/{view}")
        wait_for(lambda: self.all("h1"), lambda: f"a heading at {view}: {self.text()}")

    def go(self, view: str) -> None:
        """Follow a link to a view."""
        self.run(f"location.hash = {f'#/{view}'!r}")

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        """The element that is shown, once it is."""
        return self._found(selector, lambda element: True, selector)

    def link(self, name: str) -> WebElement:
        return self._found("a", lambda element: element.accessible_name == name, name)

    def press(self, name: str) -> None:
        """Click on the button that is read out with this name."""
        self._found("button", lambda element: element.accessible_name == name, name).click()

    def fill(self, label: str, value: str) -> None:
        """Type into the field of this label."""
        field = self._found(
            "input, textarea, select", lambda element: element.accessible_name.startswith(label), f"the field {label}"
        )
        if field.get_attribute("type") in ("text", "password", "number", "search", "textarea"):
            field.clear()
        field.send_keys(value)

    def _found(self, selector: str, is_meant: Callable[[WebElement], bool], what: str) -> WebElement:
        """The first of the elements that are shown that is meant, once there is one."""
        script = "return [...document.querySelectorAll(arguments[0])].filter((one) => one.checkVisibility())"
        found: list[WebElement] = []

        def is_found() -> bool:
            with suppress(StaleElementReferenceException):  # the page has changed meanwhile
                found[:] = filter(is_meant, self.run(script, selector))
            return bool(found)

        wait_for(is_found, lambda: f"{what} in:\n{self.text()}")
        return found[0]

    def type(self, *keys: str) -> None:
        """Press keys where the focus is."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def tab_to(self, name: str) -> WebElement:
        """Move the focus with the Tab key alone to what is read out with this name."""
        for _ in range(100):
            self.type(Keys.TAB)
            element = self.driver.switch_to.active_element
            if element.accessible_name == name:
                return element
        raise AssertionError(f"Tab does not come to {name} in:\n{self.text()}")

    def text(self, selector: str = "body") -> str:
        return str(self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector))

    def shows(self, text: str, selector: str = "body") -> None:
        """Wait until a text is to be read."""
        wait_for(lambda: text in self.text(selector), lambda: f"{text!r} in:\n{self.text(selector)}")

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def module(self, name: str, expression: str, *arguments: object) -> Any:
        """The value of an expression over a module of the page, `it`, and these arguments, `args`."""
        script = f"""
            const args = [...arguments];
            const done = args.pop();
            import("/{name}").then((it) => {expression}).then(done, (error) => done(`failed: ${{error}}`));
        """
        return self.driver.execute_async_script(script, *arguments)

    def problems(self) -> list[str]:
        """What the browser has complained about since it was asked last: errors, and what the policy has stopped."""
        logged = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [one["message"] for one in logged if one["level"] == "SEVERE"]

    def violations(self) -> list[str]:
        """What axe finds wrong with the view as it is now."""
        package = find_spec("axe_selenium_python")
        assert package
        assert package.origin
        axe = Path(package.origin).with_name("node_modules") / "axe-core" / "axe.min.js"
        self.run(axe.read_text())
        found = self.driver.execute_async_script("axe.run().then(arguments[0])")["violations"]
        return [f"{one['id']}: {one['help']}: {node['html']:.200}" for one in found for node in one["nodes"]]

    def is_too_wide(self) -> bool:
        return bool(self.run("return document.documentElement.scrollWidth > document.documentElement.clientWidth"))

    def save_screenshot(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(os.fspath(path))


def each_look(browser: Chromium, look: Callable[[int, str], None]) -> None:
    """Look at a view at each width, in light and in dark."""
    for width in WIDTHS:
        for scheme in SCHEMES:
            browser.resize(width, scheme)
            look(width, scheme)
    browser.resize(1280)
