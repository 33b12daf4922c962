"""Debian's chromium, headless: `make browser-tests` installs it."""

from __future__ import annotations

import os
import shutil

import pytest

CHROMIUM = os.environ.get("LABELKIT_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="session")
def chromium():
    from playwright.sync_api import sync_playwright

    assert CHROMIUM, "no chromium here; `make browser-tests` installs it"
    with sync_playwright() as playwright:
        # The sandbox cannot be had by root, as CI is; the pages are our own.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium):
    """Open a file from disk, without a network; any complaint of the browser's fails the test."""
    complaints, contexts = [], []

    def open_file(path, **how):
        context = chromium.new_context(offline=True, **how)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("dialog", lambda dialog: complaints.append(dialog.message))
        tab.goto(path.as_uri())
        return tab

    yield open_file
    for context in contexts:
        context.close()
    assert complaints == []
