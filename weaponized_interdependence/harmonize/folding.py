"""Names of economies made comparable: one key for "Korea, Rep.", "Rep. of Korea" and "Republic of Korea"."""

import polars as pl

# Little words carry no meaning in a country's name; long and short forms of the others are made one.
_DROPPED = ("the", "of", "and", "de", "la", "les", "et")
_SHORT_FORMS = {
    "st": "saint",
    "ste": "saint",
    "rep": "republic",
    "dem": "democratic",
    "fed": "federated",
    "federal": "federated",
    "fs": "states federated",
    "sts": "states",
    "isds": "islands",
    "isd": "islands",
    "is": "islands",
    "isl": "islands",
    "isle": "islands",
    "isles": "islands",
    "island": "islands",
    "fmr": "former",
    "terr": "territory",
    "territories": "territory",
    "br": "british",
    "fr": "french",
    "neth": "netherlands",
    "so": "southern",
    "misc": "miscellaneous",
    "viet nam": "vietnam",
    "timor leste": "timorleste",
    "d ivoire": "divoire",
    "p r": "pr",
    "u s": "us",
    "u k": "uk",
    "u s s r": "ussr",
}


def fold(name: pl.Expr) -> pl.Expr:
    """The key under which a name is looked up.

    Case, accents, punctuation, the order of words and the words `the`, `of`, `and` do not matter; common short forms
    (Rep., Dem., St., Isds) count as the long ones.

    >>> pl.select(fold(pl.lit("Korea, Dem. People's Rep."))).item()
    'democratic korea peoples republic'
    """
    text = (
        name.str.normalize("NFKD")
        .str.replace_all(r"\p{M}", "")
        .str.to_lowercase()
        .str.replace_all(r"['’`´]s\b", "s")
        .str.replace_all(r"[^\p{L}\p{N}]+", " ")
        .str.strip_chars()
    )
    for short, long in _SHORT_FORMS.items():
        text = text.str.replace_all(rf"\b{short}\b", long)
    words = text.str.split(" ").list.eval(pl.element().filter(~pl.element().is_in(_DROPPED)))
    return words.list.unique().list.sort().list.join(" ")
