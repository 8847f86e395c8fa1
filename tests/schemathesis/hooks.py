"""What schemathesis cannot know of the API: values that only the node can make, and texts
whose grammar no regular expression tells. Their formats are named in /openapi.json."""

import os
import urllib.request
from datetime import datetime

import schemathesis
from hypothesis import strategies as st

BASE = os.environ["BELLWETHER_SERVER"]
RESOURCES = f"{BASE}/api/v1/infrastructure/resources"

# Checks of every kind; nothing of them is probed within a run, their interval is too long.
CHECKS = [
    {"push": {"ttl": "1h"}},
    {"tcp": {"address": "127.0.0.1:9"}},
    {"http": {"url": "http://127.0.0.1:9/", "status": ["200-299"], "body_contains": "ok"}},
    {"dns": {"name": "localhost", "type": "A"}},
    {"icmp": {"host": "127.0.0.1", "count": 1}},
    {"tls": {"address": "127.0.0.1:9", "min_days": 7}},
]


def tokens():
    """A cursor and a page token that the node itself has handed out."""
    with urllib.request.urlopen(f"{RESOURCES}?limit=1", timeout=10) as answer:
        cursor, link = answer.headers["Bellwether-Cursor"], answer.headers["Link"]
    return cursor, link.split("continue=")[1].split(">")[0]


CURSOR, PAGE = tokens()
KEYS = st.from_regex(r"\A[a-z]([a-z0-9._-]{0,20}[a-z0-9])?\Z")
VALUES = st.from_regex(r"\A([a-zA-Z0-9]([a-zA-Z0-9._-]{0,20}[a-zA-Z0-9])?)?\Z")
LISTS = st.lists(VALUES, min_size=1, max_size=3).map(",".join)
REQUIREMENTS = st.one_of(
    KEYS,
    KEYS.map("!{}".format),
    st.tuples(KEYS, st.sampled_from(["=", "==", "!="]), VALUES).map("".join),
    st.tuples(KEYS, st.sampled_from([" in ", " notin "]), LISTS).map(lambda t: f"{t[0]}{t[1]}({t[2]})"),
)

schemathesis.openapi.format("label-selector", st.lists(REQUIREMENTS, max_size=4).map(",".join))
schemathesis.openapi.format("bellwether-cursor", st.just(CURSOR))
schemathesis.openapi.format("bellwether-page", st.just(PAGE))
schemathesis.openapi.format(
    "entity-tag",
    st.one_of(
        st.just("*"),
        st.integers(0, 2**63).map('"g{0}.r{0}"'.format),
        st.integers(0, 2**63).map('W/"g1.r{0}"'.format),
    ),
)
schemathesis.openapi.format("asterisk", st.just("*"))
# Times before 1970 are refused, which the format alone does not tell.
schemathesis.openapi.format(
    "date-time",
    st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(9999, 12, 30)).map(
        lambda time: f"{time.isoformat(timespec='milliseconds')}Z"
    ),
)
schemathesis.openapi.format(
    "bellwether-span",
    st.one_of(
        st.integers(1, 30).map("{}d".format),
        st.integers(1, 86_400).map("{}s".format),
        st.sampled_from(["1h30m", "500ms", "1d2h3m4s5ms"]),
    ),
)


@schemathesis.hook
def map_body(context, body):
    """Lets most declarations through to where they are stored: of any object that the
    description of `check` allows, next to none is a check."""
    operation = context.operation
    if operation is None or operation.definition.raw.get("operationId") != "putResource":
        return body
    if isinstance(body, dict) and isinstance(body.get("check"), dict):
        chosen = CHECKS[len(repr(body)) % len(CHECKS)]
        body = {**body, "check": chosen}
    return body
