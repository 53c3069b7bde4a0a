"""The dashboard in a real browser, at gateways in processes of their own."""

import os
import re
import shlex
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from service.client import GatewayClient
from service.display import against
from tests.integration.conftest import SHEETS, GatewayProcess, OpenGateway
from tests.integration.test_gateway_guarantee import GRADERS, calibration
from tests.integration.test_gateway_tenants import KEYED, TENANTS

if not os.environ.get("REQUIRE_BROWSER"):
    pytest.importorskip("playwright.async_api", reason="playwright is not installed")
from playwright.async_api import Dialog, Page, async_playwright, expect

Json = dict[str, Any]
NewProcess = Callable[..., GatewayProcess]
OpenPage = Callable[..., Awaitable[Page]]
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SLOW = {"latency_s": 0.03, "concurrency": 2}
PATIENCE = 60_000  # milliseconds
expect.set_options(timeout=PATIENCE)
OWNED = "document.title='owned'"
HOSTILE = (
    f"Name: <script>{OWNED}</script> \N{NATIONAL PARK} Aldra\nKind: <img src=x onerror={OWNED}>\n"
    "Length: 412 km\nMouth: \N{SAILBOAT} Lake Teal\nCountry: <b>Norrland</b>\nLargest city: Brint"
)


def program() -> str:
    """The browser. Without one the test is skipped, unless REQUIRE_BROWSER is set."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        tell = pytest.fail if os.environ.get("REQUIRE_BROWSER") else pytest.skip
        tell(f"no browser is installed: none of {', '.join(PROGRAMS)} is on the path")
    return found


@pytest.fixture
async def open_page() -> AsyncIterator[OpenPage]:
    """`await open_page(gateway, **context)`: the page; no script may fail or be refused there."""
    executable, complaints = program(), []

    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=executable)

        async def open_(gateway: GatewayProcess, **context: Any) -> Page:
            page = await (await chromium.new_context(**context)).new_page()
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("console", lambda said: complaints.append(said.text))
            await page.goto(f"{gateway.url}/")
            return page

        yield open_
        await chromium.close()
    assert [said for said in complaints if "Failed to load resource" not in said] == []


def request(count: int, **fields: Any) -> Json:
    return {"recipe": "essay", "count": count, "sources": SHEETS, "seed": 1, **fields}


def figures(batch: Json) -> list[str]:
    counts = batch["request_counts"]
    accepted = f"{counts['accepted']} of {batch['count']} accepted"
    return [accepted, f"{counts['rejected']} rejected", f"{counts['failed']} failed"]


async def chosen(page: Page, batch: Json) -> None:
    await page.locator(f"a[href='#{batch['id']}']").click()
    await expect(page.locator("#title")).to_have_text(f"{batch['recipe']} by fake")


async def completed(page: Page) -> None:
    await expect(page.locator("#status")).to_have_text("completed")


async def assert_marks(page: Page, rejects: list[Json]) -> None:
    """The newest rejects are shown, and marked is what the evidence against each points at."""
    cards = page.locator("#rejects > li")
    await expect(cards.first).to_have_attribute("data-seq", str(rejects[-1]["seq"]))
    shown = await cards.evaluate_all(
        """cards => cards.map(card => [card.querySelector(".text").textContent,
             [...card.querySelectorAll("mark")].map(mark => mark.textContent).join("")])"""
    )
    expected = []
    for line in rejects[: -len(shown) - 1 : -1]:
        text = line["text"] or "(no text)"
        spans = [(e["start"], e["end"]) for e in against(line) if e["start"] is not None]
        places = sorted({place for span in spans for place in range(*span)})
        expected.append([text, "".join(text[place] for place in places)])
    assert len(shown) == min(12, len(rejects)) and shown == expected
    assert any(marks for _, marks in shown)


async def fits(page: Page) -> bool:
    return bool(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


async def test_the_page_is_served_without_a_key_and_may_run_its_own_scripts_only(
    open_gateway: OpenGateway,
) -> None:
    async with open_gateway(**KEYED) as http:
        page = await http.get("/")
        parts = re.findall(r'(?:href|src)="(web/[^"]+)"', page.text)
        files = [page, *[await http.get(f"/{part}") for part in [*parts, "web/gateway.js"]]]
        others = [await http.get(f"/web/{name}") for name in ("app.py", "..%2Fapp.py", "%2e%2e")]
        assert (await http.get("/v1/batches")).status_code == 401
    assert page.headers["content-type"].startswith("text/html") and "docs" in page.text
    assert [file.status_code for file in files] == [200] * 4
    for file in files:
        policy = file.headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
        assert "unsafe" not in policy and file.headers["x-content-type-options"] == "nosniff"
    assert {other.status_code for other in others} == {404}


@pytest.mark.browser
@pytest.mark.slow
async def test_a_batch_is_followed_to_its_end_and_shown_as_the_gateway_tells_it(
    new_process: NewProcess, open_page: OpenPage
) -> None:
    gateway = new_process(**SLOW, failure_rate=0.02, malformed_rate=0.1)
    gateway.environment |= {"WINNOW_PRICE_PER_ENGINE_HOUR": "3600", "WINNOW_CURRENCY": "EUR"}
    await gateway.start()
    async with GatewayClient(gateway.url) as client:
        batch = await client.create_batch(request(150, metadata={"owner": "me"}))
        page = await open_page(gateway)
        await chosen(page, batch)
        await expect(page.locator("#status")).to_have_text("in progress")
        first = await page.locator("#progress").text_content()
        await expect(page.locator("#progress")).not_to_have_text(first or "")
        await expect(page.locator("#samples > li")).not_to_have_count(0)
        await completed(page)
        batch = await client.get_batch(batch["id"])
        samples = [row async for row in client.samples(batch["id"])]
        rejects = [row async for row in client.rejects(batch["id"])]
    assert await page.locator("#progress .count").all_inner_texts() == figures(batch)
    await expect(page.locator("#batches .count")).to_have_text(figures(batch))
    await expect(page.locator("#batches .status")).to_have_text("completed")
    by = await page.locator("#graders li").all_inner_texts()
    assert {grader: int(count) for grader, count in map(str.split, by)} == batch["rejected_by"]
    facts = (await page.locator("#facts").inner_text()).splitlines()
    told = dict(zip(facts[::2], facts[1::2], strict=True))
    assert told["Pass rate"] == f"{batch['pass_rate']:.1%}".replace(".0%", "%")
    cost = batch["cost"]["per_accepted"]["money"]
    assert float(told["Cost per accepted"].removesuffix(" EUR")) == float(f"{cost:.2g}")
    assert (told["owner"], told["Id"]) == ("me", batch["id"])
    await assert_marks(page, rejects)
    await expect(page.locator("#samples .text").first).to_have_text(samples[-1]["text"])
    assert await page.locator("#samples > li").count() == 12
    reasons = await page.locator("#reasons li").all_inner_texts()
    assert sum(int(line.partition(" × ")[0]) for line in reasons) >= len(rejects[-100:]) / 2


@pytest.mark.browser
@pytest.mark.slow
async def test_what_looks_like_markup_is_shown_as_text(
    new_process: NewProcess, open_page: OpenPage
) -> None:
    gateway = new_process(wrong_rate=0.6)
    await gateway.start()
    image = f'<img src=x onerror="{OWNED}">'
    asked = request(10, sources=[{"id": image, "text": HOSTILE}], metadata={image: "<i>it</i>"})
    async with GatewayClient(gateway.url) as client:
        batch = await client.create_batch(asked)
        page = await open_page(gateway)
        await chosen(page, batch)
        await completed(page)
        rejects = [row async for row in client.rejects(batch["id"])]
    await assert_marks(page, rejects)
    shown = await page.locator("#batch").inner_text()
    reasons = " ".join(await page.locator("#rejects .reasons").all_inner_texts())
    assert image in shown and "<i>it</i>" in shown and f"<script>{OWNED}</script>" in shown
    assert "<img src=x" in reasons and "\N{SAILBOAT}" in reasons
    assert await page.locator("main :is(script, img, i:not(.bar i))").count() == 0
    assert await page.title() == "Winnow"


@pytest.mark.browser
@pytest.mark.slow
async def test_a_batch_is_cancelled_once_that_is_confirmed(
    new_process: NewProcess, open_page: OpenPage
) -> None:
    gateway = new_process(**SLOW)
    await gateway.start()
    answers = [False, True]

    async def answer(dialog: Dialog) -> None:
        await (dialog.accept() if answers.pop(0) else dialog.dismiss())

    async with GatewayClient(gateway.url) as client:
        batch = await client.create_batch(request(1000))
        page = await open_page(gateway)
        page.on("dialog", answer)
        await chosen(page, batch)
        await page.locator("#cancel").click()
        assert answers == [True]
        assert (await client.get_batch(batch["id"]))["status"] in ("validating", "in_progress")
        await page.locator("#cancel").click()
        await expect(page.locator("#status")).to_have_text("cancelled")
        await expect(page.locator("#cancel")).to_be_hidden()
        assert (await client.get_batch(batch["id"]))["status"] == "cancelled"


@pytest.mark.browser
@pytest.mark.slow
async def test_the_page_asks_for_a_key_and_keeps_it_in_its_tab(
    new_process: NewProcess, open_page: OpenPage
) -> None:
    gateway = new_process()
    gateway.environment["WINNOW_TENANTS"] = orjson.dumps(TENANTS).decode()
    await gateway.start()
    async with GatewayClient(gateway.url, "key of acme") as client:
        batch = await client.wait((await client.create_batch(request(3)))["id"])
    page = await open_page(gateway)
    door, key = page.locator("#door"), page.locator("#key")
    await expect(key).to_be_focused()
    for wrong in ("key of nobody", "Schlüssel"):
        await key.fill(wrong)
        await key.press("Enter")
        await expect(page.locator("#trouble")).to_contain_text(re.compile("key is nobody|no key"))
        await expect(page.locator("#board")).to_be_hidden()
    await key.fill("key of acme")
    await key.press("Enter")
    await chosen(page, batch)
    await completed(page)
    await expect(page.locator("#samples > li")).to_have_count(3)
    await page.reload()
    await completed(page)
    await expect(door).to_be_hidden()
    assert await page.evaluate("localStorage.length + document.cookie.length") == 0
    second = await page.context.new_page()
    await second.goto(f"{gateway.url}/")
    await expect(second.locator("#door")).to_be_visible()
    await page.get_by_role("button", name="Forget the key").click()
    await expect(key).to_be_focused()
    await key.fill("key of other")
    await key.press("Enter")
    await expect(page.locator("#curl")).to_contain_text("Bearer YOUR-KEY")
    assert batch["id"] not in await page.content()


@pytest.mark.browser
@pytest.mark.slow
async def test_with_no_batches_it_says_how_to_make_one(
    new_process: NewProcess, open_page: OpenPage
) -> None:
    gateway = new_process()
    await gateway.start()
    page = await open_page(gateway)
    await expect(page.locator("#none")).to_contain_text("No batches yet")
    line = (await page.locator("#curl").inner_text()).replace("\\\n", "")
    _, url, _, header, _, body = shlex.split(line)
    async with httpx.AsyncClient() as http:
        made = await http.post(url, content=body, headers=[header.split(": ")])
    assert made.status_code == 201, made.text
    await expect(page.locator("#batches a")).to_have_count(1)
    await expect(page.locator("#none")).to_be_hidden()


@pytest.mark.browser
@pytest.mark.slow
async def test_it_goes_on_when_the_gateway_was_away(
    new_process: NewProcess, open_page: OpenPage
) -> None:
    gateway = new_process(**SLOW)
    await gateway.start()
    async with GatewayClient(gateway.url) as client:
        batch = await client.create_batch(request(150))
        page = await open_page(gateway)
        await chosen(page, batch)
        await expect(page.locator("#samples > li")).not_to_have_count(0)
        await gateway.stop(signal.SIGKILL)
        await expect(page.locator("#trouble")).to_contain_text("can't be reached")
        await gateway.start()
        await completed(page)
        await expect(page.locator("#trouble")).to_be_hidden()
        batch = await client.get_batch(batch["id"])
        last = [row["seq"] async for row in client.samples(batch["id"])][-1]
    assert await page.locator("#progress .count").all_inner_texts() == figures(batch)
    newest = page.locator("#samples > li").first
    await expect(newest).to_have_attribute("data-seq", str(last))


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_narrow_window_shows_everything_and_the_keyboard_reaches_it(
    new_process: NewProcess, open_page: OpenPage, tmp_path: Path, scheme: str
) -> None:
    gateway = new_process()
    path = calibration(tmp_path / "essay.json")
    gateway.environment |= {
        "WINNOW_CALIBRATIONS": orjson.dumps({"essay": str(path)}).decode(),
        "WINNOW_GRADERS": orjson.dumps(GRADERS).decode(),
    }
    await gateway.start()
    async with GatewayClient(gateway.url) as client:
        gate = {"max_error_rate": 0.1, "confidence": 0.9}
        asked = request(3, gate=gate, metadata={"note": "x" * 200})
        batch = await client.wait((await client.create_batch(asked))["id"])
    window = {"width": 360, "height": 740}
    page = await open_page(gateway, viewport=window, color_scheme=scheme)
    await expect(page.locator("#batches a")).to_have_count(1)
    assert await fits(page)
    for _ in range(2):
        await page.keyboard.press("Tab")
    await expect(page.locator("#batches a")).to_be_focused()
    await page.keyboard.press("Enter")
    await completed(page)
    await expect(page.locator("#title")).to_be_focused()
    await expect(page.locator("#batches")).to_be_hidden()
    claim = "Certificate: at 90% confidence at most 10% of what passes is wrong"
    await expect(page.locator("#claim")).to_have_text(claim)
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator("#basis")).to_contain_text(batch["certificate"]["assumption"])
    await expect(page.locator("#basis")).to_be_visible()
    assert await fits(page)
    background = await page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (int(background.partition("(")[2].partition(",")[0]) < 128) == (scheme == "dark")
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator("#batches a")).to_be_visible()
    await expect(page.locator("#batch")).to_be_hidden()
