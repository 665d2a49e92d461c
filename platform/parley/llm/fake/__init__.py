"""A scripted provider that speaks the OpenAI dialect over real HTTP, for tests and benchmarks."""

from parley.llm.fake.calls import Call
from parley.llm.fake.provider import FakeProvider
from parley.llm.fake.scripts import Fault, Script, script_for

__all__ = ["Call", "FakeProvider", "Fault", "Script", "script_for"]
