"""PySpark and its jars in the user's cache, and a local Spark session that uses them."""

import importlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from deploy.local.packages import Notify, cached, folder_of, jars
from deploy.local.packages import java as find_java
from deploy.local.processes import run

_VERSION: Final = "3.5.6"
_REQUIREMENTS: Final = Path(__file__).parent / "requirements.txt"
_PYSPARK: Final = f"pyspark-{_VERSION}"
_MEMORY: Final = "2g"
_CONFIG: Final = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "4",
    "spark.databricks.delta.snapshotPartitions": "2",  # of the table's log; 50 by default
    "spark.ui.enabled": "false",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.memory": _MEMORY,
}


def set_up(notify: Notify) -> None:
    """Fetch PySpark (320 MB) from the Python package index and the jars from Maven Central, unless they are there.

    Raises `CannotServe`.
    """
    find_java()
    cached(_PYSPARK, _fetch, notify)
    jars("spark", notify)


def is_set_up() -> bool:
    """Whether everything is in the cache. Nothing is fetched."""
    return folder_of(_PYSPARK).is_dir() and folder_of(f"spark-{_VERSION}").is_dir()


def _fetch(folder: Path) -> None:
    uv = shutil.which("uv")
    installer = [uv, "pip"] if uv else [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    words = [*installer, "install", "--quiet", "--require-hashes", "--target", str(folder), "-r", str(_REQUIREMENTS)]
    run(words, f"fetching PySpark {_VERSION} from the Python package index")


@contextmanager
def session(cores: int = 2) -> Iterator[Any]:
    """A Spark session on this machine. It must be set up."""
    packages = folder_of(_PYSPARK)
    sys.path.append(str(packages))
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    os.environ["JAVA_HOME"] = str(Path(find_java()).resolve().parents[1])
    builder = importlib.import_module("pyspark.sql").SparkSession.builder.master(f"local[{cores}]")
    for name, value in _CONFIG.items():
        builder = builder.config(name, value)
    found = ",".join(map(str, sorted(folder_of(f"spark-{_VERSION}").glob("*.jar"))))
    # otherwise Spark creates this folder in the current one
    builder = builder.config("spark.sql.warehouse.dir", str(folder_of("spark-warehouse")))
    spark = builder.config("spark.jars", found).getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    try:
        yield spark
    finally:
        spark.stop()
