"""Scrolling through a log as a reader does."""

from collections.abc import Mapping
from typing import Any

from playwright.async_api import expect

from tests.browser.chat_page import ChatPage

# Scrolls by `step` pixels a frame until `done()`, and returns the texts that were passed, by seq, the longest way by
# which a message moved that was read, beyond the scrolling, and the most elements that the page had.
SCROLL = """async ([step, done]) => {
  const log = document.querySelector('#log');
  const frame = () => new Promise(requestAnimationFrame);
  const arrived = new Function(`return ${done}`); // in the page's world: its policy does not hold here
  const texts = new Map();
  let [jump, nodes] = [0, 0];
  const pass = () => {
    const all = [...log.querySelectorAll('.msg')];
    for (const each of all) texts.set(Number(each.dataset.seq), each.querySelector('.text')?.innerText);
    return all;
  };
  while (!arrived()) {
    const top = log.getBoundingClientRect().top;
    const all = pass();
    const read = all.find((each) => each.getBoundingClientRect().bottom > top + log.clientHeight / 2);
    const place = (each) => each.querySelector('.text').getBoundingClientRect().top;
    const [before, from] = [place(read), log.scrollTop];
    log.scrollTop += step;
    const scrolled = log.scrollTop - from;
    await frame();
    await frame();
    const now = log.querySelector(`.msg[data-seq="${read.dataset.seq}"]`);
    if (now) jump = Math.max(jump, Math.abs(place(now) - before + scrolled));
    nodes = Math.max(nodes, document.querySelectorAll('*').length);
  }
  pass();
  return { texts: [...texts].sort(([a], [b]) => a - b).map(([, text]) => text), jump, nodes };
}"""
AT_BEGINNING = "document.querySelector('.beginning') && document.querySelector('#log').scrollTop === 0"
AT_END = "document.querySelector('#jump').hidden"


async def scroll(chat: ChatPage, step: int, done: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = await chat.page.evaluate(SCROLL, [step, done])
    return found


async def scroll_up(chat: ChatPage, pixels: int) -> None:
    """Scroll up from the end, and wait until the page knows."""
    await chat.log.evaluate("(log, pixels) => { log.scrollTop -= pixels }", pixels)
    await expect(chat.jump).to_be_visible()
