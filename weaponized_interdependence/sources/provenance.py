"""What a file made from a reading says about where it came from."""

import json

from weaponized_interdependence import __version__
from weaponized_interdependence.sources.declaration import load_declaration
from weaponized_interdependence.sources.reading import Reading


def metadata_of(reading: Reading) -> dict[str, str]:
    """Keys and text for `exports.write`: tool and version, publisher, licence, citation, input hashes, what went wrong.

    `inputs` is a JSON list of path, sha256 and bytes; `rejected` a JSON object reason -> rows; `failed_checks` a JSON
    list of the checks that do not hold.
    """
    declared = load_declaration(reading.name)
    return {
        "tool": "weaponized_interdependence",
        "tool_version": __version__,
        "reader": reading.name,
        "publisher": declared.publisher,
        "licence": declared.licence,
        "citation": declared.citation,
        "inputs": json.dumps([{"path": f.path, "sha256": f.sha256, "bytes": f.bytes} for f in reading.files]),
        "rejected": json.dumps(reading.rejected_counts),
        "failed_checks": json.dumps(
            [{"name": c.name, "expected": c.expected, "found": c.found} for c in reading.failed]
        ),
        "notes": json.dumps(list(reading.notes), ensure_ascii=False),
    }
