"""The forward half: sheets, refusals, flags, floors, closed forms and the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from headway.facts.errors import InputError
from headway.facts.models import model
from headway.facts.prices import price_facts, read_price_facts
from headway.facts.systems import system
from headway.physics.fleet import markup
from headway.pricing.closed_forms import (
    balance_kv,
    closed_forms,
    compute_bound_prompt,
    drain_tier,
    fast_inversion,
    shape_kv,
    tier_life,
)
from headway.pricing.floors import cost_floors, disclosed_cost
from headway.pricing.sheets import comparable, policy_flags, price_events, sheet
from headway.serving.workload import Prices, Workload

PROVENANCE = 'source = "my contract"\nretrieved = "2026-11-20"\nkind = "reported"\n'
GOOD = f"""[[sheet]]
model = "mine"
provider = "me"
input = "$1/Mtok"
output = "$4/Mtok"
date = "2026-11-20"
{PROVENANCE}"""


@pytest.fixture
def write(tmp_path: Path):
    def make(text: str) -> Path:
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return make


def test_a_sheet_of_ones_own(write) -> None:
    found = sheet("mine", read_price_facts(write(GOOD), today="2026-11-25"))
    assert (found.input_usd_per_mtok, found.output_usd_per_mtok, found.provider) == (1.0, 4.0, "me")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('input = "$1/Mtok"', 'input = "$-1/Mtok"', "input"),
        ('output = "$4/Mtok"\n', "", "output"),
        ('"$4/Mtok"', '"$4/gallon"', "output"),
        ('"$4/Mtok"', '"4"', "output"),
        ('"$4/Mtok"', '"€4/Mtok"', "output.*one currency"),
        ('"$4/Mtok"', '"4 CNY/Mtok"', "output.*one currency"),
        ('date = "2026-11-20"', 'date = "2027-01-01"', "date.*2027-01-01"),
        ('provider = "me"', 'provder = "me"', "provder"),
        ('source = "my contract"\n', "", "source"),
        ('provider = "me"', 'provider = "me"\nmode = "Batch"', "mode.*did you mean batch"),
        ('provider = "me"', 'provider = "me"\nabove = "0 tok"', "above.*more than 0"),
        ('provider = "me"', 'provider = "me"\nuntil = "2026-11-19"', "until.*2026-11-20"),
        ('provider = "me"', 'provider = "me"\nspeed = "0x"', "speed.*more than 0x"),
    ],
)
def test_wrong_sheets_name_the_field(write, old: str, new: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_price_facts(write(GOOD.replace(old, new)), today="2026-11-25")


def test_one_figure_has_one_row(write) -> None:
    with pytest.raises(InputError, match=r"mine: input.*one row"):
        read_price_facts(write(GOOD + "\n" + GOOD.replace("$1/Mtok", "$2/Mtok")), today="2026-11-25")


def test_a_price_holds_to_its_last_day(write) -> None:
    """The days are far from any on which this may run."""
    rows = [("2026-01-01", "2026-02-01", 1), ("2026-02-02", "2099-01-01", 2)]
    texts = [
        GOOD.replace('date = "2026-11-20"', f'date = "{first}"\nuntil = "{last}"').replace("$4/", f"${dollars}/")
        for first, last, dollars in rows
    ]
    facts = read_price_facts(write("\n".join(texts)))
    assert sheet("mine", facts).output_usd_per_mtok == 2.0
    assert sheet("mine", facts, on="20260115").output_usd_per_mtok == 1.0
    over = read_price_facts(write(texts[0]))
    assert (sheet("mine", over).ended, sheet("mine", over).output_usd_per_mtok) == ("2026-02-01", 1.0)
    assert sheet("mine", facts).ended == ""
    assert comparable(over) == ()
    assert [found.model for found in comparable(over, ["mine"])] == ["mine"]
    month = read_price_facts(write(texts[0].replace("2026-02-01", "2026-02")))
    assert sheet("mine", month, on="2026-02-20").output_usd_per_mtok == 1.0


def test_a_fast_mode_is_read_at_the_speed_it_lists(write) -> None:
    fast = GOOD.replace('provider = "me"', 'provider = "me"\nmode = "fast"').replace("$4/", "$8/")
    listed = fast.replace('mode = "fast"', 'mode = "fast"\nspeed = "1.5x"')

    def read(text: str) -> list[float | None]:
        forms = closed_forms(sheet("mine", read_price_facts(write(GOOD + "\n" + text), today="2026-11-25")))
        return [form.value for form in forms if form.equation == "f = p s"]

    assert read(listed) == [3.0]
    assert read(fast) == []
    assert read(listed.replace('"fast"', '"priority"')) == []


def test_floors_take_the_speed_and_the_limits(write) -> None:
    fast = GOOD.replace('provider = "me"', 'provider = "me"\nmode = "fast"\nspeed = "1.5x"')
    steep = GOOD.replace('provider = "me"', 'provider = "me"\nabove = "8k tok"')
    posted = sheet("mine", read_price_facts(write("\n".join((GOOD, fast, steep))), today="2026-11-25"))
    free, held = (
        cost_floors(model("llama-3.1-8b"), system("hgx-h200"), load, Prices(2.0), sheet=posted)
        for load in (Workload(1000, 200), Workload(1000, 200, tpot=0.005))
    )
    assert "fast output, 1.5x speed" in [f.dimension for f in free.floors]
    slow, quick = ({f.dimension: f.cost_usd_per_mtok for f in found.floors} for found in (free, held))
    assert quick["output past 8k"] > slow["output past 8k"] * 1.01


def test_every_price_has_provenance() -> None:
    assert all(f.source.text and f.source.retrieved and f.date for f in price_facts())
    assert {"claude-opus-5.5", "gpt-6.1-sol", "gemini-4-argon", "kimi-k2.6"} <= {f.model for f in price_facts()}


def test_balance_reading_of_the_lecture() -> None:
    found = balance_kv(200e3)
    assert found.value == pytest.approx(1667, rel=1e-3)
    assert found.contradicted


def test_deepseek_day() -> None:
    day = disclosed_cost(8, 2.0, 73.7e3, 14.8e3, 0.5625)
    assert day.input_usd_per_mtok == pytest.approx(0.0603, rel=5e-3)
    assert day.output_usd_per_mtok == pytest.approx(0.3003, rel=5e-3)
    assert markup(562_027, 87_072) == pytest.approx(6.45, rel=5e-3)


def test_one_speed_was_sold_at_two_prices() -> None:
    assert (fast_inversion(6.0, 2.5).value, fast_inversion(2.0, 2.5).value) == (15.0, 5.0)


def test_flags_and_events() -> None:
    names = [f.name for f in policy_flags(sheet("claude-opus-4.8"))]
    assert names[:2] == ["copied price", "uniform batch discount"]
    assert [e.multiple for e in price_events("gpt-5.6-luna")] == pytest.approx([0.2, 0.2])
    assert price_events("gpt-5") == ()


def test_gemini_steps_are_not_one_multiplier() -> None:
    assert "equal context multipliers" not in [f.name for f in policy_flags(sheet("gemini-3.1-pro"))]
    assert "equal context multipliers" in [f.name for f in policy_flags(sheet("grok-4.7"))]


def test_floors_and_utilisation() -> None:
    load, rent = Workload(1000, 200), Prices(2.0)
    full = cost_floors(model("llama-3.1-8b"), system("hgx-h200"), load, rent)
    half = cost_floors(model("llama-3.1-8b"), system("hgx-h200"), load, rent, utilisation=[0.2, 0.8])
    by_name = {f.dimension: f.cost_usd_per_mtok for f in full.floors}
    assert half.floors[0].cost_usd_per_mtok == pytest.approx(2 * full.floors[0].cost_usd_per_mtok)
    assert by_name["cache_read"] < by_name["input"] < by_name["cache_write_5m"] < by_name["cache_write_1h"]
    assert by_name["fast output, 2.5x speed"] >= by_name["output"]


def test_posted_prices_have_markups() -> None:
    posted = sheet("gemini-3.1-pro")
    found = cost_floors(model("llama-3.1-8b"), system("hgx-h200"), Workload(1000, 200), Prices(2.0), sheet=posted)
    first = found.floors[0]
    assert first.markup == pytest.approx(2.0 / first.cost_usd_per_mtok)
    assert [f.dimension for f in found.floors if "past" in f.dimension] == ["input past 200k", "output past 200k"]


def test_a_model_that_does_not_fit() -> None:
    found = cost_floors(model("kimi-k2"), system("hgx-h200"), Workload(1000, 200), Prices(2.0), chips=1)
    assert not found.feasible
    assert found.reason


@pytest.mark.parametrize("name", sorted({f.model for f in price_facts() if f.field == "output"}))
def test_every_sheet_can_be_read(name: str) -> None:
    found = sheet(name)
    if found.price("input") and found.price("output"):
        assert closed_forms(found)
        policy_flags(found)


def test_readings_that_a_shape_a_prompt_and_a_tier_give() -> None:
    assert shape_kv(8, 128).contradicted
    assert shape_kv(8, 128, sets=80, element_bytes=2.0).value == 327680.0
    alone = compute_bound_prompt(300, 671e9, 37e9)
    # A cache that nobody reads changes nothing; more cached tokens ask for more new ones.
    assert compute_bound_prompt(300, 671e9, 37e9, sequences=64).value == pytest.approx(alone.value)
    longer = compute_bound_prompt(300, 671e9, 37e9, sequences=64, prefix=1e5, kv_bytes=35136)
    assert longer.value > alone.value
    assert drain_tier(tier_life(24e12, 285e6).value, 285e6).value == pytest.approx(24e12)
    for wrong in (lambda: shape_kv(0, 128), lambda: tier_life(1e12, 0.0), lambda: compute_bound_prompt(-1, 1e9, 1e9)):
        with pytest.raises(InputError):
            wrong()
