"""Make the example exports: one month of an imaginary reporting product, and its users.

    python examples/make_exports.py [FOLDER]

The same files come out every time. They have the formats of Mixpanel's raw event export and of its
profiles, and the oddities that real ones have: see ``make_odd``.
"""

import gzip
import json
import sys
import uuid
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from random import Random
from typing import Any

Line = dict[str, Any]

START = int(datetime(2025, 1, 1, tzinfo=timezone.utc).timestamp())
DAY = 86_400
SITE = "https://tidesheet.example.com"
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"

# City, region, country, time zone and some names. All the people are made up.
PLACES = [
    (
        "Zürich",
        "Zürich",
        "CH",
        "Europe/Zurich",
        ["Zoë Flussufer", "Jürg Möwenstein", "Léa Crêtedune"],
    ),
    ("São Paulo", "São Paulo", "BR", "America/Sao_Paulo", ["João Marébaixa", "Inês Ondaçul"]),
    ("Αθήνα", "Αττική", "GR", "Europe/Athens", ["Νίκος Φαροκύματος", "Ελένη Αλμυράκι"]),
    ("Київ", "Київ", "UA", "Europe/Kyiv", ["Оксана Прибійна", "Юрій Їжакохвиля"]),
    ("القاهرة", "القاهرة", "EG", "Africa/Cairo", ["ليلى المرساة", "يوسف المنارة"]),
    ("תל אביב", "תל אביב", "IL", "Asia/Jerusalem", ["נועה גלשן", "איתי מפרש"]),
    ("मुंबई", "महाराष्ट्र", "IN", "Asia/Kolkata", ["आशा लहरनाव", "रवि नौकातट"]),
    ("東京", "東京都", "JP", "Asia/Tokyo", ["波止場 そら", "灯台 リク"]),
    ("서울", "서울특별시", "KR", "Asia/Seoul", ["한 바다새", "나 은물결"]),
    (
        "Austin",
        "Texas",
        "US",
        "America/Chicago",
        ["Sam O'Tidewell", "Robin 🌊 Driftmere", "Kim Ash-Lagoon"],
    ),
    (
        "Reykjavík",
        "Höfuðborgarsvæðið",
        "IS",
        "Atlantic/Reykjavik",
        ["Þóra Bátaljós", "Ægir Öldufar"],
    ),
]
BROWSERS = ["Chrome", "Safari", "Firefox", "Microsoft Edge", "Mobile Safari"]
SYSTEMS = ["Windows", "Mac OS X", "Linux", "Windows", "iOS"]
PUBLIC_PAGES = ["/", "/pricing", "/docs", "/blog/what-a-tide-table-tells"]
PRODUCT_PAGES = ["/dashboard", "/reports", "/reports/weekly", "/settings", "/team"]
SOURCES = ["newsletter", "search", "partner-blog", "café ☕ podcast"]
PLANS = ["Free", "Starter", "Team"]


class Person:
    """Somebody with a browser, and from some time on with an account."""

    def __init__(self, rng: Random, number: int, joined: int) -> None:
        self.rng, self.joined = rng, joined
        self.last_seen: int | None = joined
        self.user_id = str(40_000 + 17 * number)
        self.device = str(uuid.UUID(int=rng.getrandbits(128), version=4))
        self.city, self.region, self.country, self.zone, names = pick(rng, PLACES)
        self.name = pick(rng, names)
        self.software = pick(rng, range(5), [9, 4, 3, 2, 3])
        self.source = pick(rng, [None, *SOURCES], [6, 2, 4, 1, 1])
        self.plan = pick(rng, PLANS, [6, 3, 1])
        self.company = {"name": f"Harbour {number % 23 + 1}", "size": number % 23 * 4 + 3}

    def event(self, name: str, time: int, **properties: object) -> Line:
        """Return an event that the browser sends."""
        self.last_seen = time
        known = self.joined <= time
        delay = self.rng.randrange(300, 60_000)
        return {
            "event": name,
            "properties": {
                "time": time,
                "distinct_id": self.user_id if known else f"$device:{self.device}",
                "$browser": BROWSERS[self.software],
                "$browser_version": 131 - self.software,
                "$city": self.city,
                "$device_id": self.device,
                "$insert_id": "".join(self.rng.choices(LETTERS, k=16)),
                "$lib_version": "2.58.0",
                "$os": SYSTEMS[self.software],
                "$region": self.region,
                **({"$user_id": self.user_id} if known else {}),
                "mp_country_code": self.country,
                "mp_lib": "web",
                "mp_processing_time_ms": time * 1000 + delay,
                **properties,
            },
        }

    def page(self, path: str, time: int, **properties: object) -> Line:
        """Return a look at a page."""
        return self.event("Page View", time, **{"$current_url": SITE + path}, **properties)

    def visit(self, time: int) -> Iterator[Line]:
        """Yield what happens in one session: without an account, on the way to one, or with it."""
        rng = self.rng
        if time <= self.joined:
            yield self.page(pick(rng, PUBLIC_PAGES), time - 95, **{"utm.source": self.source})
            yield self.page("/pricing", time - 40)
            if time != self.joined:
                return
            ids = {"$anon_id": self.device, "$identified_id": self.user_id}
            yield self.event("$identify", time, **ids)
            yield self.event("Sign Up", time + 1, **{"plan name": self.plan, "trial": True})
        for _ in range(rng.randrange(1, 5)):
            time += rng.randrange(4, 200)
            yield self.page(pick(rng, PRODUCT_PAGES), time)
        if rng.random() < 0.45:
            filters = {"range": {"from": "2024-12-01", "days": rng.randrange(7, 31)}}
            yield self.event(
                "Report Exported",
                time + rng.randrange(5, 90),
                format=pick(rng, ["csv", "pdf", "xlsx"]),
                rows=rng.randrange(20, 9_000),
                filters={**filters, "ports": rng.sample(["Cádiz", "Ὕδρα", "横浜", "Bergen"], 2)},
                scheduled=rng.random() < 0.3,
            )
        if self.plan != "Team" and rng.random() < 0.08:
            before, self.plan = self.plan, PLANS[PLANS.index(self.plan) + 1]
            plans = {"plan name": self.plan, "previous plan": before}
            yield self.event("Plan Upgraded", time + 200, **plans, coupon=None)
            yield self.invoice(time + 203)

    def invoice(self, time: int) -> Line:
        """Return an event that a server sends: without a browser and without an insert id."""
        return {
            "event": "Invoice Paid",
            "properties": {
                "time": time,
                "distinct_id": self.user_id,
                "mp_lib": "python",
                "mp_processing_time_ms": time * 1000 + 712,
                "amount": {"Starter": 19.5, "Team": 99.0}[self.plan],
                "items": [{"plan name": self.plan, "seats": 3, "discounts": []}],
            },
        }

    def profile(self) -> Line:
        """Return the profile."""
        last_seen = {} if self.last_seen is None else {"$last_seen": iso(self.last_seen)}
        return {
            "$distinct_id": self.user_id,
            "$properties": {
                **last_seen,
                "$city": self.city,
                "$country_code": self.country,
                "$created": iso(self.joined),
                "$email": f"user{self.user_id}@example.com",
                "$name": self.name,
                "$region": self.region,
                "$timezone": self.zone,
                "company": self.company,
                "newsletter": self.source == "newsletter",
                "plan": self.plan,
                "tags": ["beta", "⚓"] if int(self.user_id) % 9 == 0 else [],
            },
        }


def make_odd(rng: Random, events: list[Line]) -> list[str]:
    """Return the events as lines, some of them as odd as some lines of every real export are."""
    named = [event["properties"] for event in events if "$insert_id" in event["properties"]]
    unnamed = [event["properties"] for event in events if "$insert_id" not in event["properties"]]
    for properties in unnamed[:5]:
        properties["distinct_id"] = int(properties["distinct_id"])
    for properties in unnamed[5:9]:
        properties["ledger_entry"] = 2**69 + rng.getrandbits(40)
    for properties in unnamed[9:12]:
        properties["distinct_id"] = ""
    for properties in unnamed[12:15]:
        del properties["distinct_id"]
    for properties in named[100:106]:
        properties["time"] += rng.randrange(1000) / 1000
    for properties in named[::150]:
        properties['clicked "Start here"'] = True
    for first, second in zip(named[700:1900:300], named[733:1933:300], strict=True):
        second["$insert_id"] = first["$insert_id"]  # different events, the same id
    lines = [json.dumps(event, ensure_ascii=False, separators=(",", ":")) for event in events]
    for position in sorted(rng.sample(range(len(lines)), 60), reverse=True):
        lines.insert(position + rng.randrange(1, 9), lines[position])  # sent again by the browser
    lines.insert(len(lines) // 2, "")
    return lines


def make() -> tuple[list[str], list[str]]:
    """Return the lines of both files."""
    rng = Random(2025)
    joined = [START - rng.randrange(1, 400 * DAY) for _ in range(190)]
    joined += [daytime(rng) for _ in range(110)]
    joined += [START + 31 * DAY] * 60  # visitors, all through January
    people = [Person(rng, number, time) for number, time in enumerate(joined)]
    events: list[Line] = []
    for person in people:
        times = {daytime(rng) for _ in range(pick(rng, range(5), [1, 3, 4, 4, 1]))}
        if START <= person.joined < START + 31 * DAY:
            times.add(person.joined)
        for time in sorted(times):
            events += person.visit(time)
    for person in people[::40]:
        person.last_seen = None
    events.sort(key=lambda event: event["properties"]["time"])
    profiles = [json.dumps(person.profile(), ensure_ascii=False) for person in people[:300]]
    return make_odd(rng, events), profiles


def daytime(rng: Random) -> int:
    """Return a time in January, on a weekday more often than not and not in the night."""
    weights = [2 if (day + 2) % 7 < 5 else 1 for day in range(31)]
    day: int = pick(rng, range(31), weights)
    return START + day * DAY + rng.randrange(7 * 3600, 22 * 3600)


def pick(rng: Random, values: Any, weights: Any = None) -> Any:
    """Return one of some values."""
    return rng.choices(values, weights)[0]


def iso(time: int) -> str:
    """Return a time as profiles have it: ISO 8601 without a zone."""
    return datetime.fromtimestamp(time, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")


def main() -> None:
    """Write the two files."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    events, profiles = make()
    for name, lines in (("events", events), ("profiles", profiles)):
        # Name and time stand in the header of a gzip file: left out, so that the bytes repeat.
        with (
            (folder / f"{name}.jsonl.gz").open("wb") as file,
            gzip.GzipFile("", "wb", fileobj=file, mtime=0) as compressed,
        ):
            compressed.write(("\n".join(lines) + "\n").encode())


if __name__ == "__main__":
    main()
