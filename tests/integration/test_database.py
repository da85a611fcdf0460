"""A process that ends leaves no connection behind, not even one that a thread is still using."""

from contextlib import closing

from sqlalchemy import event

from store.database import Database


def test_a_connection_in_use_when_the_database_closes_ends_once_it_is_given_back(database_url: str) -> None:
    with closing(Database(database_url)) as database:
        ended: list[object] = []
        event.listen(database.engine, "close", lambda connection, _record: ended.append(connection))
        with database.reading() as tx:
            in_use = tx.connection.connection.dbapi_connection
            assert tx.now
            database.close()
            assert in_use not in ended
        assert in_use in ended
