"""No score depends on how many threads the linear algebra library takes: the embedded world, bit by bit."""

import json
import os
import subprocess
import sys
from pathlib import Path

from weaponized_interdependence.indicators.registry import INDICATORS

WALKS = {"counting", "current_flow", "provenance", "sinkrank"}  # families that solve or invert over flows
RUN = """
import hashlib, json, sys
import numpy as np
from weaponized_interdependence.indicators.rank import rank
from weaponized_interdependence.sample import load_sample

def told(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()

sample = load_sample()
found = {"the table": told(np.concatenate([getattr(sample.table, k).ravel() for k in ("Z", "Y", "VA", "x")]))}
over_table, over_flows, routed = json.loads(sys.argv[1])
for name in over_table + over_flows + routed:
    given = {"flows": None, "table": sample.table} if name in over_table + routed else {"flows": sample.flows}
    if name in routed:
        given["jurisdiction"] = ["USA", "CHN"]
    elif name in over_flows:
        given["by"] = ["item"]
    scores = rank(given.pop("flows"), name, **given)
    found[name] = told(scores["score"].to_numpy())
    assert scores["score"].is_not_null().any(), name
print(json.dumps(found))
"""


def test_no_score_depends_on_the_threads_of_the_linear_algebra(root: Path) -> None:
    over_table = [name for name, i in INDICATORS.items() if i.reads == "table"]
    over_flows = [n for n, i in INDICATORS.items() if i.family in WALKS and i.reads == "flows"] + ["core_profile"]
    routed = ["panopticon", "chokepoint"]  # over production paths
    assert len(over_table) >= 19
    assert len(over_flows) >= 9
    running = []
    for threads in (1, 4):
        names = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
        limits = {name: str(threads) for name in names} | {"PYTHONPATH": str(root)}
        command = [sys.executable, "-c", RUN, json.dumps([over_table, over_flows, routed])]
        running.append(subprocess.Popen(command, env=os.environ | limits, stdout=subprocess.PIPE, text=True))
    found = []
    for process in running:
        text, _ = process.communicate()
        assert process.returncode == 0
        found.append(json.loads(text.splitlines()[-1]))
    one, four = found
    assert set(one) == {"the table", *over_table, *over_flows, *routed}
    assert {name for name in one if one[name] != four[name]} == set()
