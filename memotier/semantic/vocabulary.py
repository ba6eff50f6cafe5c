"""
What the guards know of English: numbers, units, opposites, negations, words that say little.
"""

from __future__ import annotations

from decimal import Decimal


def _words(text: str) -> list[str]:
    return text.split()


CURRENCY: dict[str, str] = {"$": "usd", "€": "eur", "£": "gbp", "¥": "jpy", "₹": "inr"}
_ONES = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
_TENS = _words("twenty thirty forty fifty sixty seventy eighty ninety")
SMALL = {
    **{word: value for value, word in enumerate(_ONES)},
    **{word: 10 * value for value, word in enumerate(_TENS, 2)},
}
LARGE = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
COUNTS: dict[str, int | Decimal] = {
    "dozen": 12,
    "half": Decimal("0.5"),
    "twice": 2,
    "double": 2,
    "triple": 3,
}
ORDINALS = {
    word: value
    for value, word in enumerate(
        _words("first second third fourth fifth sixth seventh eighth ninth tenth"), 1
    )
}

UNITS = {
    name: names.split()[0]
    for names in (
        "usd dollar dollars buck bucks",
        "eur euro euros",
        "gbp pound pounds quid",
        "jpy yen",
        "inr rupee rupees",
        "% percent pct",
        "° degree degrees",
        "celsius c",
        "fahrenheit f",
        "ms millisecond milliseconds",
        "s sec secs second seconds",
        "min mins minute minutes",
        "h hr hrs hour hours",
        "d day days",
        "week weeks wk wks",
        "month months",
        "year years yr yrs",
        "mm millimeter millimeters millimetre millimetres",
        "cm centimeter centimeters centimetre centimetres",
        "m meter meters metre metres",
        "km kilometer kilometers kilometre kilometres",
        "mi mile miles",
        "ft foot feet",
        "in inch inches",
        "g gram grams",
        "kg kilo kilos kilogram kilograms",
        "mg milligram milligrams",
        "lb lbs",
        "oz ounce ounces",
        "l liter liters litre litres",
        "ml milliliter milliliters millilitre millilitres",
        "kb kilobyte kilobytes",
        "mb megabyte megabytes",
        "gb gigabyte gigabytes",
        "tb terabyte terabytes",
        "am",
        "pm",
    )
    for name in names.split()
}

#: Words that say little about what is asked; all others are content.
STOP = frozenset(
    _words(
        "a an the this that these those some any is are was were be been being am do does did "
        "done doing have has had having can could will would shall should may might must of "
        "to in for with at by from as into about and or but if so than then there here it its "
        "it's he she they them his her their we us our you your i me my mine please tell give "
        "show let what which who whom whose how when where why need want get way ways like "
        "just also very really out what's how's where's who's i'm i'd i've you're let's on up"
    )
)

#: Where something comes from, and where it goes.
WAYS = {"from": "from", "to": "to", "into": "to", "onto": "to", "towards": "to"}

#: Sides of an opposition. A text with one side is not near a text with another.
OPPOSITES = tuple(
    tuple(frozenset(side.split("/")) for side in row.split())
    for row in (
        "on off",
        "open/opened/opens/opening close/closed/closes/closing/shut",
        "start/started/begin/begins stop/stopped/end/ends/finish",
        "enable/enabled/enabling/activate disable/disabled/disabling/deactivate",
        "safe/safely dangerous/dangerously/harmful/risky",
        "increase/increased/raise/more decrease/decreased/reduce/lower/less/fewer",
        "up down",
        "before after",
        "min/minimum/lowest/smallest/least max/maximum/highest/largest/biggest/most",
        "buy/buying/purchase sell/selling",
        "add/adding/insert remove/removing/delete/deleting/drop",
        "allow/allowed/permit/permitted deny/denied/forbid/forbidden/prohibit/prohibited/ban",
        "left right",
        "import/importing export/exporting",
        "upload/uploading download/downloading",
        "install/installing uninstall/uninstalling/remove",
        "encode/encrypt/encoding decode/decrypt/decoding",
        "win/won/wins lose/lost/loses",
        "hot/warm cold/cool",
        "true false",
        "always never/sometimes",
        "all/every/everything none/nothing/no",
        "fast/faster/quick/quickest/fastest slow/slower/slowest",
        "cheap/cheaper/cheapest expensive/dearest",
        "old/older/oldest new/newer/newest young/younger/youngest",
        "first last",
        "yesterday today tomorrow",
        "monday tuesday wednesday thursday friday saturday sunday",
        "morning afternoon evening night",
        "north south east west",
        "pros/advantages/benefits cons/disadvantages/drawbacks",
        "lock/locked unlock/unlocked",
        "push pull",
        "accept/accepted/approve reject/rejected/decline",
        "pass/passed fail/failed",
        "mother father",
        "arrive/arrival/arrives depart/departure/departs/leave/leaves",
        "ascending descending",
        "read write",
        "public private",
        "male/men female/women",
    )
)

NEGATIONS = frozenset(
    _words(
        "not no never none nobody nothing nowhere neither nor without cannot hardly barely "
        "except excluding"
    )
)
PREFIXES = ("un", "in", "im", "ir", "il", "dis", "non", "de", "mis", "anti")
#: Questions that ask for something particular; "what", "which" and "how" may ask for anything.
ASKS = frozenset(("who", "when", "where", "why"))
HOW = frozenset(("many", "much", "long", "old", "far", "tall", "big", "often", "fast"))
