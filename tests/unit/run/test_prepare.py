"""What a run is made of before the first byte leaves."""

from types import SimpleNamespace

from harness.model.campaign import Profile
from harness.model.problem import Together
from harness.model.seed import Seed, Segment
from harness.run.prepare import dress, together_by_factor

SEGMENT = Segment(
    "small", "o@x.example", (Seed("a@s.example", "me.com", {"name": "Ana"}), Seed("b@s.example", "me.com", {}))
)
ROWS = (Profile("p1", {"name": "Zoe", "city": "Oslo"}), Profile("p2", {"name": "Yan"}))


def merges(wear: str | None) -> list[dict[str, object]]:
    return [dict(seed.merge) for seed in dress(SEGMENT, ROWS, wear).seeds]


def test_profiles_fill_only_what_seeds_lack_unless_asked() -> None:
    assert merges(None) == [{"name": "Ana", "city": "Oslo"}, {"name": "Yan"}]


def test_seeds_wear_all_profiles_in_turn() -> None:
    assert merges("all") == [{"name": "Zoe", "city": "Oslo"}, {"name": "Yan"}]


def test_every_seed_wears_the_profile_that_is_named() -> None:
    assert [merge["name"] for merge in merges("p2")] == ["Yan", "Yan"]


def test_no_profile_is_worn_where_none_is_wanted() -> None:
    assert merges("none") == [{"name": "Ana"}, {}]


def test_a_host_that_is_refused_with_a_field_stands_for_each_of_its_links() -> None:
    ids = ("link:a/1", "link:a/2", "merge:product")
    expansion = SimpleNamespace(factors=[SimpleNamespace(id=name) for name in ids], groups={"host:a": ids[:2]})
    said = (Together(("host:a", "merge:product"), 60.0), Together(("host:elsewhere", "merge:product"), 9.0))
    assert together_by_factor(said, expansion) == (
        Together(("link:a/1", "merge:product"), 60.0),
        Together(("link:a/2", "merge:product"), 60.0),
    )
