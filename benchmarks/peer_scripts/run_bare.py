"""The least that can be done: aiohttp, 64 workers, no checks, no retries, nothing stored."""

import asyncio
import json
import sys

import aiohttp

WRITE = "Sum up the record below in one sentence.\n\n{source}"
JUDGE = "Does the source support the claim? Answer yes or no.\n\n{source}\n\nClaim: {text}"


async def ask(session: aiohttp.ClientSession, prompt: str) -> str:
    """One completion."""
    body = {"model": "fixed-latency", "messages": [{"role": "user", "content": prompt}]}
    async with session.post(sys.argv[1] + "/chat/completions", json=body) as response:
        return (await response.json())["choices"][0]["message"]["content"]


async def work(session: aiohttp.ClientSession, sources: list[str], passed: list[str]) -> None:
    """Take sources until there are none left."""
    while sources:
        source = sources.pop()
        text = await ask(session, WRITE.format(source=source))
        if await ask(session, JUDGE.format(source=source, text=text)) == "yes":
            passed.append(text)


async def main() -> None:
    """`bare.py BASE_URL SOURCES_JSONL`"""
    with open(sys.argv[2]) as lines:
        sources = [json.loads(line)["text"] for line in lines]
    passed: list[str] = []
    connector = aiohttp.TCPConnector(limit=64)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(work(session, sources, passed) for _ in range(64)))
    print(json.dumps({"passed": len(passed)}))


asyncio.run(main())
