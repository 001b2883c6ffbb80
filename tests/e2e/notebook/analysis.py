"""A notebook of data science, in cells that begin with `# %%`: data for test_notebook.py.

Every cell is deterministic and prints no addresses, so that two runs can be compared word by word.
NOTEBOOK_URL is a server of the test's own; NOTEBOOK_FOLDER takes files.
"""

# %% 1 what everything below builds on
import math
import os
import sqlite3
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

SEED = 20_240_229
url = os.environ["NOTEBOOK_URL"]
print("seed", SEED)

# %% 2 plain Python: a function, a comprehension, a result
def primes(limit):
    found = []
    for n in range(2, limit):
        if all(n % p for p in found if p * p <= n):
            found.append(n)
    return found


primes(50)

# %% 3 packages a sub-interpreter can't load
import numpy as np
import pandas as pd
import requests

np.arange(12).reshape(3, 4)

# %% 4 linear algebra
matrix = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 1.0, 2.0]])
solution = np.linalg.solve(matrix, np.array([1.0, 2.0, 3.0]))
np.round(solution, 6), bool(np.allclose(matrix @ solution, [1, 2, 3]))

# %% 5 random numbers from a seed
rng = np.random.default_rng(SEED)
sample = rng.normal(loc=10, scale=2, size=1_000)
print(f"mean {sample.mean():.6f}, deviation {sample.std(ddof=1):.6f}")
np.percentile(sample, [5, 50, 95]).round(4).tolist()

# %% 6 broadcasting and masks
table = np.add.outer(np.arange(5), np.arange(5) * 10)
table[table % 3 == 0] = -1
table

# %% 7 structured types and strings
people = np.array([("Ada", 36), ("Alan", 41)], dtype=[("name", "U8"), ("age", "i4")])
people[people["age"] > 40]["name"], people.dtype.names

# %% 8 a frame
cities = pd.DataFrame(
    {
        "city": ["Oslo", "Rome", "Lima", "Cairo", "Quito", "Hanoi"],
        "country": ["NO", "IT", "PE", "EG", "EC", "VN"],
        "people": [709, 2_761, 10_092, 10_107, 1_763, 8_587],
        "area": [454, 1_285, 2_672, 3_085, 372, 3_358],
    }
)
cities

# %% 9 columns from columns
cities["density"] = (cities["people"] * 1000 / cities["area"]).round(1)
cities.sort_values("density", ascending=False).head(3)[["city", "density"]]

# %% 10 describe
cities[["people", "area"]].describe().round(2)

# %% 11 groups
cities["size"] = pd.cut(cities["people"], [0, 1_000, 5_000, 20_000], labels=["small", "middle", "large"])
cities.groupby("size", observed=True)["people"].agg(["count", "sum", "mean"]).round(1)

# %% 12 joins
continents = pd.DataFrame(
    {"country": ["NO", "IT", "PE", "EG", "VN"], "continent": ["Europe", "Europe", "America", "Africa", "Asia"]}
)
joined = cities.merge(continents, on="country", how="left", indicator=True)
print(joined["_merge"].value_counts().to_dict())
joined[["city", "continent"]]

# %% 13 what is missing
joined["continent"] = joined["continent"].fillna("unknown")
int(joined.isna().sum().sum()), joined.loc[joined["continent"] == "unknown", "city"].tolist()

# %% 14 a pivot
joined.pivot_table(index="continent", values=["people", "area"], aggfunc="sum", margins=True)

# %% 15 time series
days = pd.date_range("2024-01-01", periods=120, freq="D")
series = pd.Series(np.round(np.sin(np.arange(120) / 9) * 10 + rng.normal(size=120), 3), index=days, name="level")
series.resample("MS").agg(["mean", "max"]).round(3)

# %% 16 windows and shifts
rolled = series.rolling("14D").mean()
(series - series.shift(1)).abs().nlargest(3).round(3), float(rolled.iloc[-1].round(6))

# %% 17 a line, shown
import matplotlib.pyplot as plt

plt.figure(figsize=(8, 3))
plt.plot(series.index, series.values, lw=0.8, label="level")
plt.plot(rolled.index, rolled.values, lw=2, label="14 days")
plt.legend()
plt.title("Level")
plt.show()

# %% 18 a histogram that nobody shows
counts, edges, _ = plt.hist(sample, bins=25, color="teal")
plt.xlabel("value")
int(counts.sum()), round(float(edges[0]), 4)

# %% 19 four axes, the figure as result
fig, axes = plt.subplots(2, 2, figsize=(6, 5), sharex=True)
for power, ax in enumerate(axes.flat, start=1):
    x = np.linspace(0, 2, 50)
    ax.plot(x, x**power)
    ax.set_title(f"x^{power}")
fig.tight_layout()
fig

# %% 20 pandas draws
cities.set_index("city")["density"].plot.bar(color="peru", rot=45)

# %% 21 two figures in one cell
plt.figure(figsize=(3, 3))
plt.pie(cities["people"], labels=cities["city"])
plt.figure(figsize=(4, 2))
plt.scatter(cities["area"], cities["people"], s=cities["density"] / 50)
print(plt.get_fignums())

# %% 22 a large picture
y, x = np.mgrid[-3:3:300j, -3:3:400j]
field = (1 - x / 2 + x**5 + y**3) * np.exp(-(x**2) - y**2)
plt.figure(figsize=(16, 12), dpi=110)
plt.imshow(field, cmap="viridis", extent=(-3, 3, -3, 3))
plt.colorbar()
plt.show()

# %% 23 a database in memory
database = sqlite3.connect(":memory:")
with database:
    database.execute("create table city (name text primary key, country text, people integer)")
    database.executemany("insert into city values (?, ?, ?)", cities[["city", "country", "people"]].values.tolist())
database.execute("select count(*), sum(people) from city").fetchone()

# %% 24 SQL into a frame
pd.read_sql_query(
    "select name, people, rank() over (order by people desc) as place from city where people > ? order by place",
    database,
    params=(1_000,),
)

# %% 25 a constraint that holds
try:
    with database:
        database.execute("insert into city values ('Oslo', 'NO', 1)")
except sqlite3.IntegrityError as error:
    print("refused:", error)
database.total_changes

# %% 26 files, written and read
folder = Path(os.environ["NOTEBOOK_FOLDER"])
cities.to_csv(folder / "cities.csv", index=False)
np.save(folder / "field.npy", field)
back = pd.read_csv(folder / "cities.csv")
back.equals(pd.read_csv(folder / "cities.csv")), np.load(folder / "field.npy").shape, sorted(os.listdir(folder))

# %% 27 JSON from a server
answer = requests.get(f"{url}/measurements", params={"n": 5}, timeout=30)
print(answer.status_code, answer.headers["content-type"])
measured = pd.DataFrame(answer.json()["rows"])
measured.assign(total=measured["a"] + measured["b"])

# %% 28 something sent, and an error of the server
with requests.Session() as http:
    http.headers["x-test"] = "yes"
    print(http.post(f"{url}/echo", json={"sum": int(measured["a"].sum())}, timeout=30).json())
requests.get(f"{url}/missing", timeout=30).raise_for_status()

# %% 29 a mistake with a frame
cities["height"]

# %% 30 everything together
@dataclass
class Report:
    cities: int
    largest: str
    letters: tuple
    entropy: float


letters = Counter("".join(cities["city"]).lower())
shares = [n / letters.total() for n in letters.values()]
Report(len(cities), cities.loc[cities["people"].idxmax(), "city"], tuple(letters.most_common(2)),
       round(-sum(p * math.log2(p) for p in shares), 6))
