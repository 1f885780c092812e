"""Notes that say the same thing of several measures, exemptions or data sets, shown once with all it is said of."""

import re
from collections.abc import Iterable, Sequence

_DATA = re.compile(r"^((?:on the input-output table|through product flows)): ")
_ITEM = r"[A-Z][A-Z0-9]*:[\w.*-]+"
_HOLE = "\0"


def fold(notes: Iterable[str], names: Sequence[str]) -> list[str]:
    """The notes in order, those alike put together; `names` are the ids of the scenario's measures.

    >>> fold(["crude: HS:2709: not there", "fuels: HS:2710: not there", "measure crude fits no flow",
    ...       "measure fuels fits no flow", "on the input-output table: crude: HS:2709: not there"], ["crude", "fuels"])
    ['crude: HS:2709 (also fuels: HS:2710; on the input-output table): not there', \
'measure crude (also fuels) fits no flow']
    """
    measure = "|".join(map(re.escape, names)) or r"(?!)"
    label = re.compile(rf"^(?:(?:{measure}|exemption \d+|{_ITEM})(?=: |$)(?:: )?)+")
    named = re.compile(rf"\b(measure |exemption )({measure}|\d+)(?=\W)")
    told: dict[str, tuple[list[str], list[str]]] = {}  # the sense -> whom it is said of, which data
    for note in notes:
        bare = _DATA.sub("", note)
        where = said[1] if (said := _DATA.match(note)) else ""
        if head := label.match(bare):
            subject, sense = head[0].removesuffix(": "), _HOLE + ": " + bare[head.end() :]
        elif found := named.search(bare):
            subject, sense = found[2], bare[: found.start(2)] + _HOLE + bare[found.end(2) :]
        else:
            subject, sense = "", bare
        subjects, data = told.setdefault(sense, ([], []))
        if subject not in subjects:
            # Said of this one only where those data are: the place belongs to it, unless the same was said elsewhere.
            subjects.append(subject)
            data.append(where)
        elif where and where not in data:
            data.append(where)
    return [_joined(sense, *both) for sense, both in told.items()]


def _joined(sense: str, subjects: Sequence[str], data: Sequence[str]) -> str:
    places = list(dict.fromkeys(filter(None, data)))
    everywhere = len(places) == 1 and all(data)  # nothing was said of the flows: the place leads, as it did
    also = [*subjects[1:], *([] if everywhere else places)]
    beside = f" (also {'; '.join(also)})" if also else ""
    lead = f"{places[0]}: " if everywhere else ""
    if _HOLE in sense:
        return lead + sense.replace(_HOLE, subjects[0] + beside, 1)
    return lead + sense + beside
