"""Figure: the revenue of selfish mining by hash share, beside Eyal and Sirer's formula (2014, equation 8) and the optimum.

Runs in about a minute. Needs matplotlib: `pip install './testnet/python[figures]'`, then `python selfish.py [FILE]`.
"""

# %% What is asked
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import testoon

shares = [0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45]

# %% Played; the answer holds the theory, too
measured = testoon.attack("selfish", share=shares, gamma=[0.0, 0.5], runs=3000)

# %% Drawn
figure, axes = plt.subplots(figsize=(7, 4.5))
axes.plot(shares, shares, color="grey", linestyle=":", label="honest mining")
for gamma, group in measured.groupby("gamma"):
    (line,) = axes.plot(group["share"], group["theory_selfish"], label=f"selfish, γ = {gamma:g}")
    axes.plot(group["share"], group["theory_optimal-selfish"], linestyle="--", color=line.get_color(), label="optimal")
    low, high = group["revenue"] - group["interval95_low"], group["interval95_high"] - group["revenue"]
    axes.errorbar(group["share"], group["revenue"], yerr=[low, high], fmt="o", color=line.get_color(), capsize=3)
axes.set(xlabel="share of the hash rate", ylabel="part of the rewards")
axes.set_title("Points: 3,000 regeneration cycles each with their 95 % interval")
axes.legend()
figure.savefig(sys.argv[1] if len(sys.argv) > 1 else "selfish.svg", bbox_inches="tight")
print(measured[["share", "gamma", "theory_selfish", "revenue", "z"]].to_string(index=False))
