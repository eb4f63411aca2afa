"""No action of a user's costs more KD exchanges than its budget."""
import budgets
from harness import expect


def hold(measure):
    def test(lab):
        rows = list(measure(lab))
        expect(rows, "something was measured")
        over = [row for row in rows if row.exchanges > row.budget]
        expect(not over, "over budget: " + "; ".join(
            f"{row.action}: {row.exchanges} exchanges, {row.budget} allowed" for row in over))
    return test


globals().update({f"test_{measure.__name__}": hold(measure) for measure in budgets.ALL})
