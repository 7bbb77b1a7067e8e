"""The client. `Engine` is the one object people use; its calls are the functions of the modules beside it.

| module | calls |
| --- | --- |
| `writes` | load data, add to the graph, remove from it |
| `models` | snapshot, train, build, evaluate |
| `refreshing` | bring what serves to the graph as it is now, check it |
| `questions` | related items, feeds, new items, clusters |
| `operations` | list generations, compare, roll back, collect garbage |
| `shadow` | let a candidate answer beside what serves, promote it |
| `forgetting` | forget nodes, show and close the receipts |
| `inspection` | show what serves in the graph, for people with Cypher |
| `upkeep` | find what others changed in the graph, compact the change feed |
| `inspect` | what there is, what serves, any named query |

Each call is a function whose first argument is the engine, and each opens what it needs from `engine.opened`. Nothing heavy
is imported before a call needs it.
"""

from engine.client.engine import Engine

__all__ = ["Engine"]
