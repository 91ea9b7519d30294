"""Figure: how often the chain forks, by the delay of links, beside the rate that Decker and Wattenhofer's model expects (2013).

Runs in about a minute. Needs matplotlib: `pip install './testnet/python[figures]'`, then `python forks.py [FILE]`.
"""

# %% What is asked
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import testoon

delays_ms = [200, 500, 1000, 2000, 5000]

# %% Played
measured = testoon.simulate(nodes=200, blocks=2000, delay_ms=delays_ms)

# %% Drawn
figure, axes = plt.subplots(figsize=(7, 4.5))
axes.plot(measured["delay_ms"] / 1000, measured["expected_fork_rate"], label="expected from the delays")
axes.plot(measured["delay_ms"] / 1000, measured["fork_rate"], "o", label="simulated, 200 nodes, 2,000 blocks")
axes.set(xlabel="mean delay of a link, seconds", ylabel="forks per block", xscale="log", yscale="log")
axes.legend()
figure.savefig(sys.argv[1] if len(sys.argv) > 1 else "forks.svg", bbox_inches="tight")
print(measured[["delay_ms", "propagation_ms_mean", "fork_rate", "expected_fork_rate"]].to_string(index=False))
