"""Every SQL text of the relay is understood alike by SQLite, MySQL, MariaDB, a Galera cluster, Vitess (PlanetScale) and TiDB.

The texts are read from the source: all string literals of relay/server, f-strings with `?` in the place of what is put in, and
what is added to them. That a rule finds what it forbids is tested on an example of each.
"""

import ast
import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from tortoise import fields
from tortoise.fields.relational import ForeignKeyFieldInstance, RelationalField
from tortoise.migrations.operations import AddField, CreateModel
from tortoise.models import Model

import relay.server
from activity_values import NOW, SECRET, activity
from outcomes import delivery
from relay.contract import DeviceRegister
from relay.server.store import activities, deliveries, devices, migrations, models
from relay.server.store.sql import Database

SERVER = Path(relay.server.__file__).parent
STATEMENT = re.compile(
    r"\s*(SELECT|INSERT|UPDATE|DELETE|REPLACE|ALTER|CREATE|DROP|TRUNCATE|PRAGMA|SET|SHOW|WITH|LOCK|BEGIN|START|CALL)\s"
)
FRAGMENT = re.compile(
    r"\s*(WHERE|AND|OR|ORDER BY|LIMIT|ON|JOIN|FROM|VALUES|FOR|RETURNING|AS)\s|.*(\bINTO\s|[=<>] \?|\bIS NULL\b)",
    re.S,
)


class Rule(NamedTuple):
    """What no text may match, why, and a text that does."""

    forbidden: str
    why: str
    example: str


RULES = {
    "no foreign key": Rule(
        r"\bFOREIGN\s+KEY\b|\bREFERENCES\b",
        "Vitess: a parent may lie in another shard; Galera: they make certification fail",
        "ALTER TABLE a ADD CONSTRAINT c FOREIGN KEY (b) REFERENCES b (id)",
    ),
    "no AUTO_INCREMENT": Rule(
        r"\bAUTO_?INCREMENT\b|\bLAST_INSERT_(ID|ROWID)\b",
        "Vitess needs a sequence for it, Galera leaves gaps, TiDB counts by node",
        "CREATE TABLE a (id INT AUTO_INCREMENT PRIMARY KEY)",
    ),
    "no RETURNING": Rule(
        r"\bRETURNING\b", "MySQL, Vitess and TiDB have none", "DELETE FROM a WHERE b = ? RETURNING id"
    ),
    "no AS new": Rule(
        r"\bVALUES\b.*\)\s*AS\s+\w+|^\s*AS\s+new\b",
        "MariaDB and TiDB have no row alias",
        "INSERT INTO a (b) VALUES (?) AS new ON DUPLICATE KEY UPDATE b = new.b",
    ),
    "no subquery in UPDATE or DELETE": Rule(
        r"^\s*(UPDATE|DELETE)\b.*\(\s*SELECT\b",
        "Vitess cannot send it to shards, MySQL not read the table it changes",
        "DELETE FROM a WHERE id IN (SELECT id FROM b)",
    ),
    "no UPDATE or DELETE of several tables": Rule(
        r"^\s*(UPDATE|DELETE)\b(?!.*\bSELECT\b).*\b(JOIN|USING)\b",
        "SQLite has none, Vitess cannot send it to shards",
        "UPDATE a JOIN b ON a.id = b.id SET a.c = ?",
    ),
    "no LIMIT in UPDATE or DELETE": Rule(
        r"^\s*(UPDATE|DELETE)\b.*\bLIMIT\b",
        "SQLite has none as it is built, and each node may choose other rows",
        "DELETE FROM a WHERE b < ? ORDER BY b LIMIT ?",
    ),
    "no SKIP LOCKED or NOWAIT": Rule(
        r"\bSKIP\s+LOCKED\b|\bNOWAIT\b",
        "TiDB parses and ignores it (pingcap/tidb#69720); another Galera node's locks are not seen",
        "SELECT id FROM a LIMIT ? FOR UPDATE SKIP LOCKED",
    ),
    "no locking reads": Rule(
        r"\bFOR\s+(UPDATE|SHARE)\b|\bLOCK\s+IN\s+SHARE\s+MODE\b|\bLOCK\s+TABLES?\b",
        "a lock of one Galera node is none at another; SQLite has none; the leases need none",
        "SELECT id FROM a WHERE b = ? FOR UPDATE",
    ),
    "no named locks": Rule(
        r"\b(GET|RELEASE|IS_FREE|IS_USED)_LOCK\s*\(",
        "Galera and Vitess: held on one node only",
        "SELECT GET_LOCK('relay', 10)",
    ),
    "no temporary tables": Rule(
        r"\bTEMPORARY\b|\bTEMP\s+TABLE\b",
        "state of one session, which a pool or proxy may change between two statements",
        "CREATE TEMPORARY TABLE a (id INT)",
    ),
    "no session variables": Rule(
        r"@|^\s*SET\s+(SESSION|GLOBAL|LOCAL|NAMES|TRANSACTION|[a-z_]+\s*=)",
        "state of one session, which a pool or proxy may change between two statements",
        "SET SESSION wsrep_sync_wait = 1",
    ),
    "no transactions": Rule(
        r"^\s*(BEGIN|START\s+TRANSACTION|COMMIT|ROLLBACK|SAVEPOINT)\b|\bin_transaction\b",
        "every statement stands alone: it can be sent again, and touches one shard",
        "START TRANSACTION",
    ),
    "no writing of the secret": Rule(
        r"\bSET\b(?:(?!\bWHERE\b).)*\bsecret_hash\s*=|\bUPDATE\s+secret_hash\s*=",
        "Vitess keys tables by it and refuses any assignment (VT12001), also of the same value",
        "UPDATE a SET b = ?, secret_hash = ? WHERE id = ?",
    ),
    "no dialect in writing": Rule(
        r"\bINSERT\s+(OR\s+)?(IGNORE|REPLACE)\b|^\s*REPLACE\s+INTO\b",
        "it swallows other errors, or deletes and inserts",
        "INSERT IGNORE INTO a (b) VALUES (?)",
    ),
}


class Text(NamedTuple):
    """A text and where it stands."""

    sql: str
    where: str


def texts(source: str, name: str) -> Iterator[Text]:
    """The SQL in a module. Literals that are added to each other are one."""
    tree = ast.parse(source)
    inside: set[ast.AST] = set()
    for node in ast.walk(tree):
        if node in inside or (isinstance(node, ast.Constant) and not isinstance(node.value, str)):
            continue
        if isinstance(node, ast.BinOp | ast.JoinedStr | ast.Constant) and (text := _text(node)) is not None:
            if isinstance(node, ast.BinOp | ast.JoinedStr):
                inside |= {*ast.walk(node)} - {
                    inner
                    for part in ast.walk(node)
                    if isinstance(part, ast.FormattedValue)
                    for inner in ast.walk(part.value)
                }
            if STATEMENT.match(text) or FRAGMENT.match(text):
                yield Text(" ".join(text.split()), f"{name}:{node.lineno}")  # type: ignore[attr-defined]


def _text(node: ast.AST) -> str | None:
    """What an expression gives, with `?` for what is not known here; None if that is no text."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) or "?" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _text(node.left), _text(node.right)
        return None if left is None and right is None else f"{left or '?'}{right or '?'}"
    return None


def broken(sql: str) -> list[str]:
    """The names of the rules that a text breaks."""
    return [name for name, rule in RULES.items() if re.search(rule.forbidden, sql, re.I | re.S)]


SQL = [
    text
    for path in sorted(SERVER.rglob("*.py"))
    for text in texts(path.read_text(), str(path.relative_to(SERVER)))
]


def test_every_sql_text_keeps_to_what_all_databases_understand() -> None:
    found = [f"{text.where}: {', '.join(rules)}\n  {text.sql}" for text in SQL if (rules := broken(text.sql))]
    assert not found, "\n".join(found)


def test_the_texts_are_found() -> None:
    """Else the test above would hold of nothing: every `execute` of the store is seen, and statements of each kind."""
    verbs = {text.sql.split()[0] for text in SQL}
    assert {"SELECT", "UPDATE", "DELETE"} <= verbs
    assert any("? INTO ?" in text.sql for text in SQL)
    assert any("ON DUPLICATE KEY UPDATE" in text.sql for text in SQL)
    seen = {text.where.partition(":")[0] for text in SQL}
    asking = {
        str(path.relative_to(SERVER))
        for path in SERVER.rglob("*.py")
        if re.search(r"\.execute(_query)?\(", path.read_text())
    }
    assert asking <= seen


def test_nobody_but_the_store_speaks_sql() -> None:
    elsewhere = [text for text in SQL if STATEMENT.match(text.sql) and not text.where.startswith("store/")]
    assert not elsewhere


@pytest.mark.parametrize("name", RULES)
def test_a_rule_finds_what_it_forbids_wherever_it_stands(name: str) -> None:
    rule = RULES[name]
    assert name in broken(rule.example), rule.why
    half = rule.example.index(" ") + 1
    module = f"""
TABLE = "a"
async def one(db):
    await db.execute("SELECT id FROM a WHERE b = ?", [1])
    await db.execute({rule.example[:half]!r}
                     f{rule.example[half:]!r}, [TABLE])
    await db.execute({rule.example[:half]!r} + {rule.example[half:]!r})
"""
    fine, *others = texts(module, "one.py")
    assert broken(fine.sql) == []
    assert [name in broken(text.sql) for text in others] == [True, True]


async def test_what_is_put_together_only_when_it_is_sent_keeps_to_the_rules_too() -> None:
    connection = Recording()
    db = Database(connection)  # type: ignore[arg-type]
    await activities.change(db, activity(attempts=1))
    await activities.insert(db, [activity(), activity(attempts=1)])
    device = DeviceRegister(secret="s" * 16, device_token="ab" * 32)
    await devices.register(db, device, secret_hash=SECRET, bundle_id="com.example.app", now_ms=NOW)
    await deliveries.enqueue(db, [delivery(NOW)], owner="relay:1", lease_until=NOW)
    assert len(connection.sent) == 4
    assert [broken(sql) for sql in connection.sent] == [[]] * 4
    assert all(
        text in " ".join(connection.sent) for text in ("SET session_id = %s", "VALUES(updated_at)", "id = id")
    )


class Recording:
    """A connection to MySQL that keeps what it is sent; every row is new."""

    capabilities = SimpleNamespace(dialect="mysql")

    def __init__(self) -> None:
        self.sent: list[str] = []

    async def execute_query(self, sql: str, values: Sequence[object]) -> tuple[int, list[object]]:
        self.sent.append(sql)
        return sql.count("(%s"), []


# What Tortoise makes of models and migrations.

Columns = Iterator[tuple[str, fields.Field[Any]]]


def of_models() -> Columns:
    """Every column of the models, by its name."""
    for table in vars(models).values():
        if isinstance(table, type) and issubclass(table, Model) and table is not Model:
            yield from ((f"{table.__name__}.{name}", field) for name, field in table._meta.fields_map.items())


def of_migrations() -> Columns:
    """Every column that a migration makes."""
    for module in pkgutil.iter_modules(migrations.__path__):
        steps = importlib.import_module(f"{migrations.__name__}.{module.name}").Migration.operations
        for step in steps:
            if isinstance(step, CreateModel):
                yield from ((f"{module.name}: {name}", field) for name, field in step.fields)
            elif isinstance(step, AddField):
                yield f"{module.name}: {step.name}", step.field


def not_portable(columns: Columns) -> list[str]:
    """The columns that refer to another table, or count by themselves."""
    return [name for name, field in columns if isinstance(field, RelationalField) or field.generated]


@pytest.mark.parametrize("columns", [of_models, of_migrations])
def test_no_table_refers_to_another_or_counts_by_itself(columns: Callable[[], Columns]) -> None:
    assert len([*columns()]) > 50
    assert not_portable(columns()) == []


def test_a_column_that_does_is_found() -> None:
    counting = fields.IntField(primary_key=True)
    referring = ForeignKeyFieldInstance("relay.DeviceRegistration")
    columns = [("a", counting), ("b", referring), ("c", fields.CharField(max_length=1, primary_key=True))]
    assert not_portable(iter(columns)) == ["a", "b"]
