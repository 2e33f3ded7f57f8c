"""The benchmarks of the language models and of fluency as a reward run in small and say something."""

from tests.benchmarks.quick import quick


def rows_of(name, folder):
    rows = quick(name, folder)
    assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    return {(row.agent, row.variant, row.metric): row.value for row in rows}


def test_language_models(tmp_path):
    rows = rows_of("language_models", tmp_path)
    orders = [rows["ngram", f"order {n}", "perplexity"] for n in (2, 3, 4, 5)]
    assert orders == sorted(orders, reverse=True) and 50 < orders[-1] < 80
    assert all(80 < rows[key] < 400 for key in rows if key[0] != "ngram" and key[2] == "perplexity")  # one epoch
    speeds = {key[0]: rows[key] for key in rows if key[2] == "tokens scored a CPU-second"}
    assert speeds["ngram"] > 500_000 and speeds["ngram"] > speeds["rnn"]


def test_fluency_collapse(tmp_path):
    rows = rows_of("fluency_collapse", tmp_path)
    before, after = ("mle", "before, by maximum likelihood"), ("reinforce", "fluency")
    assert rows[*after, "perplexity"] < 0.9 * rows[*before, "perplexity"]
    assert rows[*before, "KL to MLE"] == 0 < rows[*after, "KL to MLE"]
