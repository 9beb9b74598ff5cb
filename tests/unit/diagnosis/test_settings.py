"""What is said about environment variables."""

from puna.diagnosis.settings import section


def problems(**environ):
    return [(found.severity, found.problem, found.advice) for found in section(environ).findings]


def test_settings_are_shown():
    """What is set is told with its value; what is not, and what is no setting, is not shown."""
    told = section({"OLLAMA_MODELS": "/m", "OLLAMA_API_KEY": "secret", "HOME": "/root", "OLLAMA_ORIGINS": " "})
    assert ((("OLLAMA_MODELS", "/m"),), ()) == (told.facts, told.findings)


def test_a_misspelt_setting():
    """A variable that is no setting is named, with the one that was meant."""
    [(severity, problem, advice)] = problems(OLLAMA_KEEPALIVE="1h")
    assert ("warning", "did you mean OLLAMA_KEEP_ALIVE?") == (severity, advice)
    assert "OLLAMA_KEEPALIVE" in problem


def test_an_unreadable_value():
    """A value that cannot be read is shown with what counts in its place, and with what the setting means."""
    [(severity, problem, advice)] = problems(OLLAMA_NUM_PARALLEL="many")
    assert "warning" == severity
    assert problem.startswith("OLLAMA_NUM_PARALLEL=many cannot be read")
    assert "'0', the default, counts" in problem
    assert advice.startswith("OLLAMA_NUM_PARALLEL: requests one model answers at once")


def test_what_sets_nothing_here():
    """A variable of Ollama's that puna has no use for is told, with the reason."""
    [(severity, problem, advice)] = problems(OLLAMA_NO_CLOUD="1")
    assert ("note", "OLLAMA_NO_CLOUD sets nothing here") == (severity, problem)
    assert advice.startswith("unset it: ")
