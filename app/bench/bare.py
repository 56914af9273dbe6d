"""The least that could answer a preview: statements that are known, on a connection that is open, and the JSON."""

import pickle
import statistics
import sys
import time

import orjson
import psycopg

from app.bench.recorded import Recorded


def main() -> None:
    url, recorded = pickle.load(sys.stdin.buffer)
    requests = int(sys.argv[1])
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET jit = off; SET TimeZone = 'UTC'; SET ROLE duelist_app")
        for number in range(20):
            answer(connection, recorded[number % len(recorded)])
        walls = []
        cpu = time.process_time()
        for number in range(requests):
            start = time.perf_counter()
            answer(connection, recorded[number % len(recorded)])
            walls.append(time.perf_counter() - start)
        cpu = time.process_time() - cpu
    taken = {"cpu_ms": cpu / requests * 1000, "wall_ms": statistics.median(walls) * 1000}
    sys.stdout.buffer.write(orjson.dumps(taken))


def answer(connection: psycopg.Connection, asked: Recorded) -> bytes:
    opening = (
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
        f" SET LOCAL app.company_id = '{asked.company}'; SET LOCAL app.as_of = '{asked.as_of}'"
    )
    connection.execute(opening.encode(), prepare=False)
    for statement, parameters in asked.statements:
        connection.execute(statement, parameters).fetchall()
    connection.execute("COMMIT")
    return orjson.dumps(asked.answer, default=str)


if __name__ == "__main__":
    main()
