"""What is said of the claims, and how a verdict follows from findings."""

import json
import re
from pathlib import Path

import pytest

from epollkit import EventFlags, semantics
from epollkit.semantics import Bearing, Claim, Finding, Lab, NotShownHere, Outcome, Verdict

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def claim(experiment: object, verdict: Verdict = Verdict.TRUE) -> Claim:
    return Claim("name", "epoll", "text", verdict, "", ("epoll(7)",), "04", "about", experiment)  # type: ignore[arg-type]


def outcome(*findings: tuple[Bearing, bool], problem: str = "") -> Outcome:
    made = [Finding("text", bearing, "seen", "expected", right) for bearing, right in findings]
    return Outcome(claim(None), tuple(made), 0.0, problem)


FOR, AGAINST, ASIDE = Bearing.SUPPORTS, Bearing.CONTRADICTS, Bearing.NEITHER


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        ([(FOR, True)], Verdict.TRUE),
        ([(FOR, True), (ASIDE, True)], Verdict.TRUE),
        ([(AGAINST, True)], Verdict.FALSE),
        ([(FOR, True), (AGAINST, True)], Verdict.CONDITION),
        ([(FOR, False)], Verdict.FALSE),
        ([(AGAINST, False)], Verdict.TRUE),
        ([(FOR, True), (FOR, False)], Verdict.CONDITION),
        ([(ASIDE, True)], None),
        ([], None),
    ],
)
def test_the_verdict_follows_from_the_findings(
    findings: list[tuple[Bearing, bool]], verdict: Verdict | None
) -> None:
    assert outcome(*findings).verdict is verdict


def test_a_problem_leaves_no_verdict() -> None:
    assert outcome((FOR, True), problem="it broke").verdict is None


def test_an_unexpected_finding_aside_is_a_surprise_all_the_same() -> None:
    found = outcome((FOR, True), (ASIDE, False))
    assert found.verdict is Verdict.TRUE
    assert not found.as_expected
    assert len(found.surprises) == 1


def test_a_kernel_that_answers_otherwise_gives_another_verdict() -> None:
    def experiment(lab: Lab) -> None:
        near, far = lab.unix_pair()
        far.send(b"x")
        lab.supports("readable", lab.ready(lab.epoll("epoll", near)), EventFlags.OUT)

    found = semantics.run(claim(experiment))
    assert found.verdict is Verdict.FALSE
    assert found.surprises[0].seen == "IN"
    assert found.surprises[0].expected == "OUT"
    report = semantics.Report((found,))
    assert report.unexpected == (found,)
    assert "false (Linux 6.18: true)" in str(report)
    assert "false (Linux 6.18: true)" in report._repr_html_()


def test_an_outcome_tells_its_story() -> None:
    found = semantics.run("edge_is_silent_while_unread", record=True)
    assert repr(found) == "<epollkit.semantics.Outcome edge_is_silent_while_unread: false>"
    told, shown = str(found), found._repr_html_()
    for finding in found.findings:
        assert f"{finding.bearing.value}  {finding.text}: {finding.seen}" in told
        assert f">{finding.seen}<" in shown
    assert found.claim.truth in told
    assert "man7.org" in shown
    assert "data:image/svg+xml;base64," in shown
    assert "<svg" not in semantics.run("edge_is_silent_while_unread")._repr_html_()


def test_an_experiment_that_fails_is_an_outcome() -> None:
    def experiment(lab: Lab) -> None:
        lab.supports("something", 1, 1)
        raise ZeroDivisionError("by zero")

    found = semantics.run(claim(experiment))
    assert found.broken
    assert found.verdict is None
    assert found.told == "ZeroDivisionError: by zero"
    assert semantics.Report((found,)).unexpected == (found,)


def test_what_a_machine_lacks_is_no_failure() -> None:
    def experiment(lab: Lab) -> None:
        lab.needs(condition=False, what="a moon")

    found = semantics.run(claim(experiment))
    assert (found.problem, found.broken) == ("needs a moon", False)
    report = semantics.Report((found,))
    assert report.as_expected
    assert report.counts == {"not shown": 1}
    with Lab() as lab, pytest.raises(NotShownHere, match="needs a moon"):
        lab.needs(condition=None, what="a moon")


def test_a_lab_ends_what_it_made() -> None:
    with Lab() as lab:
        near, far = lab.tcp_pair()
        epoll = lab.epoll("epoll", near)
        waiting = lab.thread(lambda: len(epoll.wait(5)))
        far.send(b"x")
    assert waiting.result() == 1
    assert near.closed
    assert far.closed
    assert epoll.closed


@pytest.mark.parametrize("name", semantics.CLAIMS)
def test_what_is_said_of_a_claim_is_whole(name: str) -> None:
    said = semantics.CLAIMS[name]
    assert re.fullmatch(r"[a-z][a-z0-9_]+", name)
    assert len(said.text) > 10
    assert not said.text.endswith(".")
    assert bool(said.truth) == (said.verdict is not Verdict.TRUE)
    assert all(semantics.link(page).startswith("https://") for page in said.man)
    assert len(said.about.split()) > 5


@pytest.mark.parametrize("name", semantics.CLAIMS)
def test_a_claim_has_a_place_in_its_notebook(name: str) -> None:
    (path,) = NOTEBOOKS.glob(f"{semantics.CLAIMS[name].notebook}_*.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells)
    assert re.search(rf"\b{name}\b", text)


def test_claims_are_chosen_by_topic_and_by_name() -> None:
    everything = semantics.select_claims()
    assert [each.name for each in everything] == sorted(
        semantics.CLAIMS, key=lambda name: semantics.TOPICS.index(semantics.CLAIMS[name].topic)
    )
    epoll = semantics.select_claims("epoll")
    assert {each.topic for each in epoll} == {"epoll"}
    one = semantics.select_claims(["edge_reports_only_changes", "poll"])
    assert {each.topic for each in one} == {"epoll", "poll"}
    with pytest.raises(ValueError, match="no topic and no claim 'edge_rep'"):
        semantics.select_claims("edge_rep")
    with pytest.raises(ValueError, match="no claim 'x'"):
        semantics.run("x")


@pytest.mark.parametrize(
    ("topic", "verdict", "truth", "words"),
    [
        ("tea", Verdict.TRUE, "", "no topic 'tea'"),
        ("epoll", Verdict.FALSE, "", "a truth is for"),
        ("epoll", Verdict.TRUE, "so", "a truth is for"),
    ],
)
def test_a_claim_that_is_not_whole_is_refused(
    topic: str, verdict: Verdict, truth: str, words: str
) -> None:
    def experiment(_lab: Lab) -> None:
        """Do nothing."""

    from epollkit.semantics._registry import claim as enter  # noqa: PLC0415

    with pytest.raises(ValueError, match=words):
        enter("text", topic=topic, verdict=verdict, truth=truth, man="epoll(7)", notebook="04")(
            experiment
        )
    assert "experiment" not in semantics.CLAIMS


def test_pages_have_links() -> None:
    assert semantics.link("epoll(7)") == "https://man7.org/linux/man-pages/man7/epoll.7.html"
    assert semantics.link("RFC 9293") == "https://www.rfc-editor.org/rfc/rfc9293"
    with pytest.raises(ValueError, match="neither a man page"):
        semantics.link("somewhere")
