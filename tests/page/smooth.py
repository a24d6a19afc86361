"""How smooth a page is: the processor time of its main thread for each action, whatever else the machine does."""

from collections.abc import Iterable

from playwright.sync_api import Page

SMOOTH = 100
"""Milliseconds that an action may take."""
ROUNDS = 3

ACT = """async (name) => {
  window.works[name]();
  await new Promise((done) => requestAnimationFrame(done));
  document.body.getBoundingClientRect();
}"""
CONTROLS = """
  const choose = (label, title) => {
    const select = [...document.querySelectorAll("label.labelled")]
      .find((one) => one.querySelector("span").textContent === label).querySelector("select");
    select.value = [...select.options].find((one) => one.textContent === title).value;
    select.dispatchEvent(new Event("change"));
  };
  const type = (label, value) => {
    const input = document.querySelector(label);
    input.value = value;
    input.dispatchEvent(new Event("input"));
  };
  const grid = () => document.querySelector("[role=grid]");
  let place = 0;
  const scroll = () => { place = (place + 13777) % 60000; grid().scrollTop = place; };
"""
"""Functions of the survey's view, for scripts that set `window.works`: functions by name."""


def slow_works(tab: Page, names: Iterable[str]) -> dict[str, float]:
    """Run the page's `works` a few times; return the milliseconds of those that take more than `SMOOTH` each time."""
    client = tab.context.new_cdp_session(tab)
    client.send("Performance.enable", {"timeDomain": "threadTicks"})

    def seconds() -> float:
        metrics = client.send("Performance.getMetrics")["metrics"]
        return next(float(metric["value"]) for metric in metrics if metric["name"] == "ThreadTime")

    took: dict[str, float] = {}
    for _ in range(ROUNDS):
        for name in names:
            before = seconds()
            tab.evaluate(ACT, name)
            took[name] = min(took.get(name, float("inf")), 1000 * (seconds() - before))
    assert all(took.values()), "the browser does not count the thread's time"
    return {name: milliseconds for name, milliseconds in took.items() if milliseconds > SMOOTH}
