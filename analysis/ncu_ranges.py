"""NVTX ranges out of the two columns that ncu's CSV has for them.

A cell has the thread and then each range in quotes, with what the column's heading
lists between colons, the name twice: first, and last as the message. An example is
``668  "dsprof:capture:none:none:RGB:0xff:REGISTERED:capture"``. Start/end ranges have
their number before the domain.
"""

import re

PUSH_POP_HEADING = "Push/Pop_Range"
START_END_HEADING = "Start/Stop_Range"
# Payload type and value, colour type and value, message type; then the message.
_FIELDS_BETWEEN = 5
_RANGE = re.compile(
    r"(?P<domain>[^:]*):(?P<name>.*?)" + r":[^:]*" * _FIELDS_BETWEEN + r":(?P=name)",
    re.DOTALL,
)
_QUOTED = re.compile(r'"([^"]*)"')
_NUMBER = re.compile(r"\s*\d+:")


def ranges_of(cell: str, *, numbered: bool = False) -> tuple[str, ...]:
    """The ranges of one cell as "domain:name", in its order: outermost first."""
    if not cell.strip():
        return ()
    found = _QUOTED.findall(cell) if '"' in cell else [cell.strip()]
    return tuple(
        _range(_NUMBER.sub("", text, 1) if numbered else text) for text in found
    )


def _range(text: str) -> str:
    match = _RANGE.fullmatch(text)
    if match:
        return f"{match['domain']}:{match['name']}"
    # A message that is not the name's twin: take what the heading counts off.
    domain, _, rest = text.partition(":")
    parts = rest.split(":")
    name = ":".join(parts[: -_FIELDS_BETWEEN - 1]) or rest
    return f"{domain}:{name}"
