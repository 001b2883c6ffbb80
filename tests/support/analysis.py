"""Reading, analysing, drawing and writing back, as a model writes it that has been told nothing of packages."""

ANALYSIS = """
import pandas as pd
import matplotlib.pyplot as plt
from mcp import mcp_filesystem

csv_content = await mcp_filesystem.read_file(path="/data/sales.csv")
df = pd.read_csv(pd.io.common.StringIO(csv_content))
monthly = df.groupby("month")["revenue"].sum()

plt.bar(monthly.index, monthly.values)
plt.title("Monthly Revenue")
plt.savefig("/tmp/revenue.png")

with open("/tmp/revenue.png", "rb") as f:
    await mcp_filesystem.write_file(path="/reports/revenue.png", content=f.read())

print(f"Analyzed {len(df)} records, saved chart")
"""
