"""Thin sinks for data engines: dlt, Ray and Spark. Each loads its rows as imports of partitions."""
