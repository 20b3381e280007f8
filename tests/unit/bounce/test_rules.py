import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.bounce.reply import read_reply
from harness.bounce.rule import Rule, words_of
from harness.bounce.rules import RULES, load_rules
from harness.errors import ConfigError
from tests.shared import examples

OWN = """\
rules:
- id: our-gateway
  class: rate_limited
  says: [gateway ... is tired]
  samples: ["554 gateway seven is tired"]
"""


@pytest.mark.parametrize("rule", RULES.rules, ids=lambda rule: rule.id)
def test_every_rule_claims_its_own_samples(rule: Rule) -> None:
    """A rule whose sample goes to an earlier rule, or to none, is dead."""
    assert rule.samples
    for sample in rule.samples:
        assert read_reply(sample).rule == rule.id


def test_every_class_says_what_it_means_for_an_apple_sender() -> None:
    for cause in RULES.causes.values():
        assert cause.meaning
        assert cause.apple
        assert cause.advice


def test_tags_name_classes_that_exist_and_disputed_ones_say_why() -> None:
    for tag in RULES.tags.values():
        assert tag.cause in RULES.causes
        assert set(tag.alternatives) <= set(RULES.causes)
        assert tag.resolution
        assert tag.sources


def test_a_workspace_rule_goes_first() -> None:
    text = "554 5.7.1 Gateway seven is tired of spam"
    assert read_reply(text).cause == "content_policy"
    reading = read_reply(text, rules=RULES.with_first(load_rules(OWN, "rules.yaml")))
    assert (reading.cause, reading.rule) == ("rate_limited", "our-gateway")


def test_a_workspace_can_take_another_side_about_a_tag() -> None:
    own = load_rules("tags:\n- {tag: CS02, class: phishing_policy, confidence: medium}\n", "rules.yaml")
    reading = read_reply("554 5.7.1 [CS02] Message rejected due to local policy", rules=RULES.with_first(own))
    assert (reading.cause, reading.evidence, reading.rule) == ("phishing_policy", "strong", "tag-CS02")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("rulez: []\n", 1, "'rules'"),
        (OWN.replace("says:", "say:"), 4, "'says'"),
        (OWN.replace("rate_limited", "rate_limit"), 3, "'rate_limited'"),
        (OWN.replace("  says: [gateway ... is tired]\n", ""), 2, "claims all"),
        (OWN.replace('  samples: ["554 gateway seven is tired"]\n', ""), 2, "'samples'"),
        (OWN + OWN.partition("\n")[2], 6, "own name"),
        (OWN.replace("[gateway ... is tired]", "['!!']"), 4, "without a word"),
        ("rules: [\n", 2, "no YAML"),
        ("rules:\n- {id: a, class: unknown, says: {a: b}, samples: [b]}\n", 2, "list of texts"),
        ("tags:\n- {tag: X1, class: unknown, codes_seen: [many]}\n", 2, "codes_seen"),
    ],
)
def test_a_wrong_rule_file_is_refused_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_rules(text, "rules.yaml")
    assert str(caught.value).startswith(f"rules.yaml:{line}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@settings(max_examples=examples(2000))
@given(st.text())
def test_any_rule_file_is_read_or_refused_in_one_line(text: str) -> None:
    said = ""
    try:
        load_rules(text, "rules.yaml")
    except ConfigError as error:
        said = str(error)
    assert "\n" not in said


def test_words_don_t_mind_case_punctuation_and_addresses() -> None:
    assert words_of("User\u2019s  <spam@full.example>: OVER-quota!") == " user s over quota "
