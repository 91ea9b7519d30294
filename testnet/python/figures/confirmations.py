"""Figure: how likely a double spend is, by confirmations: the formula of this chain's rules, and what the simulator measures.

Runs in seconds. Needs matplotlib: `pip install './testnet/python[figures]'`, then `python confirmations.py [FILE]`.
"""

# %% What is asked
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import testoon

confirmations = list(range(1, 7))
shares = [0.1, 0.2, 0.3]

# %% Played, and by formula
measured = testoon.attack("double-spend", share=shares, confirmations=confirmations, give_up=10, runs=2000)

# %% Drawn
figure, axes = plt.subplots(figsize=(7, 4.5))
for share, group in measured.groupby("share"):
    (line,) = axes.plot(group["confirmations"], group["matching"], label=f"share {share:.0%}")
    low, high = group["rate"] - group["interval95_low"], group["interval95_high"] - group["rate"]
    axes.errorbar(group["confirmations"], group["rate"], yerr=[low, high], fmt="o", color=line.get_color(), capsize=3)
axes.set(xlabel="confirmations the shop waits for", ylabel="double spends that succeed", yscale="log")
axes.set_title("Lines: formula; points: 2,000 runs each with their 95 % interval")
axes.legend()
figure.savefig(sys.argv[1] if len(sys.argv) > 1 else "confirmations.svg", bbox_inches="tight")
print(measured[["share", "confirmations", "matching", "rate", "z"]].to_string(index=False))
