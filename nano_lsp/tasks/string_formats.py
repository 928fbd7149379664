"""Grammars (GBNF) of JSON Schema's string formats: dates, times, UUIDs, addresses.

By RFC 3339 and ISO 8601, restricted to what `datetime`, `uuid` and `ipaddress` accept. The UTC offset of a time is
optional: otherwise the model would invent one for a text that names none.
"""

from __future__ import annotations

_YEAR = "[12] [0-9]{3}"
_LEAP_YEAR = '([12] [0-9] ("0" [48] | [2468] [048] | [13579] [26]) | ("12" | "16" | "20" | "24" | "28") "00")'
_DATE = (
    f'({_YEAR} "-" (("0" [13578] | "1" [02]) "-" ("0" [1-9] | [12] [0-9] | "3" [01])'
    ' | ("0" [469] | "11") "-" ("0" [1-9] | [12] [0-9] | "30")'
    ' | "02-" ("0" [1-9] | "1" [0-9] | "2" [0-8]))'
    f' | {_LEAP_YEAR} "-02-29")'
)
_HOUR, _MINUTE = '([01] [0-9] | "2" [0-3])', "[0-5] [0-9]"
_TIME = f'{_HOUR} ":" {_MINUTE} ":" {_MINUTE} ("." [0-9]{{1,6}})? ("Z" | [+-] {_HOUR} ":" {_MINUTE})?'
_SECONDS = '[0-9]{1,6} ("." [0-9]{1,6})? "S"'
_DAY_TIME = f'([0-9]{{1,4}} "H" ([0-9]{{1,2}} "M")? ({_SECONDS})? | [0-9]{{1,4}} "M" ({_SECONDS})? | {_SECONDS})'
_HEX = "[0-9a-f]"
_BYTE = '("25" [0-5] | "2" [0-4] [0-9] | "1" [0-9]{2} | [1-9]? [0-9])'
_NAME = "[A-Za-z0-9]{1,40}"


def _uuid(version: str) -> str:
    return f'{_HEX}{{8}} "-" {_HEX}{{4}} "-" {version} {_HEX}{{3}} "-" [89ab] {_HEX}{{3}} "-" {_HEX}{{12}}'


INTEGER = "integer"
"""Format of property names that are integers, as in `dict[int, str]`; not part of JSON Schema."""
FORMATS = {
    "date": _DATE,
    "time": _TIME,
    "date-time": f'{_DATE} "T" {_TIME}',
    "duration": f'"P" ([0-9]{{1,4}} "D" ("T" {_DAY_TIME})? | "T" {_DAY_TIME})',
    "uuid": _uuid("[1-8]"),
    **{f"uuid{version}": _uuid(f'"{version}"') for version in range(1, 9)},
    "ipv4": f'{_BYTE} ("." {_BYTE}){{3}}',
    "ipv6": f'{_HEX}{{1,4}} (":" {_HEX}{{1,4}}){{7}}',
    "email": f'{_NAME} ([._-] {_NAME}){{0,3}} "@" {_NAME} ("." {_NAME}){{0,3}} "." [a-z]{{2,8}}',
    "uri": f'"http" "s"? "://" {_NAME} ("." {_NAME}){{0,4}} ("/" [A-Za-z0-9._~%-]*){{0,8}}',
    INTEGER: '"-"? [1-9] [0-9]{0,14} | "0"',
}
"""Grammar of the text between the quotes, by the format's name."""
