"""The commands of ``headway reversible`` that need numpy alone."""

from __future__ import annotations

import click

from headway.cli._output import output_options
from headway.cli._params import choice, integer
from headway.cli._report import Column, Quantity, Report, Table, facts_table
from headway.cli.reversible_command import shares


def _names() -> tuple[str, ...]:
    from headway.reversible.simon import cipher_names

    return cipher_names()


_NAME = click.option("--cipher", "name", type=choice("cipher", _names), default="simon32/64", show_default=True)
_SEED = click.option("--seed", type=integer(0, 2**62), default=0, help="Of the random blocks and keys.")


def _hex(text: str, field: str) -> int:
    from headway.facts.errors import InputError

    try:
        return int(text.removeprefix("0x").replace(" ", ""), 16)
    except ValueError:
        raise InputError(field, text, "a number in hexadecimal digits") from None


@click.command()
@click.argument("size", type=integer(1, 1 << 62, "items"))
@click.option("--key", type=integer(0, (1 << 63) - 1), default=0, show_default=True, help="Each key is another order.")
@click.option("--start", type=integer(0, 1 << 62), default=0, show_default=True, help="First position.")
@click.option("--count", type=integer(1, 100_000_000), help="Positions; 20 where not given, or all to a FILE.")
@click.option("--find", type=integer(0, 1 << 62), help="Also say at which position this item is.")
@output_options
def shuffle(size: int, key: int, start: int, count: int | None, find: int | None) -> Report:
    """Show items of 0 to SIZE-1 in an order given by a key; no table is kept, so any SIZE up to 2^62 is as fast.

    Example: headway reversible shuffle 1000000 --key 7 --count 5
    """
    import numpy as np

    from headway.facts.check import whole
    from headway.reversible.permute import permutation

    order = permutation(size, key)
    whole("start", start, least=0, most=order.size)
    last = order.last_of(start, 20 if count is None else count)
    positions = np.arange(start, last, dtype=np.uint64)
    columns = (Column("position", "position"), Column("item", "item"))
    rows = tuple(zip(positions.tolist(), order(positions).tolist(), strict=True))
    parts = [Table("items", columns, tuple((str(p), str(i)) for p, i in rows))]
    found = None if find is None else int(order.position(find))
    if found is not None:
        parts.append(facts_table("found", ((f"item {find} is at position", str(found)),)))
    return Report(
        title=f"{size:,} items in the order of key {key}",
        parts=tuple(parts),
        notes=(
            f"an order of its own for each key: use the epoch; {len(order.keys)} Feistel rounds modulo {order.side:,}",
        ),
        document={
            "size": size,
            "key": key,
            "items": [{"position": p, "item": i} for p, i in rows],
            **({} if found is None else {"find": {"item": find, "position": found}}),
        },
    )


@click.command()
@click.argument("block", metavar="HEX")
@click.option("--key", required=True, metavar="HEX", help="Key, most significant word first, as in test vectors.")
@click.option("--decrypt", is_flag=True, help="The other way.")
@_NAME
@output_options
def cipher(block: str, key: str, decrypt: bool, name: str) -> Report:
    """Encipher one block with Simon, a pure Feistel cipher; for study, not for protection.

    Example: headway reversible cipher 65656877 --key 1918111009080100
    """
    from headway.reversible.simon import cipher as find
    from headway.reversible.simon import encrypt_number

    of = find(name)
    given = _hex(block, "block")
    result = encrypt_number(of, given, _hex(key, "key"), backwards=decrypt)
    before, after = of.written(given), of.written(result)
    rows = (
        ("ciphertext" if decrypt else "plaintext", before),
        ("plaintext" if decrypt else "ciphertext", after),
        ("rounds", str(of.rounds)),
    )
    return Report(
        title=f"{of.name}: {of.block_bits}-bit blocks, {of.key_bits}-bit keys",
        parts=(facts_table("cipher", rows),),
        notes=("for study, not for protection",),
        document={"cipher": of.name, "rounds": of.rounds, "input": before, "output": after, "decrypt": decrypt},
    )


@click.command()
@_NAME
@click.option("--samples", type=integer(8, 65536), default=256, show_default=True, help="Random blocks and keys.")
@_SEED
@output_options
def avalanche(name: str, samples: int, seed: int) -> Report:
    """Share of output bits that one flipped input bit flips, after each round of the cipher.

    Example: headway reversible avalanche --cipher simon64/128
    """
    from headway.reversible.avalanche import avalanche as measure
    from headway.reversible.simon import cipher as find

    found = measure(find(name), samples, seed)
    columns = (
        Column("round", "rounds"),
        Column("mean", "mean", "fraction"),
        Column("least", "least\ninput bit", "fraction"),
        Column("most", "most\ninput bit", "fraction"),
        Column("least_pair", "least\npair", "fraction", priority=1),
        Column("most_pair", "most\npair", "fraction", priority=1),
    )
    rows = tuple(zip(found.rounds, found.mean, found.least, found.most, found.least_pair, found.most_pair, strict=True))
    settled = found.settled()
    return Report(
        title=f"{found.cipher}: avalanche over {found.rounds[-1]} rounds, {samples} random blocks and keys",
        parts=(
            shares(
                "Share of output bits flipped by one input bit",
                "rounds",
                "share",
                (("mean", found.mean), ("least input bit", found.least), ("most input bit", found.most)),
            ),
            Table("rounds", columns, rows),
        ),
        notes=(
            "every input bit within 2 points of one half "
            + ("at no round" if settled is None else f"from round {settled}"),
            "a pair is one input and one output bit: its spread is that of the samples where the cipher is full",
        ),
    )


@click.command()
@_NAME
@click.option("--rounds", type=integer(1, 20), default=7, show_default=True, help="Rounds of the reduced cipher.")
@click.option("--beam", type=integer(1, 20_000), default=512, show_default=True, help="Differences kept each round.")
@_SEED
@output_options
def trail(name: str, rounds: int, beam: int, seed: int) -> Report:
    """Search the likeliest differential trail, and count the pairs that follow it.

    Example: headway reversible trail --rounds 7
    """
    from headway.reversible.simon import cipher as find
    from headway.reversible.trails import follow, search

    of = find(name)
    found = search(of, rounds, beam)
    tried = follow(of, found, seed=seed)
    columns = (
        Column("round", "rounds"),
        Column("left", "left", align="left"),
        Column("right", "right", align="left"),
        Column("active_bits", "bits"),
        Column("weight", "-log2 p\nof round"),
    )
    rows = tuple(
        (number, of.written(left, 1), of.written(right, 1), bits, None if number == 0 else found.weights[number - 1])
        for number, ((left, right), bits) in enumerate(zip(found.differences, found.active_bits, strict=True))
    )
    facts = (
        ("probability of the trail", f"2^-{found.weight}"),
        ("pairs tried", Quantity(tried.pairs, "count")),
        ("expected to end with its difference", Quantity(tried.expected_pairs, "count")),
        ("did", Quantity(tried.arrived, "count")),
        ("would by chance", f"2^-{of.block_bits}"),
    )
    return Report(
        title=f"{of.name} reduced to {rounds} rounds: a trail of probability 2^-{found.weight}",
        parts=(Table("trail", columns, rows), facts_table("follow", facts)),
        notes=("more pairs than expected end there where other paths lead to the same difference",),
        document={"cipher": of.name, "trail": found, "weight": found.weight, "follow": tried},
    )
