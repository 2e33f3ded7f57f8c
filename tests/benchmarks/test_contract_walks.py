"""A walk's files are those whose functions a run calls, in the order of the first call."""

import json
import re

from benchmarks.tables import ROOT
from benchmarks.walks import WALKS, Walk, traced
from tests.benchmarks.quick import quick
from tests.processes import result_of


def test_a_file_counts_when_it_is_called_and_not_for_being_imported():
    from lhy_rl.core import registry, trees

    def run():
        trees.map_tree(len, {"a": [1, 2]})
        registry.Registry("thing", {"one": "lhy_rl.core.errors:UserError"}).get("one")
        trees.map_tree(len, {"a": [1, 2]})

    walk = traced(run, lambda file: len(file))
    assert list(walk.files.items())[:2] == [("core/trees.py", "map_tree"), ("core/registry.py", "Registry.__init__")]
    assert "core/errors.py" not in walk.files
    assert walk.lines == [len((ROOT / "lhy_rl" / file).read_text().splitlines()) for file in walk.files]
    assert walk.heights == [len(file) for file in walk.files]


def test_climbs_are_steps_to_a_higher_floor():
    assert Walk({}, [5, 5, 2, 4, 4, 0, 5], []).climbs == 2


def test_walks_are_those_that_are_documented(tmp_path):
    rows = result_of(quick, "walks", tmp_path, "--label", "now")  # nothing is cached in a process of its own
    files = {row.task: row.value for row in rows if row.metric == "files"}
    assert list(files) == list(WALKS) and all(5 < count < 100 for count in files.values())
    kept = json.loads((tmp_path / "walks.files.json").read_text())["now"]
    assert {name: len(walk["files"]) for name, walk in kept.items()} == files
    for name, ends in {
        "an observation to a gradient": {"agents/policy_gradient/ppo.py", "functional/returns.py"},
        "a demonstration to a clone": {"agents/supervised/bc.py", "interop/demonstrations.py"},
        "a command line to a run folder": {"cli/main.py", "experiment/run.py", "agents/policy_gradient/ppo.py"},
        "a sentence through SeqGAN": {"agents/adversarial/seqgan.py", "envs/text/oracle.py"},
    }.items():
        assert kept[name]["files"].keys() >= ends, name
    assert (tmp_path / "walks.png").read_bytes().startswith(b"\x89PNG")
    documented(kept)


def documented(kept):
    """File by file, and each sentence names something that the file defines."""
    page = (ROOT / "docs/architecture.md").read_text("utf-8")
    walks = page.partition("## Four walks")[2]
    sections = re.findall(r"^### ([^\n]+)\n(.*?)(?=^##|\Z)", walks, re.MULTILINE | re.DOTALL)
    assert [heading.lower() for heading, _ in sections] == [name.lower() for name in WALKS]
    for (_, text), walk in zip(sections, kept.values(), strict=True):
        items = re.findall(r"^\d+\. `(.+?)`:\s+(.*?)(?=^\d+\. |\Z)", text, re.MULTILINE | re.DOTALL)
        assert [file for file, _ in items] == list(walk["files"])
        for file, sentence in items:
            names = {word for quoted in re.findall(r"`([^`]+)`", sentence) for word in re.findall(r"\w+", quoted)}
            code = (ROOT / "lhy_rl" / file).read_text("utf-8")
            assert any(re.search(rf"^\s*(def|class) {name}\b", code, re.MULTILINE) for name in names), (file, sentence)
