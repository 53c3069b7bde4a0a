"""The dashboard: one page, of files that ship. All that it shows it asks for under `/v1/`."""

from pathlib import Path
from typing import Final

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse

FOLDER: Final = Path(__file__).parents[1] / "web"
PAGE: Final = "index.html"
FILES: Final = {
    PAGE: "text/html",
    "dashboard.css": "text/css",
    "dashboard.js": "text/javascript",
    "gateway.js": "text/javascript",
}
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}

router = APIRouter(include_in_schema=False)


@router.get("/")
async def page() -> FileResponse:
    """The page; it may run its own scripts only, and no text can become one."""
    return await file(PAGE)


@router.get("/web/{name}")
async def file(name: str) -> FileResponse:
    """One file of the page."""
    if name not in FILES:
        raise HTTPException(404, f"no file {name!r}")
    return FileResponse(FOLDER / name, media_type=FILES[name], headers=HEADERS)
