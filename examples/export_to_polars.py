"""Read a whole group into a data frame, cell by cell as in a notebook.

    uv run --extra all --group tests python examples/export_to_polars.py Newsletter

In a notebook the cells below stand as they are, with ``await main("Newsletter")``. The credentials
are read from the environment.
"""

# %% What is needed
import sys
import tempfile
from pathlib import Path

import anyio
import polars as pl

from cleverreach_async import CleverReach


# %% Export the group as Parquet, several pages at a time, and read it
async def load(cr: CleverReach, group: str) -> pl.DataFrame:
    """Return the receivers of a group."""
    [group_id] = [it.id async for it in cr.groups.list() if it.name == group]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "group.parquet")
        await cr.bulk.export(group_id=group_id).write(path)
        return pl.read_parquet(path)


# %% Receivers by city, the largest first
def by_city(receivers: pl.DataFrame) -> pl.DataFrame:
    """Count the receivers of each city."""
    return (
        receivers.rename({"global_attributes.city": "city"})
        .group_by("city")
        .agg(pl.len().alias("receivers"))
        .sort("receivers", "city", descending=[True, False])
    )


# %% Both together
async def main(group: str) -> pl.DataFrame:
    """Print the table."""
    async with CleverReach.from_env() as cr:
        table = by_city(await load(cr, group))
    for city, receivers in table.iter_rows():
        print(f"{receivers:6,}  {city}")
    return table


if __name__ == "__main__":
    anyio.run(main, sys.argv[1])
