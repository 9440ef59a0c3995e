"""What `pql --help` says of each verb in a line, and the example that `pql VERB --help` ends with."""

from __future__ import annotations

_QUERY = "'PREDICT COUNT(orders.*, 0, 30, days) = 0 FOR EACH customers.customer_id'"

EXAMPLES = {
    verb: f"Example: {text}"
    for verb, text in {
        "query": f"pql shop.duckdb -c {_QUERY}",
        "run": "pql run shop.duckdb nightly.pql -o churn.parquet",
        "explain": f"pql explain shop.duckdb {_QUERY}",
        "evaluate": f"pql evaluate shop.duckdb {_QUERY}",
        "report": f"pql report shop.duckdb {_QUERY} -o churn.html",
        "labels": f"pql labels shop.duckdb {_QUERY} -o labels.csv",
        "check": "pql check shop.duckdb -f nightly.pql --json",
        "graph": "pql graph shop.duckdb -o graph.svg",
        "models": "pql models shop.duckdb",
        "mcp": "pql mcp shop.duckdb --rows 50",
        "fmt": "pql fmt --check queries/*.pql",
        "bench": "pql bench rel-f1 driver-dnf --seeds 3 -o out",
        "config": "pql config --set budget=10s",
        "doctor": "pql doctor shop.duckdb",
        "completion": 'eval "$(pql completion bash)"',
        "help": "pql help no_join_path",
        "version": "pql version",
    }.items()
}

IN_A_LINE = {
    "query": "Answer statements; the word may be left out.",
    "run": "Run the statements of a file.",
    "explain": "Show what is decided about a query before training.",
    "evaluate": "Show how good predictions are, beside baselines.",
    "report": "Write one HTML page on a prediction.",
    "labels": "Show the training table of a query.",
    "check": "Say whether statements would run.",
    "graph": "Show or draw tables, keys, links and clocks.",
    "models": "List the kept models of a database.",
    "mcp": "Serve a database to agents.",
    "fmt": "Print statements in their canonical form.",
    "bench": "Learn and measure a RelBench folder.",
    "config": "Show what is configured, and where.",
    "doctor": "Look at the installation and a database.",
    "completion": "Print a script that completes in a shell.",
    "version": "Print the version.",
    "help": "Explain an error by its code.",
}
