"""The named blocks of one group: those that a prompt may find, in pieces that were used alike."""

from operator import attrgetter

from kvcalc.engines.chains import Path

Span = tuple[int, int]


class Piece:
    """Consecutive blocks of a chain, each one copy: named, used and given back by the same.

    `named` tells copies of a block apart: that of the least is found. `freed` is when a user last
    gave it back, -1 for never; it is free since then if it has no `users`.
    """

    __slots__ = ("freed", "hi", "lo", "named", "users")

    def __init__(self, lo: int, hi: int, named: int, freed: int = -1, users: int = 1) -> None:
        self.lo = lo
        self.hi = hi
        self.named = named
        self.freed = freed
        self.users = users

    def cut(self, at: int) -> "Piece":
        """Keep what is before `at`; give the rest."""
        rest = Piece(at, self.hi, self.named, self.freed, self.users)
        self.hi = at
        return rest


BY_DEPTH = attrgetter("lo")
BY_NAME = attrgetter("named")


class Named:
    """The named blocks of a group, by chain: the copies that are found, and the later ones."""

    def __init__(self) -> None:
        self.found: dict[int, list[Piece]] = {}
        self.later: dict[int, list[Piece]] = {}

    def prefix(self, path: Path) -> int:
        """Blocks from the first on that are all there."""
        at = 0
        for chain, _, end in path:
            for piece in self.found.get(chain, ()):
                if piece.lo > at:
                    break
                if piece.hi > at:
                    at = piece.hi
            if at < end:
                return at
            at = end
        return at

    def spans(self, chain: int, lo: int, hi: int) -> list[Span]:
        """What is there between two depths, deepest first, joined where it touches."""
        spans: list[Span] = []
        for piece in reversed(self.found.get(chain, ())):
            start, end = max(lo, piece.lo), min(hi, piece.hi)
            if start < end:
                if spans and spans[-1][0] == end:
                    end = spans.pop()[1]
                spans.append((start, end))
        return spans

    def use(self, chain: int, lo: int, hi: int) -> list[Piece]:
        """Use the blocks that are found between two depths: one user more."""
        pieces = self.found[chain]
        _cut(pieces, lo)
        _cut(pieces, hi)
        used = [piece for piece in pieces if lo <= piece.lo < hi]
        for piece in used:
            piece.users += 1
        return used

    def name(self, chain: int, lo: int, hi: int, named: int) -> None:
        """Name blocks that their one user has computed; a block that is there gets a later copy."""
        pieces = self.found.setdefault(chain, [])
        if not pieces or pieces[-1].hi <= lo:
            last = pieces[-1] if pieces else None
            if last and (last.hi, last.named, last.users, last.freed) == (lo, named, 1, -1):
                last.hi = hi  # the same user goes on, and has given nothing back yet
            else:
                pieces.append(Piece(lo, hi, named))
            return
        gaps, at = [], lo
        for piece in pieces:
            if piece.hi <= at or piece.lo >= hi:
                continue
            if piece.lo > at:
                gaps.append(Piece(at, piece.lo, named))
            end = min(hi, piece.hi)
            self.later.setdefault(chain, []).append(Piece(max(at, piece.lo), end, named))
            at = end
        if at < hi:
            gaps.append(Piece(at, hi, named))
        pieces += gaps
        pieces.sort(key=BY_DEPTH)

    def leave(self, chain: int, lo: int, hi: int, named: int, now: int) -> list[Span]:
        """Give blocks of one naming back; those whose last user left, deepest first."""
        if chain not in self.later:
            for piece in self.found[chain]:
                if piece.lo == lo and piece.hi == hi:  # one whole piece, mostly
                    piece.users -= 1
                    piece.freed = now
                    return [] if piece.users else [(lo, hi)]
        return self._leave(chain, lo, hi, named, now)

    def _leave(self, chain: int, lo: int, hi: int, named: int, now: int) -> list[Span]:
        freed: list[Span] = []
        for copies in (self.found.get(chain), self.later.get(chain)):
            if not copies:
                continue
            before: Piece | None = None
            over = [one for one in copies if one.named == named and one.lo < hi and one.hi > lo]
            for piece in reversed(over):
                if piece.hi > hi:
                    copies.insert(copies.index(piece) + 1, piece.cut(hi))
                if piece.lo < lo:
                    rest = piece.cut(lo)
                    copies.insert(copies.index(piece) + 1, rest)
                    piece = rest
                piece.users -= 1
                piece.freed = now
                if piece.users:
                    continue
                if before is not None and before.lo == piece.hi:
                    piece.hi = before.hi
                    copies.remove(before)
                    freed[-1] = (piece.lo, piece.hi)
                else:
                    freed.append((piece.lo, piece.hi))
                before = piece
        freed.sort(reverse=True)
        return freed

    def joined(self, chain: int, spans: list[Span]) -> list[Span]:
        """Make one piece of those that touch, which were given back at once, deepest first.

        It is of no naming: which copy of a block is found is decided among the later ones.
        """
        if chain in self.later:
            return spans
        touch = {lo for lo, _ in spans} & {hi for _, hi in spans}
        if not touch:
            return spans
        pieces: list[Piece] = []
        for piece in self.found[chain]:
            if piece.lo in touch:
                pieces[-1].hi, pieces[-1].named = piece.hi, 0
            else:
                pieces.append(piece)
        self.found[chain] = pieces
        starts = [lo for lo, _ in spans if lo not in touch]
        ends = [hi for _, hi in spans if hi not in touch]
        return list(zip(starts, ends, strict=True))

    def free(self, chain: int, lo: int, hi: int, freed: int) -> list[Span]:
        """What between two depths is free since it was given back then, deepest first."""
        pieces = self.found.get(chain, [])
        if chain in self.later:
            pieces = pieces + self.later[chain]
        spans = [
            (piece.lo if piece.lo > lo else lo, piece.hi if piece.hi < hi else hi)
            for piece in pieces
            if piece.freed == freed and not piece.users and piece.lo < hi and piece.hi > lo
        ]
        if len(spans) > 1:
            spans.sort(reverse=True)
        return spans

    def evict(self, chain: int, lo: int, hi: int, freed: int) -> None:
        """Take the names off free blocks; later copies of them are found from now on."""
        if _remove(self.found, chain, lo, hi, freed):
            if chain in self.later:
                self._promote(chain, lo, hi)
        else:
            _remove(self.later, chain, lo, hi, freed)

    def _promote(self, chain: int, lo: int, hi: int) -> None:
        """Let the copies that were named first be found where none is any more."""
        later, gaps = self.later[chain], [(lo, hi)]
        while gaps:
            lo, hi = gaps.pop()
            over = [piece for piece in later if piece.lo < hi and piece.hi > lo]
            if not over:
                continue
            first = min(over, key=BY_NAME)
            start, end = max(first.lo, lo), min(first.hi, hi)
            _cut(later, start, first.named)
            _cut(later, end, first.named)
            moved = next(one for one in later if (one.lo, one.named) == (start, first.named))
            later.remove(moved)
            self.found.setdefault(chain, []).append(moved)
            gaps += [gap for gap in ((lo, start), (end, hi)) if gap[0] < gap[1]]
        if chain in self.found:
            self.found[chain].sort(key=BY_DEPTH)
        if not later:
            del self.later[chain]


def _cut(pieces: list[Piece], at: int, named: int | None = None) -> None:
    """Let no piece, or none of a naming, reach over a depth."""
    for place, piece in enumerate(pieces):
        if piece.lo < at < piece.hi and named in (None, piece.named):
            pieces.insert(place + 1, piece.cut(at))
            return


def _remove(copies: dict[int, list[Piece]], chain: int, lo: int, hi: int, freed: int) -> bool:
    pieces = copies.get(chain, [])
    for place, piece in enumerate(pieces):
        if piece.freed == freed and not piece.users and piece.lo <= lo and hi <= piece.hi:
            if piece.hi > hi:
                pieces.insert(place + 1, piece.cut(hi))
            piece.hi = lo
            if piece.lo == lo:
                del pieces[place]
                if not pieces:
                    del copies[chain]
            return True
    return False
