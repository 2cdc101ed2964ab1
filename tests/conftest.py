"""What tests of every room may ask for."""

from tests.servers import openbao_server, postgres_server, postgres_url, redis_server, redis_url

__all__ = ["openbao_server", "postgres_server", "postgres_url", "redis_server", "redis_url"]
