"""Signing in to the console where the API asks for credentials: by what is pasted, and by the issuer's own page, which is attacked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.e2e.browser import Watched, browser, require_chromium
from tests.e2e.command_line import Running, nexus, people_only, run
from tests.e2e.product import BARBER
from tests.fakes.oidc_provider import Provider, oidc_provider

pytestmark = pytest.mark.browser
REFUSED = "Failed to load resource: the server responded with a status of 401 (Unauthorized)"
BAD_REQUEST = "Failed to load resource: the server responded with a status of 400 (Bad Request)"
NO_DRAFT = "Failed to load resource: the server responded with a status of 404 (Not Found)"
MARKUP = "<img src=x onerror=\"document.title='owned'\">"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Provider]]:
    """One product that answers nobody without a credential, and its issuer."""
    require_chromium()
    with oidc_provider() as issuer:
        environment = {**people_only(issuer.issuer), "OIDC_SCOPES": "openid"}
        with run(tmp_path_factory.mktemp("asking"), environment=environment) as running:
            issuer.console = f"{running.url}/"
            yield running, issuer


@pytest.fixture
def asking(served: tuple[Running, Provider]) -> Running:
    return served[0]


@pytest.fixture
def issuer(served: tuple[Running, Provider]) -> Provider:
    served[1].forget()
    served[1].person = {"custom:tenant_id": BARBER}
    return served[1]


@pytest.fixture
async def watched(issuer: Provider) -> AsyncIterator[Watched]:
    """Afterwards: nothing ran that should not, nobody was told from where people came, and the issuer found nothing wrong."""
    async with browser() as watched:
        yield watched
        assert {one for one in watched.complaints if one not in (REFUSED, BAD_REQUEST, NO_DRAFT)} == set()
        assert (issuer.faults, issuer.referrers) == ([], [])


async def sign_in(page: Page, asking: Running, route: str = "#/sessions") -> None:
    """To the issuer's page and through it."""
    await page.goto(f"{asking.url}/{route}")
    await page.click("#sign-in")
    await page.click("#enter")


async def stored(page: Page) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(await page.evaluate("JSON.stringify(sessionStorage)"))
    return told


async def refused(page: Page, *words: str) -> None:
    """Nobody is signed in, and it says why and what to do."""
    for each in words:
        await expect(page.locator(".sign-in [role=alert]")).to_contain_text(each)
    assert await stored(page) == {}
    assert "?" not in page.url
    assert await page.title() == "Sign in · Nexus Voice"


# --- what is pasted ----------------------------------------------------------------------------------------------------------


async def test_a_key_opens_the_console_and_goes_with_the_tab(asking: Running, watched: Watched) -> None:
    made = await asyncio.to_thread(nexus, asking.folder, "key", "new", BARBER, "tenants:read", "sessions:read", "calls:write")
    key = made.stdout.strip()
    page = watched.page
    await page.goto(f"{asking.url}/#/sessions")
    await expect(page.locator("h1")).to_have_text("Sign in")
    await page.click("text=With an API key or an ID token")
    await page.fill("#credential", "nx_sec_of_nobody")
    await page.press("#credential", "Enter")
    await refused(page, "Ask your admin for another key")
    await page.fill("#credential", f"Bearer {key}")
    await page.press("#credential", "Enter")
    await expect(page.locator("h1")).to_have_text("Sessions")
    await expect(page.locator("#filter-tenant option")).to_have_count(2)
    assert key not in page.url and await page.evaluate("document.cookie + JSON.stringify(localStorage)") == "{}"
    await page.goto(f"{asking.url}/#/call")
    await page.click("#start")
    await expect(page.locator(".turn.agent")).to_have_count(1)
    await page.click("#stop")
    await page.click("#sign-out")
    await expect(page.locator("h1")).to_have_text("Sign in")
    assert watched.hosts == {"127.0.0.1"}


# --- the issuer's page -------------------------------------------------------------------------------------------------------


async def test_a_person_comes_back_to_where_they_were_stays_over_a_reload_and_signs_out_at_the_issuer(
    asking: Running, issuer: Provider, watched: Watched
) -> None:
    page = watched.page
    await sign_in(page, asking, "#/sessions?status=failed")
    await expect(page.locator("h1")).to_have_text("Sessions")
    assert page.url == f"{asking.url}/#/sessions?status=failed"
    kept = await stored(page)
    assert set(kept) == {"nexus.credential", "nexus.from_page"}
    assert await page.evaluate("document.cookie + JSON.stringify(localStorage)") == "{}"
    await page.reload()
    await expect(page.locator("#filter-tenant option")).to_have_count(2)
    assert await stored(page) == kept
    await page.click("#sign-out")
    await expect(page.locator("#sign-in")).to_be_focused()
    assert (page.url, await stored(page), issuer.remembered) == (f"{asking.url}/", {}, False)
    assert issuer.asked[-1] == "/logout"
    for secret in (kept["nexus.credential"][-30:], "code=", "state="):
        assert secret not in asking.log


async def test_an_answer_that_was_not_asked_for_signs_nobody_in(asking: Running, issuer: Provider, watched: Watched) -> None:
    page = watched.page
    foreign = f"?code=stolen&state={'x' * 43}&iss={issuer.issuer}"
    await page.goto(f"{asking.url}/{foreign}")
    await refused(page, "was not begun in this tab")
    await page.goto(f"{asking.url}/#/leads")
    await page.click("#sign-in")
    await expect(page.locator("#enter")).to_be_visible()
    await page.goto(f"{asking.url}/{foreign}")  # while one's own is under way
    await refused(page, "was not begun in this tab")
    await page.goto(f"{asking.url}/?error=access_denied&error_description=Call+us+at+555")
    await refused(page, "was not begun in this tab")
    assert "555" not in await page.locator("main").inner_text(), "a link of others puts no words here"
    assert "/token" not in issuer.asked


async def test_who_is_signed_in_stays_so_whatever_a_link_brings(asking: Running, issuer: Provider, watched: Watched) -> None:
    page = watched.page
    await sign_in(page, asking)
    await expect(page.locator("h1")).to_have_text("Sessions")
    kept = await stored(page)
    await page.goto(f"{asking.url}/?code=stolen&state=x")
    await expect(page.locator(".toast")).to_contain_text("You are signed in already")
    assert await stored(page) == kept and "?" not in page.url
    assert issuer.asked.count("/token") == 1


async def test_a_denied_sign_in_says_what_to_do_and_shows_words_as_words(asking: Running, issuer: Provider, watched: Watched) -> None:
    issuer.refuses = ("access_denied", MARKUP)
    await sign_in(watched.page, asking)
    await refused(watched.page, "You were not signed in", "ask your admin", MARKUP)
    issuer.refuses = ("unauthorized_client", "")
    await watched.page.click("#sign-in")
    await watched.page.click("#enter")
    await refused(watched.page, f"whose callback is {asking.url}/")


async def test_a_code_that_has_expired_is_told_and_the_next_one_is_taken(asking: Running, issuer: Provider, watched: Watched) -> None:
    issuer.late = True
    await sign_in(watched.page, asking)
    await refused(watched.page, "not finished in time", "Sign in again")
    issuer.late = False
    await watched.page.click("#sign-in")  # it remembers them: no second page
    await expect(watched.page.locator("h1")).to_have_text("Sessions")


NOT_OURS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("says", {"nonce": "another sign-in's"}),
    ("says", {"nonce": None}),
    ("says", {"aud": "client-2"}),
    ("says", {"aud": ["client-1", "client-2"]}),
    ("says", {"azp": "client-2"}),
    ("says", {"iss": "https://evil.example"}),
    ("answers", {"iss": "https://evil.example"}),
    ("answers", {"iss": None}),
    ("answers", {"code": None}),
    ("describes", {"issuer": "https://evil.example"}),
    ("describes", {"authorization_endpoint": "javascript:document.title='owned'"}),
    ("describes", {"token_endpoint": "http://evil.example/token"}),
    ("describes", {"code_challenge_methods_supported": ["plain"]}),
)


async def test_another_issuer_client_or_sign_in_is_not_ours(asking: Running, issuer: Provider, watched: Watched) -> None:
    page = watched.page
    for knob, change in NOT_OURS:
        issuer.forget()
        setattr(issuer, knob, change)
        await page.goto("about:blank")
        await page.goto(f"{asking.url}/#/sessions")
        await page.click("#sign-in")
        if knob != "describes":
            await page.click("#enter")
        await refused(page, "by https" if "_endpoint" in str(change) else "")
        assert ("/authorize" in issuer.asked) is (knob != "describes"), change
        assert ("/token" in issuer.asked) is (knob == "says"), change


async def test_codes_go_only_where_the_content_policy_lets_them(asking: Running, issuer: Provider) -> None:
    issuer.describes = {"token_endpoint": "https://evil.example/token"}
    async with browser() as watched:
        await sign_in(watched.page, asking)
        await refused(watched.page, "cannot be used")
        assert any("Content Security Policy" in one for one in watched.complaints)


async def test_a_person_whom_the_api_does_not_take_is_not_signed_in(asking: Running, issuer: Provider, watched: Watched) -> None:
    issuer.life_s = -600
    await sign_in(watched.page, asking)
    await refused(watched.page, "expired")


async def test_who_may_change_nothing_is_offered_nothing(asking: Running, issuer: Provider, watched: Watched) -> None:
    page = watched.page
    sees = {}
    for role in ("tenant_viewer", "analyst", "tenant_admin"):
        issuer.person |= {"cognito:groups": [role]}
        await page.goto("about:blank")
        await sign_in(page, asking, f"#/tenants/{BARBER}")
        await expect(page.locator("blockquote")).to_be_visible()
        await expect(page.locator(".kept .skeleton")).to_have_count(0)
        await expect(page.locator(".kept [role=alert]")).to_have_count(0)
        offered = await page.locator(".kept :is(button:not([hidden]), input, select, textarea)").count()
        sees[role] = (await page.locator(".kept").count(), offered > 0)
        await page.click("#sign-out")
        await expect(page.locator("#sign-in")).to_be_visible()
    assert sees == {"tenant_viewer": (1, False), "analyst": (0, False), "tenant_admin": (1, True)}


async def test_a_token_is_renewed_before_its_end_and_where_it_cannot_be_it_is_said(
    asking: Running, issuer: Provider, watched: Watched
) -> None:
    page = watched.page
    await page.clock.install()
    await sign_in(page, asking)
    await expect(page.locator("h1")).to_have_text("Sessions")
    first = await stored(page)
    await page.clock.fast_forward(54 * 60_000)
    assert issuer.asked.count("/token") == 1
    await page.clock.fast_forward(2 * 60_000)
    await page.wait_for_function("(old) => sessionStorage.getItem('nexus.credential') !== old", arg=first["nexus.credential"])
    assert set(await stored(page)) == set(first), "the refresh token lies in no storage"
    await page.reload()  # and is gone with the page
    await expect(page.locator(".toast")).to_contain_text("Your sign-in ends at")
    await page.click(".toast .primary")
    await expect(page.locator(".toast")).to_be_empty()
    await page.wait_for_function(
        "(old) => ![null, old].includes(sessionStorage.getItem('nexus.credential'))", arg=first["nexus.credential"]
    )
    assert issuer.asked.count("/token") == 3


async def test_without_its_issuer_the_console_says_so_and_takes_a_key(
    asking: Running, issuer: Provider, tmp_path_factory: pytest.TempPathFactory
) -> None:
    issuer.describes = {"issuer": "", "token_endpoint": None}
    async with browser() as watched:
        page = watched.page
        await page.route("**/.well-known/openid-configuration", lambda route: route.abort())
        await page.goto(f"{asking.url}/#/sessions")
        await page.click("#sign-in")
        await refused(page, "does not answer", "Try again in a minute")
        await expect(page.locator("#sign-in")).to_be_enabled()
        await page.click("text=With an API key or an ID token")
        await expect(page.locator("#credential")).to_be_visible()
