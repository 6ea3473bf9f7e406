// Links for a patient's screen: made, shown once, withdrawn.
import { keepFocus } from "/kit/focus.js";
import { refusalOf, send } from "./send.js";

/** Serve the card of a bed's page; it asks nothing before it is opened. */
export function screens({ box, site, device, words }) {
  if (!box) return;
  const part = (id) => box.querySelector(`#screens-${id}`);
  const [address, copy] = part("new").querySelector(".screens-address").children;

  async function ask(request) {
    try {
      const answer = await request;
      const body = await answer.json();
      if (!answer.ok) throw new Error(refusalOf(body));
      return body;
    } catch (error) {
      part("note").textContent = words.screens_failed.replace("{detail}", error.message);
      return null;
    }
  }

  async function load() {
    const body = await ask(fetch(`/api/screens?${new URLSearchParams({ site, device })}`));
    if (!body) return;
    part("note").textContent = body.screens.length ? "" : words.screens_no_links;
    keepFocus(box, () => part("list").replaceChildren(...body.screens.map(row)));
  }

  function row({ id, by, ends }) {
    const item = document.createElement("li");
    const text = document.createElement("span");
    text.textContent = words.screens_until.replace("{ends}", ends).replace("{by}", by);
    const button = document.createElement("button");
    button.className = "button button-small";
    button.type = "button";
    button.textContent = words.screens_withdraw;
    button.addEventListener("click", () => change("/api/screens/withdraw", { screen: id }));
    item.append(text, button);
    return item;
  }

  async function change(path, wanted) {
    const body = await ask(send(path, { headers: { "content-type": "application/json" }, body: JSON.stringify(wanted) }));
    if (!body) return;
    part("new").hidden = !body.address;
    if (body.address) address.textContent = new URL(body.address, location.href).href;
    await load();
  }

  box.addEventListener("toggle", () => box.open && load());
  part("form").addEventListener("submit", (event) => {
    event.preventDefault();
    change("/api/screens", { site, device, days: Number(part("days").value) });
  });
  copy.addEventListener("click", async () => {
    await navigator.clipboard?.writeText(address.textContent);
    getSelection().selectAllChildren(address);
    copy.textContent = words.screens_copied;
  });
}
