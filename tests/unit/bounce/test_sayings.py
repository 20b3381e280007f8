import pytest
import yaml

from harness.bounce.reply import read_reply
from harness.bounce.rules import RULES
from tests.unit.bounce.corpora import CORPUS

SAYINGS = yaml.safe_load((CORPUS / "sayings.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("cause", "saying"), [(cause, text) for cause, texts in SAYINGS.items() for text in texts])
def test_what_servers_say_is_understood(cause: str, saying: str) -> None:
    text, _, also = saying.partition("|")
    assert {cause, *also.split("|")} - {""} <= set(RULES.causes)
    assert read_reply(text).cause in (cause, *also.split("|"))
